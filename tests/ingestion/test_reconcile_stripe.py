"""Stripe's objects and its balance against raw, to the cent: what is stale, what moved otherwise, what is in motion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
import requests

from ingestion.reconcile import Reconciled, reconcile
from ingestion.sync import sync
from mock_apis.world.stripe_model import BalanceTransaction
from mock_apis.world.world import World
from tests.mock_apis.serving import served

BOTH = ["charges", "balance_transactions"]


class Shop:
    def __init__(self, base: str, world: World, connection: psycopg.Connection):
        self.base, self.world, self._connection = base, world, connection

    def query(self, text: str, *about: Any) -> Any:
        return self._connection.execute(text.encode(), about)

    def spoil(self, stream: str, key: str, **changed: Any) -> None:
        """Write other values into the record that raw holds."""
        table = f"raw.stripe_{stream}"
        [(text,)] = self.query(f"select source_data::text from {table} where record_key = %s", key).fetchall()
        spoilt = json.dumps(json.loads(text) | changed)
        self.query(
            f"update {table} set source_data = %s::json, content_hash = sha256(%s::bytea) where record_key = %s",
            *(spoilt, spoilt.encode(), key),
        )

    def current(self, stream: str, key: str) -> dict[str, Any]:
        [(text,)] = self.query(
            f"select source_data::text from raw.stripe_{stream} where record_key = %s"
            " order by record_version desc, _load_timestamp desc, content_hash desc limit 1",
            key,
        ).fetchall()
        found: dict[str, Any] = json.loads(text)
        return found

    def movement(self, kind: str, currency: str) -> BalanceTransaction:
        """A movement of this reporting category about something in this currency."""
        things = {**self.world.charges, **self.world.stripe_refunds, **self.world.disputes}
        return next(
            it
            for it in self.world.balance_transactions.values()
            if it.reporting_category == kind and things[it.source].currency == currency
        )


@pytest.fixture
def shop(clean_warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """All that it has is loaded."""
    world = World(11, "tiny", date(2026, 3, 20))
    with served(world) as base, psycopg.connect(clean_warehouse, autocommit=True) as connection:
        monkeypatch.setenv("STRIPE_API_URL", f"{base}/stripe")
        monkeypatch.setenv("STRIPE_API_KEY", "sk_test_demo")
        assert not [result.error for result in sync("stripe") if result.error]
        yield Shop(base, world, connection)


def of(results: list[Reconciled], stream: str) -> Reconciled:
    [found] = (each for each in results if each.stream == stream)
    assert found.error is None
    return found


def counts(found: Reconciled) -> tuple[int, int, int]:
    return found.missing, found.differing, found.repaired


@pytest.mark.parametrize(
    ("stream", "changed"),
    [
        ("charges", {"amount_refunded": 1}),
        ("charges", {"status": "pending"}),
        ("refunds", {"status": "pending"}),
        ("payouts", {"arrival_date": 1}),
        ("balance_transactions", {"fee": 1}),
        ("customers", {"email": "another@example.com"}),
    ],
)
def test_a_stale_object_is_found_by_what_it_says_and_fetched(shop: Shop, stream: str, changed: dict[str, Any]) -> None:
    [(key,)] = shop.query(f"select min(record_key) from raw.stripe_{stream}").fetchall()
    true = shop.current(stream, key)
    shop.spoil(stream, key, **changed)
    found = of(reconcile("stripe", [stream]), stream)
    assert (counts(found), found.differing_keys) == ((0, 1, 1), [key])
    assert shop.current(stream, key) == true
    assert counts(of(reconcile("stripe", [stream]), stream)) == (0, 0, 0)


def test_what_stripe_writes_otherwise_each_time_is_no_difference(shop: Shop) -> None:
    key = next(iter(shop.world.charges))
    shop.spoil("charges", key, receipt_url="https://pay.stripe.com/receipts/of-today")
    assert counts(of(reconcile("stripe", ["charges"]), "charges")) == (0, 0, 0)


@pytest.mark.parametrize(
    ("stream", "kind", "currency"),
    [
        *(("charges", "charge", "eur"), ("charges", "charge", "usd"), ("charges", "charge", "gbp")),
        *(("refunds", "refund", "eur"), ("refunds", "refund", "usd")),
    ],
)
def test_a_cent_that_the_balance_does_not_know_is_found_and_stays_wrong(
    shop: Shop, stream: str, kind: str, currency: str
) -> None:
    """Stripe's own list agrees with raw, so only the movement tells; in the balance's euros, whatever was paid in."""
    movement = shop.movement(kind, currency)
    movement.amount += 1
    results = reconcile("stripe", [stream, "balance_transactions"])
    assert counts(of(results, "balance_transactions")) == (0, 1, 1)  # raw learns what the movement is now
    found = of(results, stream)
    assert (counts(found), found.differing_keys, found.left) == ((0, 1, 0), [movement.source], 1)
    [day] = [day for day in found.days if day.kind == "balance"]
    assert (day.currency, day.source_amount - day.raw_amount) == ("eur", 1)  # type: ignore[operator]  # both are there


def test_more_than_a_cent_is_found_in_a_currency_without_cents(shop: Shop) -> None:
    """The rate of the yen has four figures that count: half of the last one of a big charge is more than a cent."""
    movement = shop.movement("charge", "jpy")
    movement.amount += 10
    assert of(reconcile("stripe", BOTH), "charges").differing_keys == [movement.source]


def test_a_charge_that_moved_nothing_is_found(shop: Shop) -> None:
    movement, other = shop.movement("charge", "usd"), shop.movement("charge", "gbp")
    mine = movement.source
    movement.source = other.source  # which is then moved twice, at two rates: of that nothing can be said
    assert of(reconcile("stripe", BOTH), "charges").differing_keys == [mine]


def test_a_dispute_without_its_fee_is_found_and_fetched(shop: Shop) -> None:
    dispute = next(it for it in shop.world.disputes.values() if it.balance_transactions)
    carried = shop.current("disputes", dispute.id)["balance_transactions"]
    carried[0] |= {"fee": 0, "net": carried[0]["amount"]}
    shop.spoil("disputes", dispute.id, balance_transactions=carried)
    found = of(reconcile("stripe", ["disputes", "balance_transactions"]), "disputes")
    assert (counts(found), found.differing_keys) == ((0, 1, 1), [dispute.id])
    assert [day.kind for day in found.days] == ["balance"]


def test_what_changes_after_the_last_sync_is_the_next_ones_affair(shop: Shop) -> None:
    """Also what has no event of its own: a movement that has become available."""
    requests.post(f"{shop.base}/_admin/advance", json={"days": 5}, timeout=60).raise_for_status()
    for found in reconcile("stripe"):
        assert (found.error, counts(found), found.days) == (None, (0, 0, 0), []), found
    assert sum(result.counts.kept for result in sync("stripe")) > 0
    for found in reconcile("stripe", newest_days=35):
        assert (found.error, counts(found), found.days) == (None, (0, 0, 0), []), found
