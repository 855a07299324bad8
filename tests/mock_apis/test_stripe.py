"""The Stripe of the pretend shop, walked by Stripe's own client and held against its documentation."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
import requests
import stripe
import uvicorn
from fastapi import FastAPI

from mock_apis.stripe import router
from mock_apis.stripe.access import RateLimit
from mock_apis.stripe.errors import StripeError
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World
from tests.mock_apis.serving import running

KEY = "sk_test_secret_of_tests"


@contextmanager
def served(world: World, **options: Any) -> Iterator[str]:
    """The base address of a running server on a free port."""
    app = FastAPI()
    app.include_router(router(WorldRef(world), api_key=KEY, **options))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", date_header=False))
    with running(server):
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/stripe"


@pytest.fixture(scope="module")
def world() -> World:
    """Five weeks, so that the first events are beyond the 30 days that /v1/events reaches."""
    world = World(11, "tiny", date(2026, 9, 20))
    world.advance(20)
    return world


@pytest.fixture(scope="module")
def base(world: World) -> Iterator[str]:
    with served(world) as address:
        yield address


@pytest.fixture(scope="module")
def client(base: str) -> Any:
    return stripe.StripeClient(KEY, base_addresses={"api": base}).v1


def get(base: str, path: str, **params: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {KEY}"}
    return requests.get(f"{base}/v1/{path}", params=params, headers=headers, timeout=10)


def newest_first(items: Any) -> list[str]:
    return [item.id for item in sorted(items, key=lambda it: (it.created, it.id), reverse=True)]


def expected(world: World, name: str) -> list[str]:
    held = {
        "charges": world.charges.values(),
        "refunds": world.stripe_refunds.values(),
        "disputes": world.disputes.values(),
        "balance_transactions": world.balance_transactions.values(),
        "payouts": world.payouts.values(),
        "customers": [it for it in world.stripe_customers.values() if not it.deleted],
        "events": [it for it in world.stripe_events if it.created > world.now - timedelta(days=30)],
    }
    return newest_first(held[name])


LISTS = ("charges", "refunds", "disputes", "balance_transactions", "payouts", "customers", "events")


@pytest.mark.parametrize("name", LISTS)
def test_stripes_client_walks_each_list_in_order(world: World, client: Any, name: str) -> None:
    pages = getattr(client, name).list({"limit": 7})
    assert [item.id for item in pages.auto_paging_iter()] == expected(world, name) != []


@pytest.mark.parametrize("name", ["charges", "events"])
def test_ending_before_walks_towards_the_newest(world: World, client: Any, name: str) -> None:
    ids = expected(world, name)
    pages = getattr(client, name).list({"limit": 7, "ending_before": ids[20]})
    assert [item.id for item in pages.auto_paging_iter()] == ids[19::-1]
    assert [item.id for item in pages.data] == ids[13:20], "the page next to the cursor, newest first"


def test_created_bounds_are_exact(world: World, client: Any) -> None:
    charges = sorted(world.charges.values(), key=lambda it: (it.created, it.id), reverse=True)
    second = int(charges[30].created.timestamp())

    def ids(**created: int) -> list[str]:
        return [it.id for it in client.charges.list({"limit": 100, "created": created}).auto_paging_iter()]

    for bound, holds in {
        "gte": lambda at: at >= second,
        "gt": lambda at: at > second,
        "lte": lambda at: at <= second,
        "lt": lambda at: at < second,
    }.items():
        assert ids(**{bound: second}) == [it.id for it in charges if holds(int(it.created.timestamp()))]
    assert charges[30].id in ids(gte=second, lte=second)
    assert ids(gt=second, lt=second) == []


def test_filters_pick_by_what_belongs_together(world: World, client: Any) -> None:
    refund = next(iter(world.stripe_refunds.values()))
    of_charge = client.refunds.list({"charge": refund.charge}).data
    assert [it.id for it in of_charge] == newest_first(
        it for it in world.stripe_refunds.values() if it.charge == refund.charge
    )

    payout = next(iter(world.payouts.values()))
    paid = client.balance_transactions.list({"payout": payout.id, "limit": 100})
    assert sum(it.net for it in paid.auto_paging_iter() if it.type != "payout") == payout.amount

    types = ["charge.failed", "charge.dispute.created"]
    told = {it.type for it in client.events.list({"types": types, "limit": 100}).auto_paging_iter()}
    assert told == set(types)
    told = {it.type for it in client.events.list({"type": "payout.*", "limit": 100}).auto_paging_iter()}
    assert told == {"payout.created", "payout.paid"}


def test_has_more_is_false_on_an_exactly_full_last_page(world: World, base: str) -> None:
    count = len(world.payouts)
    assert get(base, "payouts", limit=count).json()["has_more"] is False
    assert get(base, "payouts", limit=count - 1).json()["has_more"] is True
    assert get(base, "payouts").json()["url"] == "/v1/payouts"


def test_events_older_than_thirty_days_are_gone(world: World, base: str) -> None:
    oldest = world.stripe_events[0]
    assert oldest.created < world.now - timedelta(days=30)
    assert get(base, f"events/{oldest.id}").status_code == 404
    assert get(base, "events", starting_after=oldest.id).json()["error"]["code"] == "resource_missing"
    assert get(base, f"events/{world.stripe_events[-1].id}").json()["type"] == world.stripe_events[-1].type


def test_a_deleted_customer_is_a_stub_and_in_no_list(world: World, client: Any, base: str) -> None:
    gone = next(it for it in world.stripe_customers.values() if it.deleted)
    assert get(base, f"customers/{gone.id}").json() == {"id": gone.id, "object": "customer", "deleted": True}
    assert gone.id not in {it.id for it in client.customers.list({"limit": 100}).auto_paging_iter()}


def test_an_event_shows_the_charge_as_it_was(world: World, client: Any) -> None:
    told = {(it.type, it.object_id): it.id for it in world.stripe_events[-300:]}
    charge_id = next(key for kind, key in told if kind == "charge.refunded" and ("charge.succeeded", key) in told)

    paid = client.events.retrieve(told["charge.succeeded", charge_id])
    assert paid.data.object.amount_refunded == 0
    assert paid.data.object.refunds.data == []
    refunded = client.events.retrieve(told["charge.refunded", charge_id])
    assert refunded.data.previous_attributes["amount_refunded"] < refunded.data.object.amount_refunded
    now = client.charges.retrieve(charge_id)
    assert now.amount_refunded == world.charges[charge_id].amount_refunded > 0
    assert sum(it.amount for it in now.refunds.data) == now.amount_refunded


KEYS = {
    "charges": "id object amount amount_captured amount_refunded balance_transaction billing_details captured "
    "created currency customer description disputed failure_balance_transaction failure_code failure_message "
    "livemode metadata outcome paid payment_intent payment_method payment_method_details receipt_email "
    "refunded refunds status",
    "refunds": "id object amount balance_transaction charge created currency destination_details metadata "
    "payment_intent reason receipt_number status",
    "disputes": "id object amount balance_transactions charge created currency evidence evidence_details "
    "is_charge_refundable livemode metadata payment_intent payment_method_details reason status",
    "balance_transactions": "id object amount available_on created currency description exchange_rate fee "
    "fee_details net reporting_category source status type",
    "payouts": "id object amount arrival_date automatic balance_transaction created currency destination "
    "failure_code failure_message livemode metadata method reconciliation_status source_type status type",
    "customers": "id object address balance created currency default_source delinquent description discount "
    "email invoice_prefix invoice_settings livemode metadata name phone preferred_locales shipping tax_exempt",
    "events": "id object api_version created data livemode pending_webhooks request type",
}


@pytest.mark.parametrize("name", LISTS)
def test_objects_have_stripes_fields(base: str, name: str) -> None:
    item = get(base, name, limit=1).json()["data"][0]
    missing = set(KEYS[name].split()) - set(item)
    assert not missing
    assert get(base, f"{name}/{item['id']}").json() == item


def test_the_balance_is_what_the_movements_add_up_to(world: World, base: str) -> None:
    balance = get(base, "balance").json()
    shown = balance["available"][0]["amount"] + balance["pending"][0]["amount"]
    assert shown == sum(it.net for it in world.balance_transactions.values())


@pytest.mark.parametrize(
    ("path", "params", "status", "code", "param"),
    [
        ("charges/ch_none", {}, 404, "resource_missing", "id"),
        ("charges", {"starting_after": "ch_none"}, 400, "resource_missing", "starting_after"),
        ("charges", {"colour": "red"}, 400, "parameter_unknown", "colour"),
        ("charges", {"starting_after": ""}, 400, "parameter_invalid_empty", "starting_after"),
        ("charges", {"limit": "ten"}, 400, "parameter_invalid_integer", "limit"),
        ("charges", {"limit": 0}, 400, "parameter_invalid_integer", "limit"),
        ("charges", {"limit": 101}, 400, "parameter_invalid_integer", "limit"),
        ("charges", {"created[gte]": "today"}, 400, "parameter_invalid_integer", "created[gte]"),
        ("charges", {"starting_after": "a", "ending_before": "b"}, 400, None, "ending_before"),
        ("unicorns", {}, 404, None, None),
    ],
)
def test_errors_are_as_documented(
    base: str, path: str, params: dict[str, Any], status: int, code: str | None, param: str | None
) -> None:
    answer = get(base, path, **params)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error.get("param")) == (status, code, param)
    assert error["type"] == "invalid_request_error" and error["message"]
    assert answer.headers["Request-Id"].startswith("req_") and answer.headers["Stripe-Version"]


def test_the_key_is_asked_for(base: str) -> None:
    basic = b64encode(f"{KEY}:".encode()).decode()
    url = f"{base}/v1/charges"
    assert requests.get(url, headers={"Authorization": f"Basic {basic}"}, timeout=10).status_code == 200
    wrong = requests.get(url, headers={"Authorization": "Bearer sk_test_not_thedemo"}, timeout=10)
    assert wrong.status_code == 401
    assert wrong.json() == {
        "error": {
            "message": "Invalid API Key provided: sk_test_****demo",
            "type": "invalid_request_error",
        }
    }
    assert requests.get(url, timeout=10).status_code == 401


def test_over_the_rate_a_429_says_so(world: World) -> None:
    with served(world, requests_per_second=0.001) as base:
        assert get(base, "payouts").status_code == 200
        refused = get(base, "payouts")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit")


def test_the_rate_refills_with_time() -> None:
    now = [0.0]
    rate = RateLimit(2, clock=lambda: now[0])
    rate.take()
    rate.take()
    with pytest.raises(StripeError):
        rate.take()
    now[0] += 0.5
    rate.take()


def test_a_day_later_the_lists_have_moved_on() -> None:
    world = World(11, "tiny", date(2026, 9, 20))
    with served(world) as base:
        before = get(base, "events", limit=1).json()["data"][0]["id"]
        world.advance(1)
        later = [it["id"] for it in get(base, "events", limit=100, ending_before=before).json()["data"]]
    assert later == expected(world, "events")[: len(later)] and later
