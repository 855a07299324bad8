"""CPU for a new charge when raw has 10 thousand rows, and when it has 10 million: the writer's process and its backend.

Both tables hold 36 months, as many rows in each (small documents, made by the server itself). The same new charges, of
this month, are then written to both through `StreamWriter`, in turn, in the batches of a sync. Reading from a source
is left out: it does not know how much raw holds. So is what Postgres does beside the backend (checkpoints, vacuum).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench.charges import Charges
from bench.machine import Report, ratio, spread
from bench.measure import cpu_of
from ingestion.sync import BATCH_RECORDS
from local.postgres import EmbeddedPostgres
from warehouse.batch import Batch, RawRow
from warehouse.migrate import migrate
from warehouse.writer import StreamWriter

FEW, MANY = 10_000, 10_000_000
MONTHS = 36
BATCHES = 5  # a round
# Two tables of the same shape: one stays small, one is large.
SMALL, LARGE = ("stripe", "payouts"), ("stripe", "charges")
COLUMNS = ("rows before", "microseconds a record (range)", "client", "backend", "to the small one")
FILL = """
insert into raw.{source}_{stream} (record_key, record_version, content_hash, source_data, _load_id, _extracted_at)
select 'ch_' || md5(number::text), month + number %% 40000 * '1 minute'::interval, sha256(number::text::bytea),
  json_build_object('id', 'ch_' || md5(number::text), 'amount', number %% 10000), %(load)s, now()
from generate_series(%(first)s::bigint, %(last)s::bigint) as number,
  lateral (select date_trunc('month', now()) - %(ago)s * '1 month'::interval as month)
order by 1
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU for a new charge, a round each: the writer's process, its backend."""

    client: list[float]
    backend: list[float]

    @property
    def both(self) -> list[float]:
        return [sum(each) for each in zip(self.client, self.backend, strict=True)]


def measure(rows: int, rounds: int) -> None:
    """Print the table. Raises HeadwaterError when Postgres does not start."""
    report = Report(f"New charges into a raw table of {FEW:,} and of {rows:,} rows, {rounds} rounds", COLUMNS)
    grown = grow(rows, rounds)
    for before, cost in grown.items():
        report.add(
            f"{before:,}",
            spread(cost.both),
            spread(cost.client),
            spread(cost.backend),
            ratio(cost.both, grown[FEW].both),
        )
    report.print()


def grow(rows: int, rounds: int) -> dict[int, Cost]:
    """The cost by how many rows the table had. Raises HeadwaterError when Postgres does not start."""
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may have to run as another account
        postgres = EmbeddedPostgres(folder / "postgres")
        try:
            url = postgres.start().create_database("warehouse")
            migrate(url)
            _fill(url, SMALL, FEW)
            _fill(url, LARGE, rows)
            spent = {SMALL: Cost([], []), LARGE: Cost([], [])}
            for number in range(rounds + 1):
                batches = _batches(number)
                for table in (SMALL, LARGE) if number % 2 else (LARGE, SMALL):
                    client, backend = _write(url, table, batches)
                    if number:  # the first round warms up
                        spent[table].client.append(client)
                        spent[table].backend.append(backend)
                _say(f"round {number}: {_last(spent[SMALL])} small, {_last(spent[LARGE])} large")
        finally:
            postgres.remove()
    return {FEW: spent[SMALL], rows: spent[LARGE]}


def _fill(url: str, table: tuple[str, str], rows: int) -> None:
    """As many rows in each of the last months, the present one included."""
    source, stream = table
    months = "array(select now() - n * '1 month'::interval from generate_series(0, %s) as n)"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"select raw.make_months(%s, {months})".encode(), (f"{source}_{stream}", MONTHS))
        statement = FILL.format(source=source, stream=stream).encode()
        began = time.monotonic()
        for ago in reversed(range(MONTHS)):
            first, last = (rows * part // MONTHS for part in (ago, ago + 1))
            given = {"load": uuid.UUID(int=1), "first": first + 1, "last": last, "ago": ago}
            connection.execute(statement, given)
            if rows > FEW:
                _say(f"{MONTHS - ago} of {MONTHS} months filled, {time.monotonic() - began:.0f} s")
        connection.execute(f"vacuum analyze raw.{source}_{stream}".encode())
        connection.execute("checkpoint")


def _batches(number: int) -> list[Batch]:
    """New charges, their keys without order, as Stripe's are."""
    now = datetime.now(UTC)
    size = BATCHES * BATCH_RECORDS
    charges = Charges(size, int(now.timestamp()))
    rows = [RawRow(f"ch_{uuid.uuid4().hex}", now, charges.render(place), now) for place in range(size)]
    return [
        Batch(rows=rows[first : first + BATCH_RECORDS], state={}, origin=f"round {number}")
        for first in range(0, size, BATCH_RECORDS)
    ]


def _write(url: str, table: tuple[str, str], batches: list[Batch]) -> tuple[float, float]:
    """Microseconds of CPU a record: this process's, the backend's."""
    with StreamWriter(*table, url) as writer:
        [(pid,)] = writer._ask("select pg_backend_pid()", {})
        client, backend = time.process_time(), cpu_of(pid)
        for batch in batches:
            writer.commit(replace(batch, load_id=uuid.uuid4()))
        client, backend = time.process_time() - client, cpu_of(pid) - backend
        records = writer.counts.kept
    return client / records * 1e6, backend / records * 1e6


def _last(spent: Cost) -> str:
    return f"{spent.both[-1]:.1f} µs" if spent.client else "warming up"


def _say(text: str) -> None:
    print(f"{text}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
