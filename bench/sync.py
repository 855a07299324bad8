"""First syncs from the mock APIs beside plain COPY of the same rows: records per second, peak memory, the ratio.

The mock APIs share the machine's cores with the sync, so this is the speed of both together. The COPY's rows come
from a file and go into a table of the same shape, keys and all, in the same Postgres; that is the floor that no
sync can be below.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psycopg
from psycopg import sql

from bench.machine import Report, ratio, spread
from local.postgres import EmbeddedPostgres
from local.stack import Stack
from settings import HeadwaterError

ROOT = Path(__file__).resolve().parent.parent
STREAMS = {
    "small": [("shopify", "orders"), ("stripe", "charges"), ("email", "events")],
    "large": [("stripe", "charges")],
}
COLUMNS = ("", "records", "sync s", "records/s", "whole process s", "peak MB", "COPY s", "sync to COPY")
NOTES = (
    "sync: from the run's first to its last word in ops.runs; the whole process adds Python's start.",
    "COPY: the same rows from a file into a table of the same shape. The mock APIs run on the same cores.",
)
CHUNK = 1 << 20
# A process of its own between: what the kernel reports of a child begins with the memory of whoever started it.
MEASURED = """import resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)"""


@dataclass
class Measured:
    """What the rounds of one stream gave: seconds, and megabytes at the peak."""

    records: int = 0
    sync: list[float] = field(default_factory=list)
    process: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)


def measure(rounds: int) -> None:
    """Print the table. Raises HeadwaterError when a sync fails."""
    report = Report(f"First syncs, {rounds} rounds", COLUMNS, *NOTES)
    for size, streams in STREAMS.items():
        with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)  # Postgres may have to run as another account
            try:
                with Stack(folder, size=size, airflow=False) as stack:
                    results = {stream: Measured() for stream in streams}
                    for _ in range(rounds):
                        for (source, stream), result in results.items():
                            _one_round(stack, source, stream, result)
            finally:
                EmbeddedPostgres(folder / "postgres").remove()
        for (source, stream), result in results.items():
            report.add(
                f"{source} {stream}, {size}",
                f"{result.records:,}",
                spread(result.sync),
                f"{result.records / median(result.sync):,.0f}",
                f"{median(result.process):.1f}",
                f"{max(result.peak):.0f}",
                f"{median(result.copy):.2f}",
                ratio(result.sync, result.copy),
            )
    report.print()


def _one_round(stack: Stack, source: str, stream: str, result: Measured) -> None:
    """Sync the stream into an empty warehouse, then copy what came of it."""
    with psycopg.connect(stack.warehouse_url, autocommit=True) as connection:
        _empty(connection)
        process, peak = _sync(stack, source, stream)
        query = """select sum(received)::int, extract(epoch from max(finished_at) - min(started_at))::float8
            from ops.runs join ops.loads using (run_id)"""
        row = connection.execute(query).fetchone()
        assert row is not None
        result.records = row[0]
        result.sync.append(row[1])
        result.process.append(process)
        result.peak.append(peak)
        result.copy.append(_copy(connection, sql.Identifier("raw", f"{source}_{stream}"), stack.home / "rows"))
    print(
        f"{source} {stream}: {row[0]:,} records in {row[1]:.1f} s, COPY {result.copy[-1]:.2f} s, peak {peak:.0f} MB,"
        f" load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )


def _empty(connection: psycopg.Connection) -> None:
    tables = connection.execute(
        "select schemaname, tablename from pg_tables where schemaname in ('raw', 'ops') and tablename <> 'migrations'"
    ).fetchall()
    names = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
    connection.execute(sql.SQL("truncate {}").format(names))
    connection.execute("checkpoint")


def _sync(stack: Stack, source: str, stream: str) -> tuple[float, float]:
    """Seconds of `python -m ingestion sync`, and the most memory that it held, in megabytes."""
    command = [sys.executable, "-I", "-S", "-c", MEASURED]
    door = [sys.executable, "-m", "ingestion", "sync", source, stream, "--quiet"]
    done = subprocess.run([*command, *door], env=stack.env, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise HeadwaterError(f"The sync of {source} {stream} failed: {done.stderr.strip()[-1000:]}")
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak / (1e6 if sys.platform == "darwin" else 1e3)


def _copy(connection: psycopg.Connection, table: sql.Identifier, file: Path) -> float:
    """Seconds of a COPY of the table's rows, from a file, into a new table of its shape; one transaction."""
    with connection.cursor() as cursor:
        with file.open("wb") as out, cursor.copy(sql.SQL("copy {} to stdout (format binary)").format(table)) as rows:
            for block in rows:
                out.write(block)
        cursor.execute(sql.SQL("create table bench_copy (like {} including all)").format(table))
        cursor.execute("checkpoint")
        began = time.monotonic()
        with file.open("rb") as rows_in, cursor.copy("copy bench_copy from stdin (format binary)") as target:
            while block_in := rows_in.read(CHUNK):
                target.write(block_in)
        seconds = time.monotonic() - began
        cursor.execute("drop table bench_copy")
    file.unlink()
    return seconds
