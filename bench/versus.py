"""The same charges from the same server into the same Postgres: Headwater, its peers, and plain COPY as the limit.

Everyone takes their turn in every round, in an order that moves on by one, each into an empty database of their own,
after a checkpoint. Who has not as many rows afterwards as there are charges ends the whole measurement.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from bench.contestants import CONTESTANTS, DOOR, RAW, Contestant, Place
from bench.copying import export
from bench.measure import ROOT, Run, cpu_of, measure
from bench.results import MILLION, Results
from bench.server import serving
from local.postgres import EmbeddedPostgres
from settings import HeadwaterError
from warehouse.migrate import migrate

TRIAL = 1_000
MEMORY_SIZES = (50_000, 2_000_000)


def versus(
    records: int, rounds: int, without: Sequence[str] = (), memory_sizes: Sequence[int] = MEMORY_SIZES
) -> Results:
    """Measure; each run is told on stderr. Raises HeadwaterError when a peer is missing, fails, or loses rows."""
    if unknown := sorted(set(without) - CONTESTANTS.keys() | ({"headwater", "copy"} & set(without))):
        peers = ", ".join(sorted(CONTESTANTS.keys() - {"headwater", "copy"}))
        raise HeadwaterError(f"--without {', '.join(unknown)}: only peers can be left out: {peers}.")
    chosen = {key: each for key, each in CONTESTANTS.items() if key not in without}
    for each in chosen.values():
        each.install()
    with _ring() as ring:
        results = Results(records, datetime.now(UTC), ring.version(), os.cpu_count() or 1, load=[os.getloadavg()[0]])
        with serving(TRIAL) as server:
            ring.rows_for_copy(server.address, TRIAL)
            for each in chosen.values():  # a peer that does not work is noticed now
                ring.one(each, server.address, TRIAL)
        with serving(records) as server:
            before = cpu_of(server.pid)
            results.bytes_each = ring.rows_for_copy(server.address, records)
            results.server_cpu = (cpu_of(server.pid) - before) * MILLION / records
            for number in range(rounds):
                turn = number % len(chosen)
                for key in [*chosen][turn:] + [*chosen][:turn]:
                    run = ring.one(chosen[key], server.address, records)
                    results.runs.setdefault(key, []).append(run)
                    _tell(f"round {number + 1}: {chosen[key].title}", records, run)
            results.stages = ring.stages(server.address, records)
        results.memory = _memory(ring, memory_sizes)
        results.load.append(os.getloadavg()[0])
    return results


def memory(sizes: Sequence[int] = MEMORY_SIZES) -> dict[int, Run]:
    """Headwater alone, with each number of charges."""
    with _ring() as ring:
        return _memory(ring, sizes)


def _memory(ring: Ring, sizes: Sequence[int]) -> dict[int, Run]:
    found = {}
    for size in sizes:
        with serving(size) as server:
            found[size] = ring.one(CONTESTANTS["headwater"], server.address, size)
        _tell("memory: Headwater", size, found[size])
    return found


def _tell(who: str, records: int, run: Run) -> None:
    print(
        f"{who}: {records:,} charges in {run.seconds:.1f} s, CPU {run.client_cpu:.1f} + {run.postgres_cpu:.1f} s,"
        f" peak {run.peak:.0f} MB, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )


@contextmanager
def _ring() -> Iterator[Ring]:
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may have to run as another account
        postgres = EmbeddedPostgres(folder / "postgres")
        try:
            yield Ring(postgres.start(), folder)
        finally:
            postgres.remove()


class Ring:
    """One Postgres; each run gets a database in it that is made before and dropped after."""

    def __init__(self, postgres: EmbeddedPostgres, folder: Path):
        self._postgres, self._folder, self._rows = postgres, folder, folder / "rows"
        migrate(postgres.create_database("template_warehouse"))

    def version(self) -> str:
        """Postgres' release, and how it compresses long values."""
        query = """select current_setting('server_version'),
            (select 'lz4' = any(enumvals) from pg_settings where name = 'default_toast_compression')"""
        with psycopg.connect(self._postgres.url()) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return f"Postgres {row[0]} {'with' if row[1] else 'without'} lz4"

    def one(self, contestant: Contestant, address: str, records: int) -> Run:
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            url = self._fresh("bench", contestant.template)
            commands, env = contestant.prepare(Place(address, url, Path(name), self._rows))
            run = measure(commands, env, self._postgres)
        with psycopg.connect(url, autocommit=True) as connection:
            _expect(connection, contestant, records)
        self._drop("bench")
        return run

    def rows_for_copy(self, address: str, records: int) -> int:
        """Let Headwater load once, unmeasured; keep its rows as a file and its emptied tables as a template.

        Returns how many bytes a record has in the mean.
        """
        self._drop("template_copy")
        url = self._headwater("template_copy", address, [sys.executable, *DOOR], records)[0]
        with psycopg.connect(url, autocommit=True) as connection:
            export(connection, RAW, self._rows)
            row = connection.execute("select sum(bytes) / sum(received) from ops.loads").fetchone()
            connection.execute(sql.SQL("truncate {}").format(sql.Identifier(*RAW.split("."))))
        assert row is not None
        return int(row[0])

    def stages(self, address: str, records: int) -> dict[str, float]:
        """CPU seconds for a million charges by stage of the client, from a run whose stages are timed."""
        said = self._headwater("bench", address, [sys.executable, "-m", "bench.stages"], records)[1]
        self._drop("bench")
        stages: dict[str, float] = json.loads(said)
        return {stage: seconds * MILLION / records for stage, seconds in stages.items()}

    def _headwater(self, database: str, address: str, command: list[str], records: int) -> tuple[str, str]:
        """Run the command in Headwater's place; the database's URL and what it printed."""
        contestant = CONTESTANTS["headwater"]
        url = self._fresh(database, contestant.template)
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            _, env = contestant.prepare(Place(address, url, Path(name), self._rows))
            done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise HeadwaterError(f"{' '.join(command[1:])} failed: {done.stderr.strip()[-1500:]}")
        with psycopg.connect(url, autocommit=True) as connection:
            _expect(connection, contestant, records)
        return url, done.stdout

    def _fresh(self, name: str, template: str | None) -> str:
        self._drop(name)
        url = self._postgres.create_database(name, template)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("checkpoint")
        return url

    def _drop(self, name: str) -> None:
        with psycopg.connect(self._postgres.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _expect(connection: psycopg.Connection, contestant: Contestant, records: int) -> None:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier(*contestant.table.split(".")))
    row = connection.execute(query).fetchone()
    if row != (records,):
        raise HeadwaterError(
            f"{contestant.title} left {row[0] if row else 0:,} rows of {records:,} charges: its speed means nothing."
        )
