"""The same charges from the same server into the same Postgres: Headwater, its peers, and plain COPY as the limit.

Everyone takes their turn in every round, in an order that moves on by one, each into an empty database of their own,
after a checkpoint. Who has not as many rows afterwards as there are charges ends the whole measurement.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from bench.contestants import CONTESTANTS, RAW, Contestant, Place
from bench.copying import export
from bench.measure import Run, measure
from bench.server import serving
from local.postgres import EmbeddedPostgres
from settings import HeadwaterError
from warehouse.migrate import migrate

TRIAL = 1_000
MEMORY_SIZES = (50_000, 2_000_000)


@dataclass
class Results:
    """`runs` by contestant, and Headwater's by the number of charges where its memory was looked at."""

    records: int
    began: datetime
    postgres: str
    bytes_each: int = 0
    runs: dict[str, list[Run]] = field(default_factory=dict)
    memory: dict[int, Run] = field(default_factory=dict)


def versus(records: int, rounds: int, without: Sequence[str] = (), memory: Sequence[int] = ()) -> Results:
    """Measure; each run is told on stderr. Raises HeadwaterError when a peer is missing, fails, or loses rows."""
    if unknown := sorted(set(without) - CONTESTANTS.keys() | ({"headwater", "copy"} & set(without))):
        peers = ", ".join(sorted(CONTESTANTS.keys() - {"headwater", "copy"}))
        raise HeadwaterError(f"--without {', '.join(unknown)}: only peers can be left out: {peers}.")
    chosen = {key: each for key, each in CONTESTANTS.items() if key not in without}
    for each in chosen.values():
        each.install()
    with _ring() as ring:
        results = Results(records, datetime.now(UTC), ring.version())
        with serving(TRIAL) as address:
            ring.rows_for_copy(address, TRIAL)
            for each in chosen.values():  # a peer that does not work is noticed now
                ring.one(each, address, TRIAL)
        with serving(records) as address:
            results.bytes_each = ring.rows_for_copy(address, records)
            for number in range(rounds):
                turn = number % len(chosen)
                for key in [*chosen][turn:] + [*chosen][:turn]:
                    run = ring.one(chosen[key], address, records)
                    results.runs.setdefault(key, []).append(run)
                    _tell(f"round {number + 1}: {chosen[key].title}", records, run)
        results.memory = _memory(ring, memory)
    return results


def memory(sizes: Sequence[int] = MEMORY_SIZES) -> dict[int, Run]:
    """Headwater alone, with each number of charges."""
    with _ring() as ring:
        return _memory(ring, sizes)


def _memory(ring: _Ring, sizes: Sequence[int]) -> dict[int, Run]:
    found = {}
    for size in sizes:
        with serving(size) as address:
            found[size] = ring.one(CONTESTANTS["headwater"], address, size)
        _tell("memory: Headwater", size, found[size])
    return found


def _tell(who: str, records: int, run: Run) -> None:
    print(
        f"{who}: {records:,} charges in {run.seconds:.1f} s, CPU {run.client_cpu:.1f} + {run.postgres_cpu:.1f} s,"
        f" peak {run.peak:.0f} MB, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )


@contextmanager
def _ring() -> Iterator[_Ring]:
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may have to run as another account
        postgres = EmbeddedPostgres(folder / "postgres")
        try:
            yield _Ring(postgres.start(), folder)
        finally:
            postgres.remove()


class _Ring:
    """One Postgres; each run gets a database in it that is made before and dropped after."""

    def __init__(self, postgres: EmbeddedPostgres, folder: Path):
        self._postgres, self._folder, self._rows = postgres, folder, folder / "rows"
        migrate(postgres.create_database("template_warehouse"))

    def version(self) -> str:
        with psycopg.connect(self._postgres.url()) as connection:
            return f"{connection.info.server_version // 10_000}.{connection.info.server_version % 10_000}"

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
        contestant = CONTESTANTS["headwater"]
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            url = self._fresh("template_copy", contestant.template)
            commands, env = contestant.prepare(Place(address, url, Path(name), self._rows))
            measure(commands, env, self._postgres)
        with psycopg.connect(url, autocommit=True) as connection:
            _expect(connection, contestant, records)
            export(connection, RAW, self._rows)
            row = connection.execute("select sum(bytes) / sum(received) from ops.loads").fetchone()
            connection.execute(sql.SQL("truncate {}").format(sql.Identifier(*RAW.split("."))))
        assert row is not None
        return int(row[0])

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
