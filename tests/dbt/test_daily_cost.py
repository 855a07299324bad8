"""Rule 8: a day reads and writes as many rows when the shop has been open for eight months as when for two.

Rows are counted, not seconds: the server's own statistics of every table of raw, staging and intermediate. Its planner
is kept from reading a table from end to end where an index would do, as it is on tables that are not small.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from bench.dbt_run import dbt
from bench.synthetic_shop import SyntheticShop
from local.postgres import EmbeddedPostgres

SHORT, LONG, LAST = date(2026, 5, 1), date(2025, 11, 1), date(2026, 6, 29)
TAKE_INDEXES = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
INCREMENTAL = "config.materialized:incremental"
# Who is whom is found out over all buyers: dim_identities is a table, and this step compares it with the one before.
OVER_ALL = "int_buyer_customers"
SMALL = {"stg_stripe__payouts"}  # one a day: all are laid side by side to find the window of each
FEW = 60  # rows that a plan may happen to read more; a history is thousands longer
ROWS = """
select regexp_replace(relname, '_[0-9]{4}_[0-9]{2}$', '') as table,
  sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)), sum(n_tup_ins + n_tup_del)
from pg_stat_user_tables where schemaname in ('raw_months', 'staging', 'intermediate') group by 1
"""


class Rows(NamedTuple):
    read: int
    written: int


class Counted:
    """A shop since `first_day`, built; `day` builds one more and counts."""

    def __init__(self, postgres: EmbeddedPostgres, url: str, home: Path, first_day: date):
        self._postgres, self._home = postgres, home
        self._shop = SyntheticShop(url, first_day, orders=4, sessions=8, recipients=40, products=20)
        self._shop.open()
        self._shop.load((LAST - first_day).days)
        self._run("build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
        self._shop.settle()

    def day(self) -> dict[str, Rows]:
        self._shop.load()
        before = self._rows()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGOPTIONS", TAKE_INDEXES)
            self._run("run", "--select", INCREMENTAL, "--exclude", f"{OVER_ALL}+")
        middle = self._rows()
        self._run("run", "--select", "dim_identities", OVER_ALL)
        between = self._rows()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGOPTIONS", TAKE_INDEXES)
            self._run("run", "--select", f"{OVER_ALL}+,{INCREMENTAL}", "--exclude", OVER_ALL)
        after = self._rows()
        return {
            table: Rows(
                middle[table].read - before[table].read + after[table].read - between[table].read,
                middle[table].written - before[table].written + after[table].written - between[table].written,
            )
            for table in before
        }

    def _run(self, *command: str) -> None:
        dbt(self._postgres, self._shop.url, self._home, self._shop.last_day, *command)

    def _rows(self) -> dict[str, Rows]:
        """Once dbt's sessions have ended: that is when the last of them tells what it did."""
        others = "select count(*) from pg_stat_activity where datname = current_database() and usename is not null"
        with psycopg.connect(self._shop.url, autocommit=True) as connection:
            deadline = time.monotonic() + 30
            while connection.execute(others).fetchone() != (1,):
                assert time.monotonic() < deadline, "a session of dbt does not end"
                time.sleep(0.05)
            return {table: Rows(int(read), int(written)) for table, read, written in connection.execute(ROWS)}


@pytest.mark.timeout(1200)
def test_rule_8_a_day_costs_the_same_however_long_the_history_is(
    postgres: EmbeddedPostgres, new_warehouse: Callable[[str], str], tmp_path: Path
) -> None:
    counts = []
    for name, first_day in (("short", SHORT), ("long", LONG)):
        home = tmp_path / name
        home.mkdir()
        counts.append(Counted(postgres, new_warehouse(f"history_{name}"), home, first_day).day())
    short, long = counts
    assert short.keys() == long.keys() and sum(rows.written for rows in short.values()) > 0
    grown = {
        table: (short[table], long[table])
        for table in short.keys() - SMALL
        if long[table].read > 1.3 * short[table].read + FEW or long[table].written > 1.3 * short[table].written + FEW
    }
    assert not grown, "\n".join(f"{table}: {rows}" for table, rows in grown.items())
