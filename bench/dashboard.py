"""How long each query of the business dashboard takes, as its reader, on what a warehouse has published."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from statistics import median

import psycopg

from bench.machine import Report
from monitoring.pictures import DASHBOARD
from settings import HeadwaterError
from warehouse import connect, warehouse_url

RANGE_DAYS = 90
ROUNDS = 5


def time_queries(url: str, last: date) -> dict[str, float]:
    """Milliseconds by panel, the slowest of its queries first: each the median of five, over the 90 days to `last`."""
    ends = {"$__timeFrom()": last - timedelta(days=RANGE_DAYS - 1), "$__timeTo()": last}
    taken: dict[str, float] = {}
    with connect("reporter", url=url, application="headwater bench") as connection:
        for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                query = target["rawSql"]
                for macro, day in ends.items():
                    query = query.replace(macro, f"'{day}'")
                spent = median(_milliseconds(connection, query) for _ in range(ROUNDS))
                taken[panel["title"]] = max(spent, taken.get(panel["title"], 0.0))
    return dict(sorted(taken.items(), key=lambda item: -item[1]))


def print_queries() -> None:
    """Raises HeadwaterError without a warehouse, or when nothing is published there."""
    url = warehouse_url()
    report = Report("The business dashboard's queries", ("panel", "milliseconds"))
    with connect("reporter", url=url) as connection:
        if connection.execute("select to_regclass('marts.delivery')").fetchone() == (None,):
            raise HeadwaterError("Nothing is published at WAREHOUSE_URL yet; run `make demo` or deliver a day.")
        row = connection.execute("select day from marts.delivery").fetchone()
    assert row is not None
    for panel, milliseconds in time_queries(url, row[0]).items():
        report.add(panel, f"{milliseconds:.1f}")
    report.print()


def _milliseconds(connection: psycopg.Connection, query: str) -> float:
    began = time.perf_counter()
    connection.execute(query.encode()).fetchall()
    return (time.perf_counter() - began) * 1000
