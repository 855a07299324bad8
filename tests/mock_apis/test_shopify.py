"""The pretend shop answers as Shopify's Admin GraphQL API 2026-10 does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from graphql import GraphQLObjectType, get_named_type, is_leaf_type, validate_schema

from mock_apis.shopify import cost
from mock_apis.shopify.bucket import Bucket
from mock_apis.shopify.engine import Engine, prepare
from mock_apis.shopify.schema import schema
from mock_apis.shopify.values import decimal
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World
from tests.mock_apis.serving import served

TODAY = date(2026, 3, 20)
Ask = Callable[..., dict[str, Any]]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def asking(world: World, bucket: Bucket | None = None) -> Ask:
    engine = Engine(WorldRef(world), bucket or Bucket(10**9, 1))

    def ask(text: str, /, **variables: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(engine.answer(text, variables, None, lambda it: json.dumps(it).encode()))
        return answer

    return ask


@pytest.fixture(scope="module")
def world() -> World:
    return World(7, "tiny", TODAY)


@pytest.fixture(scope="module")
def ask(world: World) -> Ask:
    return asking(world)


def number(gid: str) -> int:
    return int(gid.rsplit("/", 1)[1])


def everything(kind: GraphQLObjectType, depth: int) -> str:
    """A selection of every field of the type, connections and objects included, down to a depth."""
    parts = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            parts.append(name)
        elif isinstance(inner, GraphQLObjectType) and depth:
            size = "(first: 1)" if "first" in field.args else ""
            parts.append(f"{name}{size} {{ {everything(inner, depth - 1)} }}")
    return " ".join(parts) or "__typename"


# The schema


def test_the_schema_is_valid_and_says_what_shopify_says() -> None:
    assert validate_schema(schema()) == []
    types = schema().type_map
    expected = {
        "Order.totalPriceSet": "MoneyBag!",
        "Order.totalTaxSet": "MoneyBag",
        "Order.refunds": "[Refund!]!",
        "Order.displayFinancialStatus": "OrderDisplayFinancialStatus",
        "LineItem.product": "Product",
        "LineItem.originalUnitPriceSet": "MoneyBag!",
        "Refund.createdAt": "DateTime",
        "RefundLineItem.id": "ID",
        "MoneyV2.amount": "Decimal!",
        "Customer.numberOfOrders": "UnsignedInt64!",
        "ProductVariant.price": "Money!",
    }
    assert {name: str(types[name.split(".")[0]].fields[name.split(".")[1]].type) for name in expected} == expected
    assert "defaultEmailAddress.emailAddress" in types["Customer"].fields["email"].deprecation_reason


@pytest.mark.parametrize("kind", ["Order", "Customer", "Product"])
def test_every_field_of_the_schema_can_be_answered(world: World, ask: Ask, kind: str) -> None:
    fields = everything(schema().type_map[kind], 2)
    things = {"Order": world.orders, "Customer": world.customers, "Product": world.products}[kind]
    assert cost.requested(prepare(f"{{ {kind.lower()}(id: 1) {{ {fields} }} }}", None).priced, {}) < 1000
    for thing in list(things)[:60]:
        answer = ask(f'{{ {kind.lower()}(id: "gid://shopify/{kind}/{thing}") {{ {fields} }} }}')
        assert "errors" not in answer, answer["errors"]
        assert answer["data"][kind.lower()]["legacyResourceId"] == str(thing)


# Pages


def walk(ask: Ask, name: str, size: int, query: str | None = None, reverse: bool = False) -> list[dict[str, Any]]:
    text = f"""query($after: String, $query: String) {{ {name}(first: {size}, after: $after, query: $query,
        sortKey: UPDATED_AT, reverse: {json.dumps(reverse)}) {{
            nodes {{ id updatedAt }} pageInfo {{ hasNextPage endCursor }} }} }}"""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = ask(text, after=after, query=query)["data"][name]
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


@pytest.mark.parametrize("name", ["orders", "customers", "products"])
def test_pages_give_everything_once_in_order(world: World, ask: Ask, name: str) -> None:
    things = sorted(getattr(world, name).values(), key=lambda thing: (thing.updated_at, thing.id))
    expected = [thing.id for thing in things]
    assert [number(node["id"]) for node in walk(ask, name, 7)] == expected
    assert [number(node["id"]) for node in walk(ask, name, 7, reverse=True)] == expected[::-1]


def test_last_and_before_page_backwards(world: World, ask: Ask) -> None:
    ids = sorted(world.orders)
    text = "query($before: String) { orders(last: 5, before: $before, sortKey: ID) { edges { cursor node { id } } } }"
    edges = ask(text)["data"]["orders"]["edges"]
    assert [number(edge["node"]["id"]) for edge in edges] == ids[-5:]
    edges = ask(text, before=edges[0]["cursor"])["data"]["orders"]["edges"]
    assert [number(edge["node"]["id"]) for edge in edges] == ids[-10:-5]


def test_a_cursor_goes_on_where_it_was_after_the_world_has_changed() -> None:
    world = World(7, "tiny", TODAY)
    ask = asking(world)
    text = """query($after: String) { orders(first: 40, after: $after, sortKey: UPDATED_AT) {
        nodes { id } pageInfo { endCursor hasNextPage } } }"""
    page = ask(text)["data"]["orders"]
    seen = [number(node["id"]) for node in page["nodes"]]
    before = {order.id: order.updated_at for order in world.orders.values()}
    # The very order that the cursor names moves to the end, and the first one too.
    for each in (seen[0], seen[-1]):
        world.orders[each].updated_at = world.now
    world.advance()
    while page["pageInfo"]["hasNextPage"]:
        page = ask(text, after=page["pageInfo"]["endCursor"])["data"]["orders"]
        seen += [number(node["id"]) for node in page["nodes"]]
    assert set(seen) == set(world.orders)
    twice = {each for each in seen if seen.count(each) > 1}
    assert {seen[0], seen[39]} <= twice
    assert all(world.orders[each].updated_at != before[each] for each in twice)


def test_nested_connections_page_on_their_own(world: World, ask: Ask) -> None:
    order = max(world.orders.values(), key=lambda each: len(each.lines))
    text = """query($id: ID!, $after: String) { order(id: $id) { lineItems(first: 2, after: $after) {
        nodes { id } pageInfo { hasNextPage endCursor } } } }"""
    found: list[int] = []
    after, more = None, True
    while more:
        page = ask(text, id=f"gid://shopify/Order/{order.id}", after=after)["data"]["order"]["lineItems"]
        found += [number(node["id"]) for node in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert found == sorted(line.id for line in order.lines)
    assert len(found) > 2


# Search


def test_updated_at_bounds_are_exact(world: World, ask: Ask) -> None:
    times = sorted(order.updated_at for order in world.orders.values())
    low, high = times[len(times) // 3], times[2 * len(times) // 3]
    expected = {order.id for order in world.orders.values() if low <= order.updated_at < high}
    for joint in (" AND ", " "):
        query = f"updated_at:>='{low:%Y-%m-%dT%H:%M:%SZ}'{joint}updated_at:<\"{high.isoformat()}\""
        assert {number(node["id"]) for node in walk(ask, "orders", 50, query)} == expected


def test_a_bare_day_is_a_day_of_the_shop(world: World, ask: Ask) -> None:
    start = datetime(2026, 3, 15, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    expected = {order.id for order in world.orders.values() if order.updated_at >= start}
    assert {number(node["id"]) for node in walk(ask, "orders", 50, "updated_at:>=2026-03-15")} == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [("updatedat:>'2026-01-01'", "invalid_field"), ("updated_at:>2026-01-01T00:00:00Z", "invalid_value")],
)
def test_a_filter_that_cannot_be_read_is_left_out_and_told(world: World, ask: Ask, query: str, code: str) -> None:
    answer = ask("query($query: String) { ordersCount(query: $query) { count } }", query=query)
    assert answer["data"]["ordersCount"]["count"] == len(world.orders)
    assert answer["extensions"]["search"][0]["warnings"][0]["code"] == code


def test_orders_are_found_by_status(world: World, ask: Ask) -> None:
    refunded = {each.id for each in world.orders.values() if each.financial_status == "PARTIALLY_REFUNDED"}
    assert {number(node["id"]) for node in walk(ask, "orders", 50, "financial_status:partially_refunded")} == refunded
    cancelled = {each.id for each in world.orders.values() if each.cancelled_at}
    assert {number(node["id"]) for node in walk(ask, "orders", 50, "status:cancelled")} == cancelled
    assert refunded and cancelled


# Money


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1250, "EUR", "12.5"), (1200, "EUR", "12.0"), (1234, "USD", "12.34"), (5, "EUR", "0.05"), (1200, "JPY", "1200.0")],
)
def test_amounts_are_written_as_shopify_writes_them(minor: int, currency: str, text: str) -> None:
    assert decimal(minor, currency) == text


def test_the_totals_of_an_order_add_up_in_both_currencies(ask: Ask) -> None:
    bag = "{ shopMoney { amount } presentmentMoney { amount } }"
    names = ["subtotalPriceSet", "totalShippingPriceSet", "totalTaxSet", "totalPriceSet"]
    fields = " ".join(f"{name} {bag}" for name in names)
    nodes = ask(f"{{ orders(first: 100) {{ nodes {{ taxesIncluded {fields} }} }} }}")["data"]["orders"]["nodes"]
    assert {node["taxesIncluded"] for node in nodes} == {True, False}
    for node in nodes:
        for side in ("shopMoney", "presentmentMoney"):
            subtotal, shipping, tax, total = (Decimal(node[name][side]["amount"]) for name in names)
            assert total == subtotal + shipping + (0 if node["taxesIncluded"] else tax)


def test_a_refund_says_what_it_is_made_of_and_leaves_nothing_to_pay(world: World, ask: Ask) -> None:
    bag = "{ shopMoney { amount } }"
    parts = f"refundLineItems(first: 250) {{ nodes {{ subtotalSet {bag} totalTaxSet {bag} }} }}"
    parts += f" refundShippingLines(first: 5) {{ nodes {{ subtotalAmountSet {bag} taxAmountSet {bag} }} }}"
    parts += f" orderAdjustments(first: 5) {{ nodes {{ amountSet {bag} taxAmountSet {bag} }} }}"
    sums = f"totalOutstandingSet {bag} currentTotalPriceSet {bag}"
    seen = set()
    for order in (each for each in world.orders.values() if each.refunds):
        asked = f"{{ taxesIncluded {sums} refunds {{ note totalRefundedSet {bag} {parts} }} }}"
        found = ask(f'{{ order(id: "gid://shopify/Order/{order.id}") {asked} }}')["data"]["order"]
        assert found["totalOutstandingSet"]["shopMoney"]["amount"] == "0.0"
        for refund in found["refunds"]:
            total = Decimal(0)
            for name, sign in (("refundLineItems", 1), ("refundShippingLines", 1), ("orderAdjustments", -1)):
                for node in refund[name]["nodes"]:
                    amount, tax = (Decimal(each["shopMoney"]["amount"]) for each in node.values())
                    taxed = name == "orderAdjustments" or not found["taxesIncluded"]
                    total += sign * (amount + (tax if taxed else 0))
                    seen.add(name)
            if refund["note"] != "Order edited":
                assert total == Decimal(refund["totalRefundedSet"]["shopMoney"]["amount"])
        if order.financial_status == "REFUNDED":
            assert found["currentTotalPriceSet"]["shopMoney"]["amount"] == "0.0"
    assert len(seen) == 3


# Cost and throttle


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ("{ shop { name } }", 1),
        # Shopify's reference shows 3 for this one, and reported 25 for the next.
        ("{ products(first: 1) { edges { node { title } } } }", 3),
        ('{ product(id: "1") { variants(first: 250) { nodes { inventoryItem { id tracked } } } } }', 25),
        ("{ orders(first: 10) { edges { node { id } } nodes { customer { id } } pageInfo { hasNextPage } } }", 10),
        ('{ node(id: "1") { id ... on Order { customer { id } } ... on Customer { id } } }', 2),
    ],
)
def test_what_a_query_costs(query: str, points: int) -> None:
    prepared = prepare(query, None)
    assert not prepared.errors
    assert cost.requested(prepared.priced, {}) == points


def test_a_query_too_dear_is_refused_before_it_runs(ask: Ask) -> None:
    line = "lineItems(first: 250) { nodes { product { variants(first: 250) { nodes { inventoryItem { id } } } } } }"
    answer = ask(f"{{ orders(first: 250) {{ nodes {{ {line} }} }} }}")
    assert answer["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert "data" not in answer


def test_an_empty_bucket_throttles_and_fills_again(world: World) -> None:
    clock = Clock()
    ask = asking(world, Bucket(30, 10, clock))
    query = "query($n: Int = 100) { orders(first: $n) { nodes { customer { id } } } }"  # 2 + 9 * 2 = 20
    first = ask(query)["extensions"]["cost"]
    assert first["requestedQueryCost"] == 20 >= first["actualQueryCost"]
    assert first["throttleStatus"] == {
        "maximumAvailable": 30.0,
        "currentlyAvailable": 30 - first["actualQueryCost"],
        "restoreRate": 10.0,
    }
    refused = ask(query)
    assert refused["errors"][0]["extensions"]["code"] == "THROTTLED"
    status = refused["extensions"]["cost"]["throttleStatus"]
    clock.now += (20 - status["currentlyAvailable"]) / status["restoreRate"]
    assert ask(query)["data"]["orders"]["nodes"]


def test_what_does_not_come_back_is_not_charged(ask: Ask) -> None:
    answer = ask('{ orders(first: 250, query: "id:1") { nodes { customer { id } } } }')
    assert answer["extensions"]["cost"]["actualQueryCost"] == 2


# Refusals


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ orders { nodes { id } } }", "you must provide one of first or last"),
        ("{ orders(first: 1, last: 1) { nodes { id } } }", "providing both first and last is not supported"),
        ("{ orders(first: 251) { nodes { id } } }", "first cannot exceed 250"),
        ('{ orders(first: 1, after: "x") { nodes { id } } }', "Invalid cursor for current pagination sort."),
        ('{ order(id: "5") { id } }', "Invalid global id '5'"),
        ("{ orders(first: 1) { nodes { total } } }", "Field 'total' doesn't exist on type 'Order'"),
    ],
)
def test_mistakes_are_named_in_shopifys_words(ask: Ask, query: str, message: str) -> None:
    answer = ask(query)
    assert answer["errors"][0]["message"] == message
    first = answer.get("data")
    assert first is None or all(value is None for value in first.values())


def test_a_cursor_of_another_sort_is_refused(ask: Ask) -> None:
    page = ask("{ orders(first: 1, sortKey: ID) { pageInfo { endCursor } } }")["data"]["orders"]
    text = "query($after: String) { orders(first: 1, sortKey: UPDATED_AT, after: $after) { nodes { id } } }"
    answer = ask(text, after=page["pageInfo"]["endCursor"])
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_things_are_found_by_their_global_id(world: World, ask: Ask) -> None:
    order = next(each for each in world.orders.values() if each.refunds)
    refunds = [refund for each in world.orders.values() for refund in each.refunds]
    ids = [
        f"gid://shopify/Order/{order.id}",
        f"gid://shopify/LineItem/{order.lines[0].id}",
        f"gid://shopify/Refund/{order.refunds[0].id}",
        f"gid://shopify/RefundShippingLine/{next(part.id for each in refunds for part in each.shipping_lines)}",
        f"gid://shopify/OrderAdjustment/{next(part.id for each in refunds for part in each.adjustments)}",
        f"gid://shopify/OrderTransaction/{order.transactions[0].id}",
        "gid://shopify/Product/1",
    ]
    found = ask("query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }", ids=ids)["data"]["nodes"]
    assert [each and each["id"] for each in found] == [*ids[:-1], None]
    assert [each["__typename"] for each in found[:-1]] == [one.split("/")[-2] for one in ids[:-1]]


def test_the_door_checks_version_token_and_body_and_dates_by_the_worlds_clock(world: World) -> None:
    with served(world) as base:
        url = f"{base}/shopify/admin/api/2026-10/graphql.json"
        headers = {"X-Shopify-Access-Token": "shpat_demo"}
        good = requests.post(url, json={"query": "{ shop { name } }"}, headers=headers, timeout=10)
        assert good.status_code == 200
        assert good.headers["X-Shopify-API-Version"] == "2026-10"
        assert good.headers["Content-Type"] == "application/json; charset=utf-8"
        assert good.headers["Date"] == "Fri, 20 Mar 2026 00:00:00 GMT"
        wrong = requests.post(url, json={"query": "{ shop { name } }"}, timeout=10)
        assert wrong.status_code == 401
        assert wrong.json()["errors"].startswith("[API] Invalid API key or access token")
        old = requests.post(url.replace("2026-10", "2019-04"), json={}, headers=headers, timeout=10)
        assert old.status_code == 404
        assert requests.post(url, data="{", headers=headers, timeout=10).status_code == 400
