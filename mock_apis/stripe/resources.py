"""What can be listed and retrieved: one entry per collection of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mock_apis.stripe import objects
from mock_apis.stripe.charges import charge
from mock_apis.stripe.events import event
from mock_apis.stripe.ledger import Ledger, Shelf


@dataclass(frozen=True, slots=True)
class Resource:
    """`filters` maps a query parameter to the attribute that it must equal."""

    noun: str
    shelf: Callable[[Ledger], Shelf]
    by_id: Callable[[Ledger], Mapping[str, Any]]
    show: Callable[[Ledger, Any], dict[str, Any]]
    filters: dict[str, str] = field(default_factory=dict)


RESOURCES: dict[str, Resource] = {
    "charges": Resource(
        "charge",
        lambda ledger: ledger.charges,
        lambda ledger: ledger.world.charges,
        charge,
        {"customer": "customer", "payment_intent": "payment_intent"},
    ),
    "refunds": Resource(
        "refund",
        lambda ledger: ledger.refunds,
        lambda ledger: ledger.world.stripe_refunds,
        objects.refund,
        {"charge": "charge", "payment_intent": "payment_intent"},
    ),
    "disputes": Resource(
        "dispute",
        lambda ledger: ledger.disputes,
        lambda ledger: ledger.world.disputes,
        objects.dispute,
        {"charge": "charge", "payment_intent": "payment_intent"},
    ),
    "balance_transactions": Resource(
        "balance transaction",
        lambda ledger: ledger.balance_transactions,
        lambda ledger: ledger.world.balance_transactions,
        objects.balance_transaction,
        {"type": "type", "payout": "payout", "source": "source"},
    ),
    "payouts": Resource(
        "payout",
        lambda ledger: ledger.payouts,
        lambda ledger: ledger.world.payouts,
        objects.payout,
        {"status": "status"},
    ),
    "customers": Resource(
        "customer",
        lambda ledger: ledger.customers,
        lambda ledger: ledger.world.stripe_customers,
        objects.customer,
        {"email": "email"},
    ),
    "events": Resource("event", lambda ledger: ledger.events, lambda ledger: ledger.events_by_id, event),
}
