"""The exporter over a real warehouse: what it says, and what it says when the warehouse is away."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Callable

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from monitoring.collector import OpsCollector
from monitoring.exporter import start_exporter
from settings import HeadwaterError


def reader(url: str) -> Callable[..., float | None]:
    registry = CollectorRegistry()
    registry.register(OpsCollector(url))
    return lambda name, **labels: registry.get_sample_value(name, labels)


def test_it_says_what_ops_holds(delivered: str) -> None:
    value = reader(delivered)
    orders = {"source": "shopify", "stream": "orders"}
    assert value("pipeline_warehouse_up") == 1
    assert time.time() - (value("pipeline_watermark_timestamp_seconds", **orders) or 0) == pytest.approx(10800, abs=120)
    newest = value("pipeline_last_record_processed_timestamp_seconds", **orders)
    assert newest == value("pipeline_watermark_timestamp_seconds", **orders)
    assert value("pipeline_records_total", **orders, result="kept") == 493
    assert value("pipeline_records_total", **orders, result="rejected") == 7
    assert value("pipeline_runs_total", **orders, status="succeeded") == 1
    assert value("pipeline_runs_total", **orders, status="failed") == 0
    assert value("pipeline_run_duration_seconds", **orders) == 12
    assert value("pipeline_quarantine_open", **orders) == 7
    assert value("pipeline_freshness_target_seconds", source="shopify") == 26 * 3600
    assert value("pipeline_source_critical", source="email") == 0
    assert value("pipeline_delivery_status", status="published") == 1
    assert value("pipeline_delivery_status", status="failed") == 0
    assert value("pipeline_delivery_stale_sources") == 1
    assert time.time() - (value("pipeline_delivery_published_timestamp_seconds") or 0) < 300
    assert value("pipeline_checks", layer="dbt", check="unique", status="passed") == 1
    assert value("pipeline_delivery_checks_declared") == value("pipeline_delivery_checks_executed") == 1
    assert value("pipeline_mart_rows", mart="daily_sales_by_region") == 120
    assert 0 < (value("pipeline_quality_score") or 0) < 100


def test_it_says_how_webhooks_stand(delivered: str) -> None:
    value = reader(delivered)
    charges, refunds = ({"source": "stripe", "stream": stream} for stream in ("charges", "refunds"))
    assert value("pipeline_webhook_received_total", source="stripe") == 120
    assert value("pipeline_webhook_signatures_rejected_total", source="stripe") == 3
    assert value("pipeline_webhook_dead_letters", source="stripe") == 1
    assert value("pipeline_webhook_pending", **charges) == 2
    assert value("pipeline_webhook_pending", **refunds) == 1
    oldest = "pipeline_webhook_oldest_pending_timestamp_seconds"
    assert [time.time() - (value(oldest, **key) or 0) for key in (charges, refunds)] == [
        pytest.approx(7200, abs=300),
        pytest.approx(3600, abs=300),
    ]
    assert value("pipeline_webhook_missed_total", **charges) == 4
    for name, labels in (("received_total", {}), ("dead_letters", {}), ("pending", {"stream": "orders"})):
        assert value(f"pipeline_webhook_{name}", source="shopify", **labels) is None


def test_it_says_what_the_newest_reconciliation_found(delivered: str) -> None:
    value = reader(delivered)

    def found(source: str, stream: str) -> list[float | None]:
        names = ("missing", "differing", "repaired", "unrepaired")
        return [value(f"pipeline_reconciliation_{name}", source=source, stream=stream) for name in names]

    assert found("stripe", "charges") == [5, 2, 6, 1]
    assert found("shopify", "orders") == [3, 0, 3, 0]
    # What cannot be compared; what never was; and a source that pipeline.yml no longer has.
    assert found("email", "events") == found("email", "campaigns") == found("gone", "orders") == [None] * 4
    ended = value("pipeline_reconciliation_timestamp_seconds", source="stripe", stream="charges")
    assert time.time() - (ended or 0) == pytest.approx(86400, abs=300)


def test_it_says_how_far_unfinished_backfills_are(delivered: str) -> None:
    """And a backfill's runs are not taken for the stream's own: test_it_says_what_ops_holds sees none of them."""
    value = reader(delivered)
    orders = {"source": "shopify", "stream": "orders"}
    counts = {status: value("pipeline_backfill_windows", **orders, status=status) for status in ("done", "failed")}
    assert counts == {"done": 2, "failed": 1}
    assert value("pipeline_backfill_windows", **orders, status="waiting") == 1
    assert value("pipeline_backfill_windows", source="stripe", stream="charges", status="done") is None


def test_an_empty_warehouse_claims_nothing(new_warehouse: Callable[[str], str]) -> None:
    value = reader(new_warehouse("monitoring_empty"))
    assert value("pipeline_records_total", source="stripe", stream="charges", result="kept") == 0
    for name in ("delivery_published_timestamp_seconds", "delivery_due_day_timestamp_seconds", "quality_score"):
        assert value(f"pipeline_{name}") is None
    assert value("pipeline_watermark_timestamp_seconds", source="stripe", stream="charges") is None


def test_without_the_warehouse_there_are_no_old_values(new_warehouse: Callable[[str], str]) -> None:
    url = new_warehouse("monitoring_away")
    value = reader(url)
    orders = {"source": "shopify", "stream": "orders"}
    assert value("pipeline_quarantine_open", **orders) == 0
    with psycopg.connect(url.rsplit("/", 1)[0] + "/postgres", autocommit=True) as server:
        server.execute("drop database monitoring_away with (force)")
    assert value("pipeline_warehouse_up") == 0
    assert value("pipeline_quarantine_open", **orders) is None
    assert (value("pipeline_exporter_scrape_errors_total") or 0) >= 2


def test_it_can_do_nothing_but_read_ops(delivered: str) -> None:
    """As in Docker: the login is the role `monitor` itself."""
    address = delivered.split("@", 1)[1]
    login = f"postgresql://monitor:watching@{address}"
    with psycopg.connect(delivered, autocommit=True) as owner:
        owner.execute("alter role monitor login password 'watching'")
        try:
            assert reader(login)("pipeline_warehouse_up") == 1
            with psycopg.connect(login, autocommit=True) as connection:
                for statement in ("select * from raw.shopify_orders", "update ops.runs set status = 'failed'"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(statement.encode())
        finally:
            owner.execute("alter role monitor nologin password null")


def test_it_serves_and_says_when_a_port_is_taken(delivered: str) -> None:
    server = start_exporter("127.0.0.1", 0, statsd_port=0, url=delivered)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert "pipeline_warehouse_up 1.0" in text and "airflow_statsd_dropped_total 0.0" in text
        with pytest.raises(HeadwaterError, match="--port"):
            start_exporter("127.0.0.1", server.server_port, url=delivered)
    finally:
        server.shutdown()
        server.server_close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(HeadwaterError, match="--statsd-port"):
            start_exporter("127.0.0.1", 0, statsd_port=taken.getsockname()[1], url=delivered)
