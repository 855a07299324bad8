"""Syncs in forked children, one process for each kill, and a warehouse that goes back to where it was in between."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import boto3
import psycopg
from psycopg import sql

from ingestion import (  # noqa: F401 - warm in the parent that children fork from
    csv_files,
    daily_export,
    file_stream,
    kafka_stream,
    stripe_api,
    table_stream,
    tables,
)
from ingestion import sync as sync_module
from ingestion.sources import (  # noqa: F401 - the same
    app_database,
    csv_upload,
    email,
    google_analytics,
    kafka,
    shopify,
    stripe,
)
from settings import load_pipeline
from tests.ingestion.faults.points import Kill, Points

PATIENCE = 60
SESSION = boto3.session.Session()  # the parent has read S3's long description, and each child would read it anew
SESSION.client("s3", region_name="us-east-1")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


@dataclass
class Job:
    """A sync of one stream, in the environment that leads to its source and warehouse."""

    source: str
    stream: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.source}.{self.stream}"


def run(job: Job, kill: Kill | None = None) -> Points | None:
    """Run it in a process of its own; what it did, or None when it was killed. Raises AssertionError if it failed."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_child, args=(job, kill, sender))
    process.start()
    sender.close()
    points, told = None, ""
    try:
        if receiver.poll(PATIENCE):
            labels, told = receiver.recv()
            points = Points()
            points.labels = labels
    except EOFError:
        told = "it was killed"
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"{job.name} at {kill} did not end")
    if process.exitcode == -signal.SIGKILL:
        assert kill, f"{job.name} was killed by somebody else"
        return None
    assert process.exitcode == 0 and not told, f"{job.name}, to be killed at {kill}: {told or process.exitcode}"
    return points


def _child(job: Job, kill: Kill | None, sender: Connection) -> None:
    os.environ.update(job.environment)
    small_pages()
    points = Points(kill)
    points.wrap_everything()
    [result] = sync_module.sync(job.source, [job.stream], pipeline=load_pipeline())
    sender.send((points.labels, result.error or ""))


def small_pages() -> None:
    """So that the tiny shop fills several pages and several transactions."""
    sync_module.BATCH_RECORDS = 20
    shopify.Orders.first = shopify.Customers.first = 25
    shopify.Products.first = 6
    stripe_api.PAGE_SIZE = 30
    file_stream.PAGE_ROWS = 7
    table_stream.PAGE_ROWS = tables.FETCH_ROWS = 40
    daily_export.PAGE_ROWS = 200
    boto3.session.Session = lambda: SESSION
    kafka_stream.PAGE_RECORDS = 7


class Warehouse:
    """Remembers states of raw and ops by a name and goes back to them."""

    def __init__(self, url: str):
        self.url = url
        with self._connect() as connection:
            rows = connection.execute(
                "select relnamespace::regnamespace::text, relname from pg_class where relkind in ('r', 'p')"
                " and not relispartition and relnamespace in ('raw'::regnamespace, 'ops'::regnamespace)"
                " and relname <> 'migrations' order by 1, 2"
            ).fetchall()
        self._tables = [sql.Identifier(schema, name) for schema, name in rows]
        self._saved: dict[str, list[tuple[sql.Identifier, sql.Identifier]]] = {}

    def save(self, name: str) -> None:
        kept = []
        with self._connect() as connection:
            connection.execute(sql.SQL("drop schema if exists {0} cascade; create schema {0}").format(_id(name)))
            for table in self._filled(connection):
                copy = sql.Identifier(name, "_".join(table._obj))
                connection.execute(sql.SQL("create table {} as table {}").format(copy, table))
                kept.append((table, copy))
        self._saved[name] = kept

    def restore(self, name: str) -> None:
        """Empty everything and bring back what was saved under `name`."""
        with self._connect() as connection, connection.transaction():
            connection.execute("set local session_replication_role = replica")  # the copies are whole: no order needed
            if filled := self._filled(connection):
                connection.execute(sql.SQL("truncate {} cascade").format(sql.SQL(", ").join(filled)))
            for table, copy in self._saved[name]:
                connection.execute(
                    sql.SQL("insert into {} overriding system value select * from {}").format(table, copy)
                )

    def kept(self, job: Job) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that a sync leaves, but for the times and names of its runs."""
        questions = {
            "raw": f"select record_key, record_version, content_hash, source_data::text, _deleted from raw."
            f"{job.source}_{job.stream} order by 1, 2, 3",
            "checkpoint": "select source, stream, state::text, watermark, last_record_at from ops.checkpoints",
            "quarantine": "select record_key, record, errors, origin, record_version, deleted, status"
            " from ops.quarantine order by record",
            "files": "select stream, sha256, name, size, modified_at, records from ops.files order by name, sha256",
            "counts": "select sum(received), sum(kept), sum(already_there), sum(rejected), sum(skipped), sum(bytes)"
            " from ops.loads",
            "runs": "select count(*) from ops.runs where status = 'running'",
        }
        with self._connect() as connection:
            return {name: connection.execute(text.encode()).fetchall() for name, text in questions.items()}

    def _filled(self, connection: psycopg.Connection) -> list[sql.Identifier]:
        question = sql.SQL(", ").join(sql.SQL("exists (select from {})").format(table) for table in self._tables)
        row = connection.execute(sql.SQL("select {}").format(question)).fetchone()
        assert row
        return [table for table, filled in zip(self._tables, row, strict=True) if filled]

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)


def _id(name: str) -> sql.Identifier:
    return sql.Identifier(name)
