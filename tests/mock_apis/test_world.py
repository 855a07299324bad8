"""The pretend shop holds together: its money ties, its clock never lies, and its past keeps moving."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from mock_apis.truth.identity import mailbox
from mock_apis.world.money import DECIMALS, money, settled
from mock_apis.world.ref import WorldRef
from mock_apis.world.shop_model import Money, Order
from mock_apis.world.world import World

TODAY = date(2026, 3, 20)
RECORDS = (
    "products", "customers", "orders", "stripe_customers", "charges", "stripe_refunds", "disputes",
    "balance_transactions", "payouts", "stripe_events", "campaigns", "campaign_versions", "email_events",
    "web_events",
)  # fmt: skip
SHOPIFY = ("products", "customers", "orders")
STRIPE = ("stripe_customers", "charges", "stripe_refunds", "disputes", "payouts")


def records(world: World) -> dict[str, Any]:
    return {name: getattr(world, name) for name in RECORDS} | {"now": world.now, "today": world.today}


@pytest.fixture(scope="module", params=[1, 7, 2026])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param, "tiny", TODAY)


def test_the_same_seed_gives_the_same_world_however_the_days_were_taken() -> None:
    one, two = World(5, "tiny", TODAY), World(5, "tiny", TODAY)
    assert records(one) == records(two)
    one.advance(2)
    two.advance(1)
    two.advance(1)
    assert records(one) == records(two)
    assert records(World(6, "tiny", TODAY))["orders"] != records(World(5, "tiny", TODAY))["orders"]


def test_the_clock_stands_at_one_in_the_morning_of_the_shop_and_moves_by_days() -> None:
    ref = WorldRef(World(1, "tiny", date(2026, 3, 28)))
    assert ref.world.now == datetime(2026, 3, 28, 0, tzinfo=UTC)
    ref.advance(2)  # over the night in which Berlin skips an hour
    assert ref.world.now == datetime(2026, 3, 29, 23, tzinfo=UTC)
    assert ref.world.today == date(2026, 3, 30)
    assert World(1, "tiny", TODAY, "America/New_York").now == datetime(2026, 3, 20, 5, tzinfo=UTC)
    with pytest.raises(ValueError, match="never back"):
        ref.advance(0)
    with pytest.raises(ValueError, match="Mars/Base"):
        World(1, "tiny", TODAY, "Mars/Base")
    with pytest.raises(ValueError, match="tiny, small, large"):
        World(1, "huge", TODAY)


# Money


def test_each_orders_money_ties(world: World) -> None:
    for order in world.orders.values():
        assert order.currency in DECIMALS
        assert all(line.price.shop >= 0 and line.price.presentment >= 0 for line in order.lines)
        assert all(line.unit_price == money(line.unit_price.shop, order.currency) for line in order.lines)
        assert all(0 <= line.tax.shop <= line.price.shop for line in order.lines)
        refunded = sum(t.amount.presentment for t in order.transactions if t.kind == "REFUND")
        assert refunded == order.total_refunded.presentment <= order.paid.presentment
        assert order.total_refunded.shop <= order.paid.shop
        for line in order.lines:
            assert 0 <= order.refunded_units(line.id) <= line.ordered <= line.quantity
            returned = [part for refund in order.refunds for part in refund.lines if part.line_id == line.id]
            assert sum(part.subtotal.shop for part in returned) <= line.price.shop
            if order.refunded_units(line.id) == line.ordered:
                assert sum(part.subtotal.shop for part in returned) == line.price.shop
                assert sum(part.tax.shop for part in returned) == line.tax.shop
        if order.financial_status in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED"):
            # Units taken off by an edit are given back by a refund without lines.
            edits = [r for r in order.refunds if r.note == "Order edited"]
            kept = (each.amount for r in edits for each in r.adjustments)  # had been given back before
            edited = Money.total((*(r.total for r in edits), *kept), order.currency)
            assert order.paid - edited == order.total
        whole = order.paid.shop > 0 and order.total_refunded == order.paid
        assert whole == (order.financial_status == "REFUNDED")


def test_stripe_took_what_the_order_says(world: World) -> None:
    for order in world.orders.values():
        for transaction in order.transactions:
            if transaction.payment_id is None:
                assert order.test or transaction.status in ("PENDING", "FAILURE") or transaction.gateway != "stripe"
            elif transaction.kind == "REFUND":
                refund = world.stripe_refunds[transaction.payment_id]
                assert (refund.amount, refund.currency) == (transaction.amount.presentment, order.currency.lower())
            else:
                charge = world.charges[transaction.payment_id]
                assert (charge.amount, charge.currency) == (transaction.amount.presentment, order.currency.lower())
                assert charge.metadata == {"order_id": str(order.id)}
                assert (charge.status == "failed") == (transaction.status == "FAILURE")
    for charge in world.charges.values():
        assert charge.order_id in world.orders
        back = sum(r.amount for r in world.stripe_refunds.values() if r.charge == charge.id)
        assert charge.amount_refunded == back <= charge.amount
        assert charge.amount_captured == (charge.amount if charge.captured else 0)


def test_the_balance_and_the_payouts_tie(world: World) -> None:
    ledger = world.balance_transactions
    for charge in world.charges.values():
        assert (charge.balance_transaction is not None) == charge.captured
        if charge.balance_transaction:
            movement = ledger[charge.balance_transaction]
            assert movement.amount == settled(charge.amount, charge.currency)
            assert (movement.exchange_rate is None) == (charge.currency == "eur")
    for payout in world.payouts.values():
        paid = [t for t in ledger.values() if t.payout == payout.id and t.type != "payout"]
        assert payout.amount == sum(t.net for t in paid) == -ledger[payout.balance_transaction].amount > 0
        assert all(t.available_on <= payout.created for t in paid)


# Time


def times(record: Any) -> Iterator[datetime]:
    if isinstance(record, datetime):
        yield record
    elif is_dataclass(record):
        for field in fields(record):
            if field.name not in ("available_on", "arrival_date"):  # these two are promises
                yield from times(getattr(record, field.name))
    elif isinstance(record, list | dict):
        for one in record.values() if isinstance(record, dict) else record:
            yield from times(one)


def test_nothing_has_a_time_after_now_and_all_was_quiet_before(world: World) -> None:
    """A reader who stays a minute behind the clock has still read all there is."""
    for name in RECORDS:
        if name == "campaign_versions":
            continue  # a version of a scheduled campaign rightly looks ahead
        for at in times(getattr(world, name)):
            assert at < world.now - timedelta(minutes=4) and at.microsecond == 0 and at.utcoffset() is not None, name


def test_ids_are_unique_and_grow_with_time(world: World) -> None:
    for name in RECORDS:
        kept = getattr(world, name)
        if name not in ("campaign_versions", "web_events"):
            ids = list(kept) if isinstance(kept, dict) else [record.id for record in kept]
            assert ids == sorted(set(ids)), name
    lines = [line.id for order in world.orders.values() for line in order.lines]
    transactions = [t.id for order in world.orders.values() for t in order.transactions]
    assert len(lines) == len(set(lines)) and len(transactions) == len(set(transactions))
    for log, at in ((world.stripe_events, "created"), (world.email_events, "occurred_at")):
        assert all(getattr(a, at) <= getattr(b, at) for a, b in pairwise(log))


def test_every_change_moves_updated_at_or_tells_an_event(world: World) -> None:
    world = copy.deepcopy(world)
    for _ in range(5):
        before, then = copy.deepcopy(records(world)), world.now
        world.advance(1)
        for name in SHOPIFY:
            for key, record in getattr(world, name).items():
                old = before[name].get(key)
                if name == "customers" and old:
                    old.stripe_id = record.stripe_id  # not the shop's business: no Shopify field shows it
                assert record == old or then < record.updated_at <= world.now
        for name in STRIPE:
            for key, record in getattr(world, name).items():
                told = [e for e in world.stripe_events if e.object_id == key and then < e.created <= world.now]
                assert bool(told) == (record != before[name].get(key)), (name, key)
                assert not told or told[-1].snapshot == record
        for key, old in before["balance_transactions"].items():
            new = copy.copy(world.balance_transactions[key])
            assert new.payout == old.payout or old.payout is None
            new.payout = old.payout
            assert new == old
        for name in ("stripe_events", "email_events", "campaign_versions", "web_events"):
            assert getattr(world, name)[: len(before[name])] == before[name]
        newest = {campaign.id: campaign for campaign in world.campaign_versions}
        assert newest == world.campaigns


def moves(old: Order, new: Order) -> Iterator[str]:
    """What became of an order in a day."""
    if new.financial_status != old.financial_status:
        yield f"{old.financial_status} to {new.financial_status}"
    if len(new.refunds) > len(old.refunds):
        yield "refund"
    if new.cancelled_at and not old.cancelled_at:
        yield "cancellation"
    if len(new.lines) > len(old.lines) or any(
        a.removed != b.removed for a, b in zip(old.lines, new.lines, strict=False)
    ):
        yield "edit"
    if new.fulfillment_status != old.fulfillment_status:
        yield "fulfilment"


def test_a_variants_price_moves_once_a_day_at_most_and_every_markdown_ends() -> None:
    """So who reads each morning misses no price; orders take the price of their moment."""
    world = World(3, "tiny", TODAY)
    world.advance(10)
    ends: set[int] = set()
    for key, changes in world.crossed_out.items():
        days = [(at.astimezone(world.zone) - timedelta(hours=1)).date() for at, _ in changes]  # a day begins at one
        assert len(set(days)) == len(days), key
        shown = [price for _, price in changes if price is not None]
        ends |= {key} if shown and changes[-1][1] is None else set()
        assert all(after is None for (_, before), (_, after) in pairwise(changes) if before is not None), key
    variants = {variant.id: variant for product in world.products.values() for variant in product.variants}
    assert ends
    marked_down = [it for it in variants.values() if it.compare_at_price is not None]
    assert marked_down and all(it.price < (it.compare_at_price or 0) for it in marked_down)


def test_a_day_moves_old_records() -> None:
    """Each day changes orders that were there before; ten days bring every kind of change."""
    world = World(3, "tiny", TODAY)
    seen: set[str] = set()
    marker = len(world.stripe_events)
    for _ in range(10):
        orders, products, campaigns = copy.deepcopy((world.orders, world.products, world.campaigns))
        world.advance(1)
        today = {move for key, old in orders.items() for move in moves(old, world.orders[key])}
        assert today
        seen |= today
        if any(world.products[key].variants != old.variants for key, old in products.items()):
            seen.add("price")
        if any(world.campaigns[key].cost != old.cost for key, old in campaigns.items()):
            seen.add("cost")
    assert {"AUTHORIZED to PAID", "refund", "cancellation", "edit", "fulfilment", "price", "cost"} <= seen
    assert {"payout.paid", "charge.dispute.created", "charge.dispute.closed", "charge.captured", "refund.created"} <= {
        event.type for event in world.stripe_events[marker:]
    }


# Oddities

ODDITIES: dict[str, Callable[[World], bool]] = {
    "test order": lambda w: any(o.test for o in w.orders.values()),
    "pending": lambda w: any(o.financial_status == "PENDING" for o in w.orders.values()),
    "voided": lambda w: any(o.financial_status == "VOIDED" and o.cancelled_at for o in w.orders.values()),
    "expired": lambda w: any(o.financial_status == "EXPIRED" for o in w.orders.values()),
    "cancelled, refunded": lambda w: any(o.cancelled_at and o.refunds for o in w.orders.values()),
    "partial refund": lambda w: any(o.financial_status == "PARTIALLY_REFUNDED" for o in w.orders.values()),
    "full refund": lambda w: any(o.financial_status == "REFUNDED" and not o.cancelled_at for o in w.orders.values()),
    "two refunds": lambda w: any(len(o.refunds) > 1 for o in w.orders.values()),
    "refund without lines": lambda w: any(not r.lines for o in w.orders.values() for r in o.refunds),
    "goods and shipping back": lambda w: any(r.lines and r.shipping_lines for o in w.orders.values()
                                             for r in o.refunds),
    "shipping alone back": lambda w: any(r.shipping_lines and not r.lines for o in w.orders.values()
                                         for r in o.refunds),
    "goodwill": lambda w: any(a.amount.shop < 0 for o in w.orders.values() for r in o.refunds for a in r.adjustments),
    "units removed": lambda w: any(line.removed for o in w.orders.values() for line in o.lines),
    "line added": lambda w: any(sum(t.kind == "SALE" for t in o.transactions) > 1 and o.paid != o.transactions[0].amount
                                for o in w.orders.values()),
    "no product": lambda w: any(line.product_id is None for o in w.orders.values() for line in o.lines),
    "over 60 lines": lambda w: any(len(o.lines) > 60 for o in w.orders.values()),
    "guest": lambda w: any(o.customer_id is None for o in w.orders.values()),
    "second account": lambda w: len({mailbox(c.email) for c in w.customers.values()}) < len(w.customers),
    "guest with an account": lambda w: any(o.customer_id is None and o.email.lower() == c.email
                                           for o in w.orders.values() for c in w.customers.values()),
    "guest with an account's mailbox": lambda w: any(o.customer_id is None and "+" in o.email
                                                     for o in w.orders.values()),
    "mixed case": lambda w: any(o.email != o.email.lower() for o in w.orders.values()),
    "nothing shipped": lambda w: any(o.country_code is None for o in w.orders.values()),
    "imported": lambda w: any(o.processed_at < o.created_at for o in w.orders.values()),
    "late capture": lambda w: any(t.kind == "CAPTURE" for o in w.orders.values() for t in o.transactions),
    "declined first": lambda w: any(o.transactions[0].status == "FAILURE" and o.paid.shop for o in w.orders.values()),
    "another gateway": lambda w: any(t.gateway != "stripe" and t.payment_id is None
                                     for o in w.orders.values() for t in o.transactions),
    "taxes on top": lambda w: any(not o.taxes_included and o.total_tax.shop for o in w.orders.values()),
    "five currencies": lambda w: {o.currency for o in w.orders.values()} == set(DECIMALS),
    "discount": lambda w: any(o.discount_codes for o in w.orders.values()),
    "dispute": lambda w: {"won", "lost"} <= {d.status for d in w.disputes.values()},
    "slow refund": lambda w: any(e.type == "refund.updated" for e in w.stripe_events),
    "customer deleted": lambda w: any(c.deleted for c in w.stripe_customers.values()),
    "customer changed": lambda w: any(e.type == "customer.updated" for e in w.stripe_events),
    "archived": lambda w: any(p.status == "ARCHIVED" for p in w.products.values()),
    "email kinds": lambda w: {e.type for e in w.email_events} == {"sent", "open", "click", "bounce", "unsubscribe"},
    "opened twice": lambda w: (lambda o: len(o) > len(set(o)))(
        [(e.campaign_id, e.email.lower()) for e in w.email_events if e.type == "open"]
    ),
    "led to an order": lambda w: any(o.campaign_id for o in w.orders.values()),
}  # fmt: skip


@pytest.mark.parametrize("oddity", ODDITIES)
def test_even_the_smallest_world_is_odd(world: World, oddity: str) -> None:
    assert ODDITIES[oddity](world)
