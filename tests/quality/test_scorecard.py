"""The scorecard says what was measured, and `unknown` where nothing was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from rich.console import Console

from quality.scorecard import render, write_scorecard
from tests.quality.seeds import arrive, new_delivery


@pytest.fixture
def database(clean_warehouse: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(clean_warehouse, autocommit=True) as connection:
        yield connection


def shown() -> str:
    console = Console(width=140, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(render())
    return captured.get()


def test_nothing_measured_is_unknown_and_never_perfect(database: psycopg.Connection) -> None:
    assert "No scorecard yet" in shown()
    metrics = {(metric.metric, metric.subject): metric for metric in write_scorecard()}
    assert metrics["quality_score", ""].status == "unknown" and metrics["quality_score", ""].value is None
    for name in ("validation", "freshness", "record_age", "run_time"):
        assert metrics[name, "shopify"].status == "unknown" and metrics[name, "shopify"].value is None
    assert metrics["checks", ""].value is None and metrics["delivered_on_time", ""].value is None
    assert "100 %" not in shown()


def test_a_day_is_scored_from_what_arrived_for_it(clean_warehouse: str, database: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    day = (now - timedelta(days=1)).date()
    before = new_delivery(clean_warehouse, day=day - timedelta(days=1), as_of=now)
    database.execute(
        "update ops.deliveries set opened_at = %s where delivery_id = %s", (now - timedelta(hours=20), before)
    )
    arrive(database, "shopify", "orders", at=now - timedelta(hours=30), received=900, rejected=900)  # the day before
    for stream in ("orders", "customers", "products"):
        arrive(
            database,
            "shopify",
            stream,
            at=now - timedelta(hours=2),
            received=100,
            rejected=3 if stream == "orders" else 0,
        )
    for stream in ("charges", "refunds", "disputes", "balance_transactions", "payouts", "customers"):
        arrive(database, "stripe", stream, at=now - timedelta(days=3), received=10)
    arrive(database, "email", "events", at=now, received=5, status="failed")
    delivery = new_delivery(clean_warehouse, day=day, as_of=now)
    database.execute(
        "update ops.deliveries set status = 'published', published_at = now() where delivery_id = %s", (delivery,)
    )
    for kind, status in (("unique", "passed"), ("unique", "passed"), ("recency", "warned"), ("model", "failed")):
        database.execute(
            "insert into ops.check_results (delivery_id, layer, kind, name, subject, severity, status)"
            " values (%s, 'dbt', %s, 'x', 'y', 'error', %s)",
            (delivery, kind, status),
        )

    metrics = {(metric.metric, metric.subject): metric for metric in write_scorecard(delivery)}
    assert metrics["validation", "shopify"].value == pytest.approx(99.0)
    assert metrics["validation", "stripe"].value is None  # it arrived before the last delivery
    assert [metrics["freshness", name].detail for name in ("shopify", "stripe", "email")] == [
        "fresh",
        "stale",
        "failed",
    ]
    assert metrics["freshness", "shopify"].value == pytest.approx(7200, abs=60)
    assert metrics["run_time", "shopify"].value == pytest.approx(36)
    assert (metrics["checks", ""].value, metrics["checks", ""].status) == (50, "bad")
    assert metrics["checks_passed", "dbt: unique"].value == 2
    # validation (99 + 100) / 2, freshness 1 of 3, checks 50, delivery 100
    on_time = metrics["delivered_on_time", ""].value
    part = 50 if on_time == 0 else 100
    assert metrics["quality_score", ""].value == pytest.approx((99.5 + 100 / 3 + 50 + part) / 4)

    write_scorecard(delivery)
    rows = database.execute("select count(*), count(distinct day) from ops.scorecards").fetchone()
    assert rows == (len(metrics), 1)
    text = shown()
    assert "stale" in text and "dbt: recency" in text and "2.0 h ago" in text


@pytest.mark.parametrize(
    ("hour", "first_run", "value"),
    [(6, -30, 1), (11, -30, 0), (11, 10, None)],
    ids=["before the deadline", "after it", "after it, but the platform is younger than the deadline"],
)
def test_on_time_is_by_the_shop_clock(
    clean_warehouse: str, database: psycopg.Connection, hour: int, first_run: int, value: float | None
) -> None:
    """08:00 in Berlin is 07:00 UTC in winter; hours are UTC on the morning after the day."""
    morning = datetime(2026, 1, 16, tzinfo=UTC)
    arrive(database, "shopify", "orders", at=morning + timedelta(hours=first_run), received=1)
    delivery = new_delivery(clean_warehouse, day=morning.date() - timedelta(days=1), as_of=morning)
    database.execute(
        "update ops.deliveries set status = 'published', published_at = %s where delivery_id = %s",
        (morning + timedelta(hours=hour, minutes=59), delivery),
    )
    found = {metric.metric: metric for metric in write_scorecard(delivery) if not metric.subject}
    assert found["delivered"].value == 1
    assert found["delivered_on_time"].value == value
