"""A batch of a stream, and its one transaction: rows, rejects, bookmark, counts, files."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from settings import HeadwaterError
from warehouse.fence import fenced


class RawRow(NamedTuple):
    """One version of one record, its bytes as the source sent them."""

    key: str
    version: datetime
    data: bytes
    extracted_at: datetime
    deleted: bool = False


class Reject(NamedTuple):
    """A record that broke its contract, with every error it has; `origin` where the batch's is not exact enough.

    `version` and `deleted` are kept for the replay where the source tells them beside the record's bytes.
    """

    key: str | None
    data: bytes
    errors: list[str]
    origin: str = ""
    version: datetime | None = None
    deleted: bool = False


class LoadedFile(NamedTuple):
    """A file whose last record is in this batch. `etag` is what an object store calls its content."""

    sha256: str
    name: str
    size: int
    modified_at: datetime
    records: int
    etag: str = ""


@dataclass(slots=True)
class Batch:
    """What one transaction holds. `state` is the whole bookmark after it.

    `skipped` counts rejects of a stream whose policy is `skip`: they are counted, not stored.
    `watermark` is given with the batch that ends a window, `files` with the one that ends them. `replayed` names
    quarantine rows that this batch resolves.
    """

    rows: Sequence[RawRow]
    state: dict[str, Any]
    origin: str
    rejects: Sequence[Reject] = ()
    skipped: int = 0
    watermark: datetime | None = None
    files: Sequence[LoadedFile] = ()
    replayed: Sequence[int] = ()
    load_id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def received(self) -> int:
        return len(self.rows) + len(self.rejects) + self.skipped


class Counts(NamedTuple):
    """`kept + already_there + rejected = received`, for one batch or a run."""

    received: int = 0
    kept: int = 0
    already_there: int = 0
    rejected: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*(mine + others for mine, others in zip(self, other, strict=True)))


class Run(NamedTuple):
    """Who writes: a run of a stream, with the fencing token that it took when it opened the stream.

    `window` is the window of a backfill (its id and number) that the run opened instead.
    """

    run_id: uuid.UUID
    source: str
    stream: str
    fence: int
    window: tuple[uuid.UUID, int] | None = None


def prepare(connection: psycopg.Connection, table: str) -> None:
    """Make a session ready to write to raw's `table`. Raises HeadwaterError when that is not there as it must be."""
    row = connection.execute("select relkind from pg_class where oid = to_regclass(%s)", (f"raw.{table}",)).fetchone()
    if not row or row[0] != "p":
        lack = "is not split into months yet" if row else "is not there"
        raise HeadwaterError(f"The table raw.{table} {lack}; run `python -m warehouse migrate` (or `make migrate`).")
    # A client whose machine is gone says no goodbye: the server asks after it, or the lock would be held for hours.
    connection.execute(
        "set lock_timeout = '10s'; set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10;"
        " set tcp_keepalives_count = 3"
    )
    connection.execute(
        "create temporary table incoming (record_key text, record_version timestamptz, content_hash bytea,"
        " source_data json, _extracted_at timestamptz, _deleted boolean) on commit delete rows"
    )


def write(connection: psycopg.Connection, run: Run, batch: Batch) -> Counts:
    """The transaction. Raises Fenced, and psycopg's errors; nothing of the batch stays then."""
    _make_months(connection, run, batch)
    with connection.transaction():
        _move_bookmark(connection, run, batch)
        kept = _insert_rows(connection, run, batch) if batch.rows else 0
        counts = Counts(
            received=batch.received,
            kept=kept,
            already_there=len(batch.rows) - kept,
            rejected=len(batch.rejects) + batch.skipped,
        )
        size = sum(len(row.data) for row in batch.rows) + sum(len(reject.data) for reject in batch.rejects)
        connection.execute(
            "insert into ops.loads (load_id, run_id, source, stream, received, kept, already_there, rejected,"
            " skipped, bytes, origin) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                batch.load_id,
                run.run_id,
                run.source,
                run.stream,
                *counts,
                batch.skipped,
                size,
                batch.origin,
            ),
        )
        if batch.rejects:
            _quarantine(connection, run, batch)
        if batch.replayed:
            connection.execute(
                "update ops.quarantine set status = 'replayed', resolved_at = clock_timestamp(),"
                " resolved_load_id = %s where quarantine_id = any(%s)",
                (batch.load_id, list(batch.replayed)),
            )
        if batch.files:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into ops.files (source, stream, sha256, name, size, modified_at, records, etag, load_id)"
                    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
                    [(run.source, run.stream, *file, batch.load_id) for file in batch.files],
                )
    return counts


def _make_months(connection: psycopg.Connection, run: Run, batch: Batch) -> None:
    """Before the transaction: it would keep other writers of the stream from making theirs until it ends."""
    months = {(version.year, version.month): version for version in (row.version.astimezone(UTC) for row in batch.rows)}
    if months:
        connection.execute(
            "select raw.make_months(%s, %s::timestamptz[])", (f"{run.source}_{run.stream}", list(months.values()))
        )


def _move_bookmark(connection: psycopg.Connection, run: Run, batch: Batch) -> None:
    if run.window:
        _move_window(connection, run, batch, run.window)
        return
    newest = max((row.version for row in batch.rows), default=None)
    moved = connection.execute(
        "update ops.checkpoints set state = %s, watermark = greatest(watermark, %s),"
        " last_record_at = greatest(last_record_at, %s), updated_at = clock_timestamp()"
        " where source = %s and stream = %s and fence = %s",
        (Jsonb(batch.state), batch.watermark, newest, run.source, run.stream, run.fence),
    )
    if moved.rowcount != 1:
        raise fenced(run)


def _move_window(connection: psycopg.Connection, run: Run, batch: Batch, window: tuple[uuid.UUID, int]) -> None:
    done = batch.state.get("done") is True
    moved = connection.execute(
        "update ops.backfill_windows set state = %s, status = %s, updated_at = clock_timestamp(),"
        " finished_at = case when %s then clock_timestamp() end where backfill_id = %s and number = %s and fence = %s",
        (Jsonb(batch.state), "done" if done else "running", done, *window, run.fence),
    )
    if moved.rowcount != 1:
        raise fenced(run)


def _insert_rows(connection: psycopg.Connection, run: Run, batch: Batch) -> int:
    columns = "record_key, record_version, content_hash, source_data, _extracted_at, _deleted"
    with connection.cursor() as cursor:
        with cursor.copy(f"copy incoming ({columns}) from stdin (format binary)".encode()) as copy:
            copy.set_types(["text", "timestamptz", "bytea", "text", "timestamptz", "bool"])
            for row in batch.rows:
                digest = hashlib.sha256(row.data).digest()
                # Sent as text: psycopg would dump a str for `json` as one more JSON string.
                text = row.data.decode()
                copy.write_row((row.key, row.version, digest, text, row.extracted_at, row.deleted))
        table = sql.Identifier("raw", f"{run.source}_{run.stream}")
        cursor.execute(
            sql.SQL(
                f"insert into {{}} ({columns}, _load_id) select {columns}, %s from incoming{{}} on conflict do nothing"
            ).format(table, _but_the_outrun(run, batch, table)),
            (batch.load_id,),
        )
        return cursor.rowcount


def _but_the_outrun(run: Run, batch: Batch, table: sql.Identifier) -> sql.Composable:
    """What a backfill or the quarantine had before others brought the same version must not come after it: the last
    loaded stands."""
    if not run.window and not batch.replayed:
        return sql.SQL("")
    same = "where it.record_key = incoming.record_key and it.record_version = incoming.record_version"
    # An aggregate is looked up for each row by the index; `exists` would be a join with all of the table.
    outrun = sql.SQL(
        f"coalesce((select max(it._extracted_at) from {{}} as it {same}) > incoming._extracted_at, false)"
    ).format(table)
    if not run.window:
        within = f" or exists (select from incoming as it {same} and it._extracted_at > incoming._extracted_at)"
        outrun = sql.SQL("{}{}").format(outrun, sql.SQL(within))
    return sql.SQL(" where not ({})").format(outrun)


def _quarantine(connection: psycopg.Connection, run: Run, batch: Batch) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.quarantine (source, stream, load_id, record_key, record, content_hash, errors, origin,"
            " record_version, deleted) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            [
                (
                    *(run.source, run.stream, batch.load_id, reject.key, reject.data),
                    *(hashlib.sha256(reject.data).digest(), reject.errors, reject.origin or batch.origin),
                    *(reject.version, reject.deleted),
                )
                for reject in batch.rejects
            ],
        )
