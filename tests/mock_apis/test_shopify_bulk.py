"""Bulk operations of the pretend shop: what Shopify refuses, how an operation goes, and what its file holds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import requests

from mock_apis.world.world import World
from tests.mock_apis.serving import served

Ask = Callable[..., dict[str, Any]]
START = """mutation($query: String!, $grouped: Boolean! = false) {
  bulkOperationRunQuery(query: $query, groupObjects: $grouped) {
    bulkOperation { id status query } userErrors { code field message } } }"""
LOOK = """query($id: ID!) { bulkOperation(id: $id) {
  id status errorCode objectCount rootObjectCount fileSize url partialDataUrl completedAt } }"""
LINES = "{ orders { edges { node { id name lineItems { edges { node { id sku } } } } } } }"


@pytest.fixture(scope="module")
def world() -> World:
    return World(11, "tiny", date(2026, 3, 20))


@pytest.fixture
def shop(world: World) -> Iterator[str]:
    with served(world) as base:
        yield base


@pytest.fixture
def ask(shop: str) -> Ask:
    def post(text: str, /, **variables: Any) -> dict[str, Any]:
        answer = requests.post(
            f"{shop}/shopify/admin/api/2026-10/graphql.json",
            json={"query": text, "variables": variables},
            headers={"X-Shopify-Access-Token": "shpat_demo"},
            timeout=10,
        )
        found: dict[str, Any] = answer.json()["data"]
        return found

    return post


def start(ask: Ask, query: str = LINES, **variables: Any) -> str:
    started = ask(START, query=query, **variables)["bulkOperationRunQuery"]
    assert started["userErrors"] == []
    assert started["bulkOperation"]["status"] == "CREATED"
    return str(started["bulkOperation"]["id"])


def finished(ask: Ask, id: str) -> tuple[dict[str, Any], list[str]]:
    """The operation once it is over, and the statuses that it went through."""
    seen = []
    for _ in range(10):
        looked: dict[str, Any] = ask(LOOK, id=id)["bulkOperation"]
        seen.append(looked["status"])
        if looked["status"] not in ("CREATED", "RUNNING"):
            return looked, seen
    raise AssertionError(seen)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("{ products { nodes { id } } }", "All connection fields in a bulk query must select their contents using"),
        ('{ node(id: "gid://shopify/Product/1") { id } }', "Bulk queries cannot contain a top level `node` field."),
        ("{ shop { id } }", "Bulk queries must contain at least one connection."),
        ("mutation { bulkOperationCancel(id: 1) { userErrors { message } } }", "Invalid operation type."),
        ("{ products { edges { node { title variants { edges { node { id } } } } } } }", "must select the 'id' field"),
        (
            "{ orders { edges { node { id refunds { id refundLineItems { edges { node { id } } } } } } } }",
            "Queries that contain a connection field within a list field are not currently supported.",
        ),
        ("", "Invalid bulk query: Syntax Error"),
        ("{ orders { edges { node { id nonsense } } } }", "Invalid bulk query: Cannot query field 'nonsense'"),
    ],
)
def test_a_query_that_cannot_run_in_bulk_is_refused_in_shopifys_words(ask: Ask, query: str, told: str) -> None:
    started = ask(START, query=query)["bulkOperationRunQuery"]
    assert started["bulkOperation"] is None
    assert told in started["userErrors"][0]["message"]
    assert (started["userErrors"][0]["code"], started["userErrors"][0]["field"]) == ("INVALID", ["query"])


def test_a_file_has_a_line_for_each_object_and_parts_come_after_their_parent(world: World, ask: Ask) -> None:
    done, seen = finished(ask, start(ask))
    assert seen == ["RUNNING", "RUNNING", "COMPLETED"]
    body = requests.get(done["url"], timeout=10).content
    assert int(done["fileSize"]) == len(body)
    assert b"gid:\\/\\/shopify\\/Order\\/" in body
    lines = [json.loads(line) for line in body.splitlines()]
    assert int(done["objectCount"]) == len(lines)
    assert int(done["rootObjectCount"]) == len(world.orders)
    places = {line["id"]: place for place, line in enumerate(lines)}
    parts = [line for line in lines if "__parentId" in line]
    assert len(parts) == sum(len(order.lines) for order in world.orders.values())
    assert all(places[part["__parentId"]] < places[part["id"]] for part in parts)
    assert any(places[part["__parentId"]] + 20 < places[part["id"]] for part in parts), "not right behind it"
    assert not any("lineItems" in line for line in lines)


def test_grouped_parts_stand_right_behind_their_parent(ask: Ask) -> None:
    done, _ = finished(ask, start(ask, grouped=True))
    parent = None
    for line in map(json.loads, requests.get(done["url"], timeout=10).content.splitlines()):
        assert line.get("__parentId") in (None, parent)
        parent = parent if "__parentId" in line else line["id"]


def test_a_file_is_sent_compressed_to_who_takes_it_and_never_without_its_signature(ask: Ask) -> None:
    done, _ = finished(ask, start(ask))
    plain = requests.get(done["url"], headers={"Accept-Encoding": "identity"}, timeout=10).content
    packed = requests.get(done["url"], headers={"Accept-Encoding": "gzip"}, stream=True, timeout=10).raw.read()
    assert gzip.decompress(packed) == plain
    assert requests.get(done["url"].partition("?")[0], timeout=10).status_code == 400


def test_nothing_found_is_no_file(ask: Ask) -> None:
    query = "{ orders(query: \"created_at:>'2030-01-01'\") { edges { node { id } } } }"
    done, _ = finished(ask, start(ask, query))
    assert (done["objectCount"], done["url"], done["fileSize"]) == ("0", None, None)


def test_five_run_at_once_and_a_sixth_is_refused_until_one_is_over(ask: Ask) -> None:
    ids = [start(ask) for _ in range(5)]
    refused = ask(START, query=LINES)["bulkOperationRunQuery"]
    assert (refused["bulkOperation"], refused["userErrors"][0]["code"]) == (None, "LIMIT_REACHED")
    cancel = "mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { message } } }"
    assert ask(cancel, id=ids[0])["bulkOperationCancel"] == {
        "bulkOperation": {"status": "CANCELED"},
        "userErrors": [],
    }
    assert ask(cancel, id=ids[0])["bulkOperationCancel"]["userErrors"]
    assert start(ask) not in ids
    listed = ask("{ bulkOperations(first: 3, reverse: true) { nodes { id status } } }")["bulkOperations"]["nodes"]
    assert [it["id"].rpartition("/")[2] for it in listed] == ["6", "5", "4"]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("bulk_denied", "FAILED", "ACCESS_DENIED"),
        ("bulk_error", "FAILED", "INTERNAL_SERVER_ERROR"),
        ("bulk_timeout", "FAILED", "TIMEOUT"),
        ("bulk_canceled", "CANCELED", None),
        ("bulk_expired", "EXPIRED", None),
    ],
)
def test_an_operation_fails_on_demand(shop: str, ask: Ask, kind: str, status: str, code: str | None) -> None:
    fault = {"target": "shopify_bulk", "kind": kind, "match": "orders"}
    assert requests.post(f"{shop}/_admin/faults", json=fault, timeout=10).ok
    done, _ = finished(ask, start(ask))
    assert (done["status"], done["errorCode"], done["url"]) == (status, code, None)
    assert (done["partialDataUrl"] is not None) == (status == "FAILED")
    assert finished(ask, start(ask))[0]["status"] == "COMPLETED"


def test_only_bulk_operations_suffer_their_faults(shop: str) -> None:
    for fault in ({"target": "shopify", "kind": "bulk_error"}, {"target": "shopify_bulk", "kind": "500"}):
        assert requests.post(f"{shop}/_admin/faults", json=fault, timeout=10).status_code >= 400
