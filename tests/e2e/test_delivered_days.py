"""From the APIs to the marts under the real scheduler: days equal the truth to the cent, also when a source is down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from local.demo import Demo
from settings import load_pipeline
from tests import against_truth
from tests.e2e.conftest import Platform


def differences(platform: Platform) -> list[str]:
    return against_truth.differences(platform.stack.warehouse_url, "marts", platform.truth())


def published(platform: Platform) -> list[tuple[Any, ...]]:
    return platform.query("select delivery_id, day from marts.delivery")


def test_the_first_day_is_delivered_and_shown_as_the_demo_does_it(platform: Platform, tmp_path: Path) -> None:
    console = Console(width=200, record=True, force_terminal=False)
    demo = Demo(tmp_path, "tiny", 1, tmp_path / "index.html", console, platform.stack)
    demo.deliver()
    assert demo.outcome()
    assert differences(platform) == []
    told = console.export_text()
    assert "Delivered:" in told and "marts.daily_sales_by_region" in told
    assert told.count("nothing is missing") == 9, "each stream of Shopify and Stripe"
    assert (tmp_path / "index.html").is_file()


def test_every_mart_says_how_complete_it_is_and_by_which_runs(platform: Platform) -> None:
    [(marts, known, late, runs)] = platform.query(
        "select count(distinct mart), count(distinct mart) filter (where mart in (select mart from ops.publications)),"
        " count(*) filter (where complete_to is null or (source = any(%s) and complete_to < as_of)),"
        " count(*) filter (where sync_run_id is null or f.dbt_invocation_id is null)"
        " from marts.freshness f cross join marts.delivery d",
        load_pipeline().critical_sources,
    )
    [(published_marts,)] = platform.query("select count(*) from ops.publications")
    assert marts == known == published_marts
    assert (late, runs) == (0, 0)
    streams = "select distinct source || '.' || stream from marts.freshness where mart = 'payout_reconciliation'"
    assert set(platform.query(streams)) >= {("stripe.payouts",), ("stripe.balance_transactions",)}


def test_what_ran_is_what_was_declared(platform: Platform) -> None:
    [(declared, executed, dbt, delivery)] = platform.query(
        "select checks_declared, checks_executed, count(*) filter (where layer = 'dbt'),"
        " count(*) filter (where layer = 'delivery') from ops.deliveries join ops.check_results using (delivery_id)"
        " where deliveries.status = 'published' group by delivery_id"
    )
    assert declared == executed == dbt + delivery
    assert dbt > 50
    assert delivery > 10


def test_the_next_day_loads_only_the_change_and_is_right_again(platform: Platform) -> None:
    before = {row[0]: row[1] for row in platform.query("select source, sum(kept) from ops.loads group by 1")}
    first_day = published(platform)
    platform.stack.advance()
    assert platform.ingest_and_deliver() == "success"
    assert differences(platform) == []
    assert published(platform) != first_day
    after = {row[0]: row[1] for row in platform.query("select source, sum(kept) from ops.loads group by 1")}
    for source, kept in before.items():
        if source != "uploads":  # a month's file is there at once, and nothing until the next
            assert 0 < after[source] - kept < kept / 2, source


def test_an_optional_source_that_is_down_does_not_stop_the_others(platform: Platform) -> None:
    platform.stack.advance()
    faults = [{"target": "sftp", "kind": "reset", "times": 10_000}]
    platform.stack.shop.admin("POST", "faults", json=faults).raise_for_status()
    try:
        done = platform.door("ingestion", "sync", "email")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        for source in load_pipeline().enabled_sources:
            assert source == "email" or platform.door("ingestion", "sync", source).returncode == 0, source
        assert platform.deliver() == "success"
    finally:
        platform.stack.shop.admin("DELETE", "faults").raise_for_status()
    assert platform.query("select status from ops.runs where source = 'email' order by started_at desc limit 1") == [
        ("failed",)
    ]
    assert platform.door("ingestion", "sync", "email").returncode == 0
    assert platform.deliver() == "success"
    assert differences(platform) == []


def test_a_changed_setting_builds_all_days_anew(platform: Platform) -> None:
    days = "select count(*), min(day) from marts.daily_sales_by_region"
    before = platform.query(days)
    text = platform.settings.read_text()
    platform.settings.write_text(text.replace("timezone: Europe/Berlin", "timezone: Pacific/Auckland"))
    try:
        assert platform.deliver() == "success"
        orders = "select count(*) from intermediate.fct_orders where order_day <> (processed_at at time zone %s)::date"
        assert platform.query(orders, "Pacific/Auckland") == [(0,)]
    finally:
        platform.settings.write_text(text)
    assert platform.deliver() == "success"
    assert platform.query(days) == before
    assert differences(platform) == []
