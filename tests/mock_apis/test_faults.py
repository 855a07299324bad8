"""Faults on demand: each breaks just the requests that it was asked to break, as the real thing breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import requests

from mock_apis.faults import Fault, Faults
from mock_apis.world.world import World
from tests.mock_apis.serving import served

ORDERS = """{ orders(first: 20) { nodes { id name displayFinancialStatus
    totalPriceSet { shopMoney { amount } } } } }"""


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with served(World(7, "tiny", date(2026, 3, 20))) as base:
        yield base


@pytest.fixture(autouse=True)
def none_left(shop: str) -> Iterator[None]:
    yield
    assert requests.get(f"{shop}/_admin/faults", timeout=10).json() == []


def order_pages(shop: str, query: str = ORDERS) -> requests.Response:
    headers = {"X-Shopify-Access-Token": "shpat_demo"}
    url = f"{shop}/shopify/admin/api/2026-10/graphql.json"
    return requests.post(url, json={"query": query}, headers=headers, timeout=10)


def charges(shop: str) -> requests.Response:
    return requests.get(f"{shop}/stripe/v1/charges?limit=20", auth=("sk_test_demo", ""), timeout=10)


def ask_for(shop: str, **fault: Any) -> None:
    answer = requests.post(f"{shop}/_admin/faults", json=fault, timeout=10)
    assert answer.status_code == 200, answer.text


CALLS = {"shopify": order_pages, "stripe": charges}


@pytest.mark.parametrize("target", CALLS)
@pytest.mark.parametrize(
    ("kind", "status", "retry_after"),
    [("429", 429, "7"), ("429_no_retry_after", 429, None), ("500", 500, None), ("503", 503, None)],
)
def test_refusals(shop: str, target: str, kind: str, status: int, retry_after: str | None) -> None:
    ask_for(shop, target=target, kind=kind, seconds=7)
    answer = CALLS[target](shop)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == retry_after
    assert answer.headers["Date"] == "Fri, 20 Mar 2026 00:00:00 GMT"
    assert "error" in answer.text
    assert CALLS[target](shop).status_code == 200


@pytest.mark.parametrize("target", CALLS)
def test_a_reset_drops_the_connection_in_the_middle(shop: str, target: str) -> None:
    ask_for(shop, target=target, kind="reset")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), match="reset by peer"):
        CALLS[target](shop)
    assert CALLS[target](shop).status_code == 200


@pytest.mark.parametrize("target", CALLS)
def test_a_truncated_body_is_shorter_than_its_length_says(shop: str, target: str) -> None:
    ask_for(shop, target=target, kind="truncate")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), match="more expected"):
        CALLS[target](shop)
    assert CALLS[target](shop).status_code == 200


def test_a_slow_body_arrives_whole_but_late(shop: str) -> None:
    good = order_pages(shop).json()["data"]
    ask_for(shop, target="shopify", kind="slow", seconds=0.3)
    started = time.monotonic()
    assert order_pages(shop).json()["data"] == good
    assert time.monotonic() - started >= 0.3


def test_throttled_stands_under_http_200(shop: str) -> None:
    ask_for(shop, target="shopify", kind="throttled")
    answer = order_pages(shop)
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert answer.json()["extensions"]["cost"]["throttleStatus"]["restoreRate"] == 100


def test_one_bad_record_among_good_ones(shop: str) -> None:
    good = order_pages(shop).json()["data"]["orders"]["nodes"]
    ask_for(shop, target="shopify", kind="bad_record")
    bad = order_pages(shop).json()["data"]["orders"]["nodes"]
    changed = [new for old, new in zip(good, bad, strict=True) if old != new]
    assert [each["totalPriceSet"]["shopMoney"]["amount"] for each in changed] == [None]
    good = charges(shop).json()["data"]
    ask_for(shop, target="stripe", kind="bad_record", field="currency")
    bad = charges(shop).json()["data"]
    changed = [new for old, new in zip(good, bad, strict=True) if old != new]
    assert [type(each["currency"]) for each in changed] == [dict]


def test_drift_adds_a_field_and_renames_one(shop: str) -> None:
    ask_for(shop, target="shopify", kind="drift")
    for node in order_pages(shop).json()["data"]["orders"]["nodes"]:
        assert "loyaltyTier" in node and "displayFinancialStatus_v2" in node and "displayFinancialStatus" not in node


def test_after_times_and_match_choose_the_requests(shop: str) -> None:
    ask_for(shop, target="shopify", kind="500", match="productsCount", after=1, times=2)
    products = "{ productsCount { count } }"
    statuses = [order_pages(shop, query).status_code for query in (products, ORDERS, products, products, products)]
    assert statuses == [200, 200, 500, 500, 200]


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"target": "paypal", "kind": "500"}, "target"),
        ({"target": "stripe", "kind": "throttled"}, "only Shopify"),
        ({"target": "sftp", "kind": "429"}, "SFTP has no 429"),
        ({"target": "stripe", "kind": "500", "time": 2}, "time"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(shop: str, fault: dict[str, Any], word: str) -> None:
    answer = requests.post(f"{shop}/_admin/faults", json=fault, timeout=10)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_faults_can_be_called_off(shop: str) -> None:
    ask_for(shop, target="stripe", kind="500", times=5)
    assert requests.get(f"{shop}/_admin/faults", timeout=10).json()[0]["times"] == 5
    requests.delete(f"{shop}/_admin/faults", timeout=10)
    assert charges(shop).status_code == 200


def test_an_sftp_fault_is_taken_by_its_path() -> None:
    faults = Faults([Fault(target="sftp", kind="truncate", match="events_20260319")])
    assert faults.take("sftp", "/campaigns/campaigns_20260319.csv") is None
    taken = faults.take("sftp", "/events/events_20260319T10.csv.gz")
    assert taken is not None and taken.kind == "truncate"
    assert faults.take("sftp", "/events/events_20260319T11.csv") is None
