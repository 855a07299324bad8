"""Reconciliation against the pretend shop: what was taken out of raw is found, counted and fetched again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import requests
from graphql import parse, validate
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from ingestion.__main__ import app
from ingestion.reconcile import Reconciled, reconcile
from ingestion.shopify_stream import ShopifyStream
from ingestion.sources import shopify
from ingestion.sync import sync
from mock_apis.shopify.schema import schema
from mock_apis.world.world import World
from monitoring.collector import OpsCollector
from monitoring.reconciliations import read_reconciliations
from quality.scorecard import write_scorecard
from tests.ingestion.conftest import Numbers, Query
from tests.ingestion.sftp_folder import PASSWORD, T0, Folder, serving
from tests.mock_apis.serving import served

SOURCES = ("shopify", "stripe")
WRONG = ("missing", "differing", "repaired", "only_in_raw", "in_quarantine")


@pytest.fixture
def world() -> World:
    return World(11, "tiny", date(2026, 3, 20))


@pytest.fixture
def shop(clean_warehouse: str, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The shop's address; everything that it has is loaded."""
    with served(world) as base:
        monkeypatch.setenv("SHOPIFY_API_URL", f"{base}/shopify")
        monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_demo")
        monkeypatch.setenv("STRIPE_API_URL", f"{base}/stripe")
        monkeypatch.setenv("STRIPE_API_KEY", "sk_test_demo")
        for source in SOURCES:
            assert not [result.error for result in sync(source) if result.error]
        yield base


@pytest.fixture
def execute(clean_warehouse: str) -> Iterator[Any]:
    with psycopg.connect(clean_warehouse, autocommit=True) as connection:
        yield lambda text, *about: connection.execute(text.encode(), about)


def of(results: list[Reconciled], stream: str) -> Reconciled:
    (found,) = (each for each in results if each.stream == stream)
    assert found.error is None
    return found


def wrong(found: Reconciled) -> dict[str, int]:
    return {name: value for name in WRONG if (value := getattr(found, name))}


def bookmarks(query: Query) -> list[Any]:
    return query("select source, stream, state, watermark from ops.checkpoints order by 1, 2")


def test_nothing_missing_is_zero_and_says_so(shop: str, query: Query) -> None:
    for source in SOURCES:
        results = reconcile(source)
        for each in results:
            assert (each.error, wrong(each), each.days) == (None, {}, []), each
            assert each.at_source == each.in_raw > 0
    assert query("select count(*), sum(missing + differing + only_in_raw) from ops.reconciliations") == [(9, 0)]
    done = CliRunner().invoke(app, ["reconcile", "shopify", "orders"])
    assert done.exit_code == 0
    assert "nothing is missing" in done.stdout


@pytest.mark.fault(
    "Records are missing from raw",
    "The reconciliation finds, counts and fetches them; raw is whole again.",
)
def test_what_was_taken_out_of_raw_is_found_counted_and_fetched(shop: str, execute: Any, query: Query) -> None:
    whole: dict[str, list[Any]] = {}
    tables = (
        "shopify_orders",
        "shopify_customers",
        "shopify_products",
        "stripe_charges",
        "stripe_balance_transactions",
    )
    current = (
        "select distinct on (record_key) record_key, source_data::text from raw.{} order by 1, record_version desc"
    )
    for table in tables:
        whole[table] = query(current.format(table))
        gone = execute(
            f"delete from raw.{table} where record_key in (select min(record_key) from raw.{table}"
            f" union select max(record_key) from raw.{table})"
        ).rowcount
        assert gone >= 2
    before = bookmarks(query)
    for source in SOURCES:
        looked = reconcile(source, repair=False)
        fetched = reconcile(source)
        again = reconcile(source)
        for table in (table for table in tables if table.startswith(source)):
            stream = table.removeprefix(f"{source}_")
            assert wrong(of(looked, stream)) == {"missing": 2}
            assert wrong(of(fetched, stream)) == {"missing": 2, "repaired": 2}
            assert sorted(of(fetched, stream).missing_keys) == sorted(
                {whole[table][0][0], max(k for k, _ in whole[table])}
            )
            assert wrong(of(again, stream)) == {}
            assert of(looked, stream).days and not of(again, stream).days
    for table in tables:
        assert query(current.format(table)) == whole[table]
    assert bookmarks(query) == before
    # It is written as a sync writes it, so the counts of what was received still balance.
    assert query("select count(*) from ops.loads where received <> kept + already_there + rejected") == [(0,)]
    assert [sum(result.counts.kept for result in sync(source)) for source in SOURCES] == [0, 0]


def test_it_is_shown_by_the_scorecard_and_the_exporter(clean_warehouse: str, shop: str, execute: Any) -> None:
    registry = CollectorRegistry()
    registry.register(OpsCollector(clean_warehouse))
    orders = {"source": "shopify", "stream": "orders"}
    assert registry.get_sample_value("pipeline_reconciliation_missing", orders) is None
    execute("delete from raw.shopify_orders where record_key in (select min(record_key) from raw.shopify_orders)")
    reconcile("shopify", ["orders"], repair=False)
    assert registry.get_sample_value("pipeline_reconciliation_missing", orders) == 1
    assert registry.get_sample_value("pipeline_reconciliation_unrepaired", orders) == 1
    reconcile("shopify", ["orders"])
    assert registry.get_sample_value("pipeline_reconciliation_missing", orders) == 1
    assert registry.get_sample_value("pipeline_reconciliation_unrepaired", orders) == 0
    shown = {metric.subject: metric for metric in write_scorecard() if metric.metric == "reconciliation_missing"}
    assert (shown["shopify"].value, shown["shopify"].status) == (1, "warning")
    assert (shown["stripe"].value, shown["stripe"].status) == (None, "unknown")


@pytest.mark.fault("An amount in raw is not the source's", "The reconciliation reports its day and both sums.")
@pytest.mark.parametrize(
    ("source", "stream", "amount", "spoiled"),
    [
        ("stripe", "balance_transactions", r'"amount":(-?)', r'"amount":\g<1>1'),
        ("stripe", "refunds", r'"amount":', '"amount":1'),
        ("shopify", "orders", r'("totalPriceSet":{"shopMoney":{"amount":")', r"\g<1>1"),
    ],
)
def test_an_amount_that_differs_is_reported(
    shop: str, execute: Any, source: str, stream: str, amount: str, spoiled: str
) -> None:
    table = f"raw.{source}_{stream}"
    key, text = execute(f"select record_key, source_data::text from {table} order by 1 limit 1").fetchone()
    wrong_text = re.sub(amount, spoiled, text, count=1)
    assert wrong_text != text
    execute(
        f"update {table} set source_data = %s::json, content_hash = sha256(%s::bytea) where record_key = %s",
        *(wrong_text, wrong_text.encode(), key),
    )
    found = of(reconcile(source, [stream], repair=False), stream)
    assert (wrong(found), found.differing_keys) == ({"differing": 1}, [key])
    (day,) = found.days
    assert day.source_records == day.raw_records
    assert day.source_amount != day.raw_amount
    done = CliRunner().invoke(app, ["reconcile", source, stream, "--no-repair"])
    assert done.exit_code == 1
    assert "1 different" in done.stdout and key in done.stdout and str(day.raw_amount) in done.stdout
    assert wrong(of(reconcile(source, [stream]), stream)) == {"differing": 1, "repaired": 1}
    assert wrong(of(reconcile(source, [stream]), stream)) == {}


def test_a_balance_transaction_leads_to_the_charge_that_raw_lacks(shop: str, world: World, execute: Any) -> None:
    charge = min(world.charges.values(), key=lambda it: (it.balance_transaction is None, it.created))
    assert execute("delete from raw.stripe_charges where record_key = %s", charge.id).rowcount
    movement = world.balance_transactions[charge.balance_transaction or ""]
    first = movement.created.date() + timedelta(days=1)
    later = reconcile("stripe", first_day=first)
    assert wrong(of(later, "charges")) == {}, "neither it nor its movement is of these days"
    # By the movements alone: what is not listed any more (too old for the window, say) is still asked for.
    listed = "ingestion.sources.stripe.Charges.inventory"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed, lambda *_args: iter(()))
        found = of(reconcile("stripe", ["charges", "balance_transactions"]), "charges")
    assert (found.missing, found.repaired, found.missing_keys) == (1, 1, [charge.id])


def test_what_broke_its_contract_is_in_quarantine_and_not_missing(shop: str, execute: Any) -> None:
    (key,) = execute("select min(record_key) from raw.shopify_products").fetchone()
    execute("delete from raw.shopify_products where record_key = %s", key)
    (load,) = execute("select load_id from ops.loads limit 1").fetchone()
    execute(
        "insert into ops.quarantine (source, stream, load_id, record_key, record, content_hash, errors, origin)"
        " values ('shopify', 'products', %s, %s, '{}', 'x', '{broken}', 'test')",
        load,
        key,
    )
    assert wrong(of(reconcile("shopify", ["products"]), "products")) == {"in_quarantine": 1}


@pytest.mark.fault(
    "Records change while they are reconciled",
    "Nothing is called missing that is not, and nothing is missed.",
)
def test_a_shop_that_lives_on_while_it_is_compared_misses_nothing(
    shop: str, world: World, execute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute("delete from raw.shopify_orders where record_key in (select min(record_key) from raw.shopify_orders)")
    ask, lived = ShopifyStream.inventory, []

    def live_on(stream: ShopifyStream, start: Any, end: Any) -> Iterator[Any]:
        for number, item in enumerate(ask(stream, start, end)):
            if number == 20 and not lived:
                lived.append(number)
                requests.post(f"{shop}/_admin/advance", json={"days": 2}, timeout=30).raise_for_status()
                assert not [result.error for result in sync("shopify", ["orders"]) if result.error]
            yield item

    requests.post(f"{shop}/_admin/advance", json={"days": 1}, timeout=30).raise_for_status()
    monkeypatch.setattr(ShopifyStream, "inventory", live_on)
    monkeypatch.setattr("ingestion.shopify_inventory.PAGE_SIZE", 10)
    found = of(reconcile("shopify", ["orders"]), "orders")
    assert lived
    assert wrong(found) == {"missing": 1, "repaired": 1}
    assert len(found.days) == 1


def test_only_the_days_that_were_asked_for_are_compared(shop: str, world: World, execute: Any) -> None:
    day = date(2026, 3, 15)
    mine = [it for it in world.orders.values() if it.created_at.astimezone(ZoneInfo(str(world.timezone))).date() == day]
    execute("delete from raw.shopify_orders")
    found = of(reconcile("shopify", ["orders"], first_day=day, last_day=day, repair=False), "orders")
    assert (found.at_source, found.in_raw, found.missing) == (len(mine), 0, len(mine))
    assert [(it.day, it.source_records, it.raw_records) for it in found.days] == [(day, len(mine), 0)]


@pytest.mark.fault("A file was never loaded", "The reconciliation finds it by its name and loads it.")
def test_a_file_that_is_not_loaded_is_found_and_loaded(
    clean_warehouse: str, execute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder()
    header = "event_id,event_type,campaign_id,email,occurred_at,url,bounce_type\n"
    for number in range(4):
        row = f"e{number},open,c1,a@example.com,2026-03-01T10:00:00Z,,\n"
        folder.put(f"events_{number}.csv", header + row, T0 + timedelta(hours=number))
    with serving(folder) as server:
        monkeypatch.setenv("EMAIL_SFTP_URL", f"sftp://email@127.0.0.1:{server.port}/")
        monkeypatch.setenv("EMAIL_SFTP_PASSWORD", PASSWORD)
        monkeypatch.setenv("EMAIL_SFTP_HOST_KEY", server.host_key)
        assert [result.error for result in sync("email", ["events"])] == [None]
        assert wrong(of(reconcile("email", ["events"]), "events")) == {}
        execute("delete from ops.files where name = 'events/events_1.csv'")
        execute("delete from raw.email_events where record_key = 'e1'")
        folder.put("copy_of_2.csv", folder.files["/events/events_2.csv"].content, T0)
        found = of(reconcile("email", ["events"]), "events")
        assert (wrong(found), found.missing_keys) == ({"missing": 1, "repaired": 1}, ["events/events_1.csv"])
        assert [(it.day, it.source_records, it.raw_records) for it in found.days] == [(T0.date(), 4, 3)]
        assert execute("select count(*) from raw.email_events").fetchone() == (4,)


def test_a_source_that_lists_nothing_says_so(clean_warehouse: str, numbers: Numbers) -> None:
    pipeline = numbers()
    sync("numbers", pipeline=pipeline)
    results = reconcile("numbers", pipeline=pipeline)
    assert [each.error for each in results] == [
        f"numbers.{name} cannot be reconciled: its source does not list it." for name in ("items", "others")
    ]
    assert CliRunner().invoke(app, ["reconcile", "numbers"]).exit_code == 3
    shown = {metric.subject: metric for metric in write_scorecard() if metric.metric == "reconciliation_missing"}
    assert shown["numbers"][2:] == (None, "count", "unknown", "cannot be reconciled: its source does not list it")
    with psycopg.connect(clean_warehouse) as connection:
        assert [each.not_reconcilable for each in read_reconciliations(connection, pipeline)] == [
            "its source does not list it"
        ] * 2
    registry = CollectorRegistry()
    registry.register(OpsCollector(clean_warehouse))
    items = {"source": "numbers", "stream": "items"}
    assert registry.get_sample_value("pipeline_reconciliation_missing", items) is None


def test_a_stream_that_was_never_loaded_is_named(clean_warehouse: str) -> None:
    (found,) = reconcile("shopify", ["orders"])
    assert found.error == "shopify.orders was never loaded to its end; run a sync first."
    assert (
        CliRunner().invoke(app, ["reconcile", "shopify", "--from", "2026-03-02", "--to", "2026-03-01"]).exit_code == 2
    )


def test_the_light_queries_are_valid_and_cheap() -> None:
    document = parse(Path(shopify.__file__).with_suffix(".graphql").read_text())
    assert validate(schema(), document) == []
