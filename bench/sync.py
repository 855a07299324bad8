"""First syncs from the pretend shop beside plain COPY of the same rows: records per second, peak memory, the ratio.

The pretend shop shares the machine's cores with the sync and is the slower of the two, so this is the speed of both
together; `bench versus` has a server that is fast. The COPY is of the same rows, from a file, into the emptied table.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psycopg
from psycopg import sql

from bench.copying import copy_in, export
from bench.machine import Report, ratio, spread
from bench.measure import Run
from bench.measure import measure as measure_run
from local.postgres import EmbeddedPostgres
from local.stack import Stack

STREAMS = (("shopify", "orders"), ("stripe", "charges"), ("email", "events"))
COLUMNS = ("", "records", "sync s", "records/s", "whole process s", "peak MB", "COPY s", "sync to COPY")
NOTES = (
    "sync: from the run's first to its last word in ops.runs; the whole process adds Python's start.",
    "COPY: the same rows from a file into the emptied table. The pretend shop runs on the same cores.",
)


@dataclass
class Measured:
    """What the rounds of one stream gave, in seconds but for `runs`."""

    records: int = 0
    sync: list[float] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)


def measure(rounds: int) -> None:
    """Print the table. Raises HeadwaterError when a sync fails."""
    report = Report(f"First syncs, {rounds} rounds", COLUMNS, *NOTES)
    results = {stream: Measured() for stream in STREAMS}
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may have to run as another account
        postgres = EmbeddedPostgres(folder / "postgres")  # the stack's
        try:
            with Stack(folder, size="small", airflow=False) as stack:
                for _ in range(rounds):
                    for (source, stream), result in results.items():
                        _one_round(stack, postgres, source, stream, result)
        finally:
            postgres.remove()
    for (source, stream), result in results.items():
        report.add(
            f"{source} {stream}",
            f"{result.records:,}",
            spread(result.sync),
            f"{result.records / median(result.sync):,.0f}",
            f"{median(run.seconds for run in result.runs):.1f}",
            f"{max(run.peak for run in result.runs):.0f}",
            f"{median(result.copy):.2f}",
            ratio(result.sync, result.copy),
        )
    report.print()


def _one_round(stack: Stack, postgres: EmbeddedPostgres, source: str, stream: str, result: Measured) -> None:
    """Sync the stream into an empty warehouse, then copy what came of it."""
    with psycopg.connect(stack.warehouse_url, autocommit=True) as connection:
        _empty(connection)
        door = [sys.executable, "-m", "ingestion", "sync", source, stream, "--quiet"]
        result.runs.append(measure_run([door], stack.env, postgres))
        query = """select sum(received)::int, extract(epoch from max(finished_at) - min(started_at))::float8
            from ops.runs join ops.loads using (run_id)"""
        row = connection.execute(query).fetchone()
        assert row is not None
        result.records = row[0]
        result.sync.append(row[1])
        result.copy.append(_copy(connection, f"raw.{source}_{stream}", stack.home / "rows"))
    print(
        f"{source} {stream}: {row[0]:,} records in {row[1]:.1f} s, COPY {result.copy[-1]:.2f} s,"
        f" peak {result.runs[-1].peak:.0f} MB, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )


def _empty(connection: psycopg.Connection) -> None:
    tables = connection.execute(
        "select schemaname, tablename from pg_tables where schemaname in ('raw', 'ops') and tablename <> 'migrations'"
    ).fetchall()
    names = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
    connection.execute(sql.SQL("truncate {}").format(names))
    connection.execute("checkpoint")


def _copy(connection: psycopg.Connection, table: str, file: Path) -> float:
    """Seconds of a COPY of the table's rows, from a file, into the table after it was emptied; one transaction."""
    export(connection, table, file)
    connection.execute(sql.SQL("truncate {}").format(sql.Identifier(*table.split("."))))
    connection.execute("checkpoint")
    began = time.monotonic()
    copy_in(connection, table, file)
    seconds = time.monotonic() - began
    file.unlink()
    return seconds
