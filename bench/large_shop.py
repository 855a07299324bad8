"""A shop of millions of orders: how long dbt builds it, and a day of it, and how fast the dashboard's queries answer.

As many orders a day for a thousand days, half of them new customers'; a thousand sessions a day and a weekly mail to
5,000, however many orders there are. Two versions of an order that was refunded, of its charge, and of every movement.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import uuid
from datetime import date, timedelta
from pathlib import Path

import psycopg

from bench.dashboard import time_queries
from bench.dbt_run import DbtRun, dbt
from bench.machine import Report
from bench.synthetic_shop import SyntheticShop
from local.postgres import EmbeddedPostgres
from warehouse.migrate import migrate
from warehouse.publish import publish

DAYS = 1_000
FIRST_DAY = date(2024, 1, 1)
SESSIONS, RECIPIENTS = 1_000, 5_000
SHOWN = 5
# Models and seeds: what of a delivery is a full table scan for each test is left out.
BUILD = ("build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
SERVER = {"shared_buffers": "2GB", "work_mem": "64MB", "maintenance_work_mem": "512MB", "max_wal_size": "8GB"}


def measure(orders: int) -> Report:
    """The table. Raises HeadwaterError when Postgres or a build fails."""
    report = Report(f"A shop of {orders:,} orders in {DAYS:,} days", ("", "seconds"))
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may have to run as another account
        postgres = EmbeddedPostgres(folder / "postgres", options=SERVER)
        try:
            shop = SyntheticShop(
                postgres.start().create_database("large"), FIRST_DAY, orders // DAYS, SESSIONS, RECIPIENTS
            )
            migrate(shop.url)
            began = time.monotonic()
            shop.open()
            shop.load(DAYS)
            shop.settle()
            _say(f"{orders:,} orders are in raw after {time.monotonic() - began:.0f} s")
            full = dbt(postgres, shop.url, folder, shop.last_day, *BUILD, "--full-refresh")
            _say(f"built in {full.seconds:.0f} s")
            shop.settle()
            shop.load()
            daily = dbt(postgres, shop.url, folder, shop.last_day, *BUILD)
            _say(f"a day built in {daily.seconds:.0f} s")
            _publish(shop)
            queries = time_queries(shop.url, shop.last_day)
        finally:
            postgres.remove()
    for title, run in (("dbt from scratch, no tests", full), ("dbt of a day, no tests", daily)):
        report.add(title, f"{run.seconds:.1f}")
        report.add("  of it CPU: Postgres, dbt", f"{run.postgres_cpu:.1f}, {run.client_cpu:.1f}")
        for model, seconds in _slowest(run):
            report.add(f"  {model.partition('.')[0]}", f"{seconds:.1f}")
    for panel, milliseconds in list(queries.items())[:SHOWN]:
        report.add(f"query of the panel: {panel}", f"{milliseconds / 1000:.3f}")
    return report


def _publish(shop: SyntheticShop) -> None:
    """The day as a delivery publishes it."""
    delivery = uuid.uuid4()
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute(
            "insert into ops.deliveries (delivery_id, day, as_of, status) values (%s, %s, %s, 'passed')",
            (delivery, shop.last_day, shop.last_day + timedelta(days=1)),
        )
    publish(delivery, shop.url)
    shop.settle()


def _slowest(run: DbtRun) -> list[tuple[str, float]]:
    return sorted(run.models.items(), key=lambda item: -item[1])[:SHOWN]


def _say(text: str) -> None:
    print(f"{text}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
