"""An event as Stripe's JSON shows it: its type and the object as it was then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from mock_apis.stripe import objects
from mock_apis.stripe.charges import charge
from mock_apis.stripe.ledger import Ledger, epoch
from mock_apis.world import stripe_model

API_VERSION = "2026-10-28.endive"

_SNAPSHOTS: dict[str, Callable[[Ledger, Any], dict[str, Any]]] = {
    "refund": objects.refund,
    "dispute": objects.dispute,
    "payout": objects.payout,
    "customer": objects.customer,
}


def event(ledger: Ledger, it: stripe_model.StripeEvent) -> dict[str, Any]:
    if it.object_type == "charge":
        snapshot = charge(ledger, it.snapshot, at=it.created)
    else:
        snapshot = _SNAPSHOTS[it.object_type](ledger, it.snapshot)
    data: dict[str, Any] = {"object": snapshot}
    if it.previous_attributes is not None:
        data["previous_attributes"] = {name: _plain(value) for name, value in it.previous_attributes.items()}
    return {
        "id": it.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": epoch(it.created),
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": it.type,
    }


def _plain(value: Any) -> Any:
    return epoch(value) if isinstance(value, datetime) else value
