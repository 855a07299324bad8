"""The world's payments in the order in which Stripe lists them, sorted once per state of the world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from mock_apis.world import stripe_model
from mock_apis.world.world import World

EVENTS_REACH_BACK = timedelta(days=30)


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


@dataclass(slots=True)
class Shelf:
    """Objects of one kind, oldest first, with their (created, id) keys to bisect."""

    items: list[Any]
    keys: list[tuple[int, str]]

    @classmethod
    def of(cls, items: Iterable[Any]) -> Shelf:
        pairs = sorted(((epoch(item.created), item.id), item) for item in items)
        return cls([item for _, item in pairs], [key for key, _ in pairs])


class Ledger:
    """One state of the world: shelves to list from and dictionaries to retrieve from."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.now
        self.currency = world.currency.lower()

    def still_true(self, world: World) -> bool:
        return self.world is world and self.now == world.now

    @cached_property
    def charges(self) -> Shelf:
        return Shelf.of(self.world.charges.values())

    @cached_property
    def refunds(self) -> Shelf:
        return Shelf.of(self.world.stripe_refunds.values())

    @cached_property
    def disputes(self) -> Shelf:
        return Shelf.of(self.world.disputes.values())

    @cached_property
    def balance_transactions(self) -> Shelf:
        return Shelf.of(self.world.balance_transactions.values())

    @cached_property
    def payouts(self) -> Shelf:
        return Shelf.of(self.world.payouts.values())

    @cached_property
    def customers(self) -> Shelf:
        return Shelf.of(customer for customer in self.world.stripe_customers.values() if not customer.deleted)

    @cached_property
    def events(self) -> Shelf:
        horizon = self.now - EVENTS_REACH_BACK
        return Shelf.of(event for event in self.world.stripe_events if event.created > horizon)

    @cached_property
    def events_by_id(self) -> dict[str, stripe_model.StripeEvent]:
        return {event.id: event for event in self.events.items}

    @cached_property
    def refunds_by_charge(self) -> dict[str, list[stripe_model.StripeRefund]]:
        """Newest first, as a charge lists them."""
        found: dict[str, list[stripe_model.StripeRefund]] = defaultdict(list)
        for refund in reversed(self.refunds.items):
            found[refund.charge].append(refund)
        return dict(found)
