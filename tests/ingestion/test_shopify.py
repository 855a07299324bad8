"""The Shopify source against the pretend shop, and against answers by script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from graphql import OperationDefinitionNode, parse, validate
from graphql.validation import NoDeprecatedCustomRule, specified_rules

from ingestion import http as http_module
from ingestion import shopify_api
from ingestion.shopify_api import Queries, ShopifyApi
from ingestion.sources import shopify
from ingestion.sync import Progress, sync, sync_stream
from mock_apis.shopify import cost
from mock_apis.shopify.schema import schema
from mock_apis.world.shop_model import Money, OrderAdjustment, Refund, RefundLine, RefundShippingLine
from mock_apis.world.world import World
from settings import HeadwaterError
from settings.pipeline import Http
from tests.ingestion.conftest import Query
from tests.ingestion.scripted import Answer, Scripted
from tests.mock_apis.serving import served

DOCUMENT = Path(shopify.__file__).with_suffix(".graphql").read_text()
STREAMS = ("orders", "customers", "products")


@pytest.fixture
def world() -> World:
    return World(11, "tiny", date(2026, 3, 20))


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The shop's address, with the settings that lead to it; small pages, so that there are several."""
    monkeypatch.setattr(http_module, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(shopify.Orders, "first", 25)
    with served(world) as base:
        monkeypatch.setenv("SHOPIFY_API_URL", f"{base}/shopify")
        monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_demo")
        yield base


def ask_for(shop: str, **fault: Any) -> None:
    assert requests.post(f"{shop}/_admin/faults", json={"target": "shopify", **fault}, timeout=10).ok


def current(query: Query, stream: str) -> dict[str, Any]:
    rows = query(
        f"select distinct on (1) record_key, source_data from raw.shopify_{stream} order by 1, record_version desc"
    )
    return dict(rows)


def updated(things: dict[int, Any], kind: str) -> dict[str, str]:
    return {f"gid://shopify/{kind}/{each.id}": f"{each.updated_at:%Y-%m-%dT%H:%M:%SZ}" for each in things.values()}


def check_all_there(world: World, query: Query) -> None:
    for stream, kind in zip(STREAMS, ("Order", "Customer", "Product"), strict=True):
        found = {key: data["updatedAt"] for key, data in current(query, stream).items()}
        assert found == updated(getattr(world, stream), kind)


def test_every_query_is_valid_undeprecated_and_within_the_cost_of_one_query() -> None:
    document = parse(DOCUMENT)
    assert validate(schema(), document, [*specified_rules, NoDeprecatedCustomRule]) == []
    queries = Queries(Path(shopify.__file__).with_suffix(".graphql"))
    first = {stream.operation: stream.first for stream in (shopify.Orders, shopify.Customers, shopify.Products)}
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode) and operation.name:
            alone = parse(queries.text(operation.name.value))
            assert validate(schema(), alone) == []
            priced = cost.plan(schema(), alone, operation)
            assert cost.requested(priced, {"first": first.get(operation.name.value, 0)}) < cost.MAX_QUERY_COST


def test_everything_is_read_and_after_a_day_only_the_change(
    clean_warehouse: str, world: World, shop: str, query: Query
) -> None:
    first = sync("shopify")
    assert [result.error for result in first] == [None] * 3
    assert [result.counts.kept for result in first] == [len(getattr(world, stream)) for stream in STREAMS]
    assert not any(result.new_fields for result in first)
    assert [result.counts.received for result in sync("shopify")] == [0, 0, 0]
    requests.post(f"{shop}/_admin/advance", json={"days": 1}, timeout=30).raise_for_status()
    second = sync("shopify")
    assert all(0 < two.counts.kept < one.counts.kept / 2 for one, two in zip(first, second, strict=True))
    check_all_there(world, query)


def test_raw_holds_the_bytes_that_were_sent(clean_warehouse: str, shop: str, query: Query) -> None:
    sync_stream("shopify", "products")
    payload = {"query": DOCUMENT, "operationName": "Products", "variables": {"first": 100}}
    answer = requests.post(
        f"{shop}/shopify/admin/api/2026-10/graphql.json",
        json=payload,
        headers={"X-Shopify-Access-Token": "shpat_demo"},
        timeout=10,
    ).content
    for (text,) in query("select source_data::text from raw.shopify_products"):
        assert text.encode() in answer


@pytest.mark.fault("Orders change while they are read", "Each change is in after the next run at the latest.")
def test_rule_5_a_shop_that_lives_on_while_it_is_read_loses_nothing(
    clean_warehouse: str, world: World, shop: str, query: Query
) -> None:
    lived = []

    def live_on(progress: Progress) -> None:
        if progress.stream == "orders" and progress.read and not lived:
            lived.append(progress)
            requests.post(f"{shop}/_admin/advance", json={"days": 1}, timeout=30).raise_for_status()

    began = world.now
    assert [result.error for result in sync("shopify", on_progress=live_on)] == [None] * 3
    assert query("select watermark from ops.checkpoints where stream = 'orders'")[0][0] < began
    requests.post(f"{shop}/_admin/advance", json={"days": 1}, timeout=30).raise_for_status()
    sync("shopify")
    check_all_there(world, query)


@pytest.mark.fault(
    "Shopify throttles, fails, cuts an answer or resets in the middle of a sync",
    "The sync ends with everything that the shop has.",
)
@pytest.mark.parametrize("kind", ["429", "429_no_retry_after", "500", "503", "reset", "truncate", "slow", "throttled"])
def test_a_fault_in_the_middle_changes_nothing(
    clean_warehouse: str, world: World, shop: str, query: Query, kind: str
) -> None:
    ask_for(shop, kind=kind, after=3, seconds=0.2)
    assert sync_stream("shopify", "orders").counts.kept == len(world.orders)
    found = {key: data["updatedAt"] for key, data in current(query, "orders").items()}
    assert found == updated(world.orders, "Order")
    assert requests.get(f"{shop}/_admin/faults", timeout=10).json() == []


def test_a_bad_record_is_quarantined_and_the_others_are_kept(
    clean_warehouse: str, world: World, shop: str, query: Query
) -> None:
    ask_for(shop, kind="bad_record", after=2)
    counts = sync_stream("shopify", "orders").counts
    assert (counts.kept, counts.rejected) == (len(world.orders) - 1, 1)
    assert query("select errors, starts_with(record_key, 'gid://shopify/Order/') from ops.quarantine") == [
        (['totalPriceSet.shopMoney.amount: the value is not of type "string"'], True)
    ]


def test_drift_is_told_and_what_lost_a_required_field_is_quarantined(
    clean_warehouse: str, world: World, shop: str, query: Query
) -> None:
    ask_for(shop, kind="drift", after=2)
    result = sync_stream("shopify", "orders")
    assert result.counts.rejected == 25
    assert result.new_fields == ("displayFinancialStatus_v2", "loyaltyTier")
    assert query("select distinct errors from ops.quarantine") == [
        (['the record: "displayFinancialStatus" is a required property'],)
    ]


def test_lists_that_a_page_cuts_short_are_fetched_to_their_end(
    clean_warehouse: str, world: World, shop: str, query: Query
) -> None:
    order = next(each for each in world.orders.values() if each.refunds and len(each.lines) < 5)
    line = order.lines[0]
    order.lines += [_with_id(line, 9_000_000 + number) for number in range(130)]
    order.transactions += [_with_id(order.transactions[0], 9_100_000 + number) for number in range(12)]
    many: Refund = _with_id(order.refunds[0], 9_200_000)
    pattern: RefundLine = next(each for refund in order.refunds for each in refund.lines)
    pattern = replace(pattern, quantity=0)  # returned units are taken off the line's
    many.lines = [_with_id(pattern, 9_300_000 + number) for number in range(25)]
    nothing = Money.zero(order.currency)
    many.shipping_lines = [RefundShippingLine(9_500_000 + number, nothing, nothing) for number in range(3)]
    many.adjustments = [OrderAdjustment(9_600_000 + number, nothing, "DAMAGE") for number in range(4)]
    order.refunds += [many, *(replace(many, id=9_200_001 + number, lines=[]) for number in range(6))]
    product = next(iter(world.products.values()))
    product.variants += [_with_id(product.variants[0], 9_400_000 + number) for number in range(45)]

    result = sync("shopify", ["orders", "products"])
    assert [each.error for each in result] == [None, None]
    found = current(query, "orders")[f"gid://shopify/Order/{order.id}"]
    lines = [int(node["id"].rpartition("/")[2]) for node in found["lineItems"]["nodes"]]
    assert sorted(lines) == sorted(each.id for each in order.lines)
    assert len(found["transactions"]) == len(order.transactions)
    assert len(found["refunds"]) == len(order.refunds)
    lists = ("refundLineItems", "refundShippingLines", "orderAdjustments")
    longest = [max(len(refund[name]["nodes"]) for refund in found["refunds"]) for name in lists]
    assert longest == [25, 3, 4]
    parts = [found["lineItems"], *(refund[name] for refund in found["refunds"] for name in lists)]
    assert not any(part["pageInfo"]["hasNextPage"] for part in parts)
    variants = current(query, "products")[f"gid://shopify/Product/{product.id}"]["variants"]["nodes"]
    assert len(variants) == len(product.variants)


@pytest.mark.fault(
    "A cursor is refused when a half-read window goes on",
    "The window is read from its start; what was in changes nothing.",
)
def test_a_half_read_window_whose_cursor_is_refused_is_read_from_its_start(
    clean_warehouse: str, world: World, shop: str, query: Query
) -> None:
    stale = {"watermark": None, "window": {"start": None, "end": world.now.isoformat(), "cursor": "of an older API"}}
    with psycopg.connect(clean_warehouse) as connection:
        connection.execute(
            "insert into ops.checkpoints (source, stream, state) values ('shopify', 'orders', %s)", (json.dumps(stale),)
        )
    assert sync_stream("shopify", "orders").counts.kept == len(world.orders)
    assert query("select watermark from ops.checkpoints") == [(world.now,)]


def _with_id(thing: Any, number: int) -> Any:
    copied = deepcopy(thing)
    copied.id = number
    return copied


def test_a_wrong_token_and_a_missing_one_are_named(
    clean_warehouse: str, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_wrong_one")
    with pytest.raises(HeadwaterError, match="SHOPIFY_ACCESS_TOKEN was refused by shopify at http://") as raised:
        sync_stream("shopify", "orders")
    assert "shpat_wrong_one" not in str(raised.value)
    monkeypatch.delenv("SHOPIFY_ACCESS_TOKEN")
    [result] = sync("shopify", ["products"])
    assert result.error
    assert result.error.startswith("SHOPIFY_ACCESS_TOKEN is not set")


def api(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> tuple[ShopifyApi, list[float]]:
    monkeypatch.setenv("SHOPIFY_API_URL", scripted.url)
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_demo")
    found = ShopifyApi(shopify.QUERIES, Http(attempts=3), "shopify")
    waited: list[float] = []
    monkeypatch.setattr(found.http, "wait", waited.append)
    return found, waited


def answer(data: object = None, *, code: str = "", message: str = "no", available: int = 0, cost: int = 700) -> Answer:
    status = {"maximumAvailable": 1000, "currentlyAvailable": available, "restoreRate": 100}
    body: dict[str, Any] = {"extensions": {"cost": {"requestedQueryCost": cost, "throttleStatus": status}}}
    if code:
        body["errors"] = [{"message": message, "extensions": {"code": code}}]
    else:
        body["data"] = data
    return Answer(json.dumps(body).encode())


def test_the_next_query_waits_until_its_points_are_restored(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks, waited = api(scripted, monkeypatch)
    scripted.answers = [answer({"n": 1}, available=200), answer({"n": 2}, available=900), answer({"n": 3})]
    for number in (1, 2, 3):
        assert json.loads(asks.ask("Orders", first=100)) == {"n": number}
    assert len(waited) == 1
    assert 4.8 < waited[0] < 5.3  # 500 points are missing, and 100 a second come back


def test_throttled_is_tried_again_within_bounds(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    asks, _ = api(scripted, monkeypatch)
    throttled = answer(code="THROTTLED", message="Throttled")
    scripted.answers = [throttled, answer({"n": 1})]
    assert json.loads(asks.ask("Customers", first=250)) == {"n": 1}
    scripted.then = lambda _asked: throttled
    with pytest.raises(HeadwaterError, match="still answers 'Throttled' to Customers after 3 tries"):
        asks.ask("Customers", first=250)
    assert len(scripted.asked) == 5


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            answer(code="ACCESS_DENIED", message="Access denied for orders field.").body,
            "Give the app of SHOPIFY_ACCESS_TOKEN",
        ),
        (
            b'{"errors":[{"message":"Field \'x\' doesn\'t exist"}],"data":{"orders":null}}',
            "refused Orders: Field 'x' doesn't",
        ),
        (b'{"errors":"Unavailable Shop"}', "refused Orders: Unavailable Shop"),
        (b'{"errors":"Broken \\ud800"}', "refused Orders: "),
    ],
)
def test_other_errors_fail_with_shopifys_words(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, body: bytes, told: str
) -> None:
    asks, _ = api(scripted, monkeypatch)
    scripted.then = lambda _asked: Answer(body)
    with pytest.raises(HeadwaterError, match=told):
        asks.ask("Orders", first=100)
    assert len(scripted.asked) == 1


def test_a_page_that_is_too_dear_is_asked_for_in_halves(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, clean_warehouse: str
) -> None:
    api(scripted, monkeypatch)
    empty = {"products": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}
    too_dear = answer(code="MAX_COST_EXCEEDED", available=1000)
    scripted.answers = [
        answer({"shop": {"id": "1"}}, available=1000),
        too_dear,
        too_dear,
        answer(empty, available=1000),
    ]
    sync_stream("shopify", "products")
    assert [json.loads(each.body)["variables"].get("first") for each in scripted.asked] == [None, 100, 50, 25]
    sent = json.loads(scripted.asked[-1].body)
    assert sent["variables"]["query"] == "updated_at:<='2026-03-01T11:59:00Z'"


def test_a_record_that_cannot_be_decoded_does_not_fell_its_page(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, clean_warehouse: str, query: Query
) -> None:
    api(scripted, monkeypatch)
    end = b'"pageInfo":{"hasNextPage":false,"endCursor":null}'
    page = b'{"data":{"customers":{"nodes":[{"id":"\\ud800"},{"id":"\xff"}],' + end + b"}}}"
    scripted.answers = [answer({"shop": {"id": "1"}}, available=1000), Answer(page)]
    counts = sync_stream("shopify", "customers").counts
    assert (counts.received, counts.rejected) == (2, 2)
    assert query("select record from ops.quarantine order by 1") == [(b'{"id":"\\ud800"}',), (b'{"id":"\xff"}',)]


def test_a_version_that_shopify_has_retired_is_noted(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asks, _ = api(scripted, monkeypatch)
    scripted.then = lambda _asked: Answer(b'{"data":{}}', headers={"X-Shopify-API-Version": "2027-04"})
    asks.ask("Clock")
    asks.ask("Clock")
    assert [record.message for record in caplog.records] == [
        f"shopify serves API version 2027-04 instead of {shopify_api.VERSION}, which it has retired"
    ]
    assert asks.http.server_time() == datetime(2026, 3, 1, 12, tzinfo=UTC)
