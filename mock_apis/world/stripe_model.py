"""Stripe's things, each as it stands at the world's `now`. Amounts are minor units; times as in `shop_model`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class StripeCustomer:
    id: str
    email: str
    name: str
    created: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass(slots=True)
class Charge:
    id: str
    order_id: int
    customer: str | None
    payment_intent: str
    email: str
    country_code: str
    amount: int  # minor units of `currency`
    currency: str  # lower case, as Stripe has it
    created: datetime
    status: str  # succeeded, failed
    captured: bool
    amount_captured: int = 0
    amount_refunded: int = 0
    disputed: bool = False
    failure_code: str | None = None
    balance_transaction: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class StripeRefund:
    id: str
    charge: str
    payment_intent: str
    amount: int
    currency: str
    created: datetime
    status: str  # succeeded, pending, failed
    reason: str | None
    balance_transaction: str | None = None


@dataclass(slots=True)
class Dispute:
    id: str
    charge: str
    payment_intent: str
    amount: int
    currency: str
    created: datetime
    status: str  # needs_response, under_review, won, lost
    reason: str
    balance_transactions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class BalanceTransaction:
    """Amounts in the settlement currency (EUR). Pending until `available_on`."""

    id: str
    type: str  # charge, refund, adjustment, payout
    reporting_category: str  # charge, refund, dispute, dispute_reversal, payout
    source: str
    amount: int
    fee: int
    created: datetime
    available_on: datetime
    exchange_rate: float | None = None
    description: str | None = None
    payout: str | None = None

    @property
    def net(self) -> int:
        return self.amount - self.fee


@dataclass(slots=True)
class Payout:
    id: str
    amount: int
    created: datetime
    arrival_date: datetime
    status: str  # pending, in_transit, paid, failed
    balance_transaction: str
    automatic: bool = True


@dataclass(slots=True, frozen=True)
class StripeEvent:
    """What /v1/events tells. `snapshot` is a deep copy of the object as it was then."""

    id: str
    type: str  # charge.succeeded, charge.refunded, payout.paid, ...
    created: datetime
    object_type: str  # charge, refund, dispute, payout, customer
    object_id: str
    snapshot: Any
    previous_attributes: dict[str, Any] | None = None
