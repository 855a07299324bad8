"""The rows of the tables that the shop's own app keeps, without updated_at, which is its database's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class LoyaltyAccount:
    """A row of accounts."""

    id: int
    customer_id: int
    email: str
    tier: str  # basic, silver, gold
    points_balance: int
    joined_at: datetime


@dataclass(slots=True, frozen=True)
class PointsTransaction:
    """A row of points_transactions; it never changes, but may be deleted."""

    id: int
    account_id: int
    order_id: int | None
    kind: str  # earn, redeem
    points: int
    booked_at: datetime
