"""What every part of the simulation shares: the records, the clock, and the queue of what happens next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mock_apis.world.email_model import Campaign, EmailEvent
from mock_apis.world.loyalty_model import LoyaltyAccount, PointsTransaction
from mock_apis.world.shop_model import Customer, Order, Product
from mock_apis.world.stock_model import StockChange
from mock_apis.world.stripe_model import (
    BalanceTransaction,
    Charge,
    Dispute,
    Payout,
    StripeCustomer,
    StripeEvent,
    StripeRefund,
)
from mock_apis.world.web_model import WebEvent


@dataclass(frozen=True)
class Size:
    days: int
    orders_per_day: int
    customers: int
    products: int
    recipients: int
    refund_days: int  # a return comes within so many days
    dispute_days: int  # a dispute opens, and then closes, within so many days
    click_to_order: float


SIZES = {
    "tiny": Size(15, 8, 60, 12, 40, 6, 3, 0.6),
    "small": Size(60, 40, 1200, 40, 300, 21, 15, 0.2),
    "large": Size(180, 200, 8000, 150, 2000, 28, 20, 0.2),
}

DAY_STARTS = time(1)  # the shop's local hour at which the world stands still
QUIET_FROM = time(0, 55)
STEP = 32768  # Shopify's numeric ids grow by multiples of this


class State:
    """The records of the shop at `now`, and the actions still to come."""

    def __init__(self, seed: int, size: str, today: date, timezone: str, mishaps: bool) -> None:
        self.seed = seed
        self.mishaps = mishaps
        self.size = size
        self.scale = SIZES[size]
        self.timezone = timezone
        try:
            self.zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"time zone {timezone!r} is unknown; take one such as Europe/Berlin") from error
        self.currency = "EUR"
        self.first_day = today - timedelta(days=self.scale.days)
        self.today = self.first_day
        self.now = self.morning(self.first_day)

        self.products: dict[int, Product] = {}
        # By variant: when the price that is crossed out beside its own changed, and to what.
        self.crossed_out: dict[int, list[tuple[datetime, int | None]]] = {}
        self.customers: dict[int, Customer] = {}
        self.orders: dict[int, Order] = {}
        self.stripe_customers: dict[str, StripeCustomer] = {}
        self.charges: dict[str, Charge] = {}
        self.stripe_refunds: dict[str, StripeRefund] = {}
        self.disputes: dict[str, Dispute] = {}
        self.balance_transactions: dict[str, BalanceTransaction] = {}
        self.payouts: dict[str, Payout] = {}
        self.stripe_events: list[StripeEvent] = []
        self.campaigns: dict[str, Campaign] = {}
        self.campaign_versions: list[Campaign] = []  # each campaign as it stood after each change
        self.email_events: list[EmailEvent] = []
        self.loyalty_accounts: dict[int, LoyaltyAccount] = {}
        self.points_transactions: dict[int, PointsTransaction] = {}
        self.web_events: list[WebEvent] = []
        self.stock_changes: list[StockChange] = []

        self._queue: list[tuple[datetime, int, Callable[..., None], tuple[Any, ...]]] = []
        self._scheduled = 0
        self._counters: dict[str, int] = {}

    def morning(self, day: date) -> datetime:
        """The instant on `day` at which the world stands still, in UTC."""
        local = datetime.combine(day, DAY_STARTS, self.zone)
        return local.astimezone(UTC)

    def random(self, part: str) -> Random:
        """A generator of its own for each part, so that one part's change leaves the others' dice alone."""
        return Random(f"{self.seed}:{self.size}:{part}")

    def count(self, kind: str) -> int:
        self._counters[kind] = self._counters.get(kind, 0) + 1
        return self._counters[kind]

    def shopify_id(self, kind: str) -> int:
        return 5_400_000_000_000 + self.count(kind) * STEP

    def stripe_id(self, prefix: str) -> str:
        return f"{prefix}_3Q{self.count(prefix):010d}hwDemo"

    def schedule(self, at: datetime, action: Callable[..., None], *arguments: Any) -> None:
        """Let `action(at, *arguments)` happen at `at` (whole seconds), or as soon after it as may be.

        Nothing new happens at `now` itself: whoever has read the world up to `now` has read all of it.
        Nor does anything happen in the five minutes before the world stands still, which a reader
        who stays a little behind the clock would see only a day later.
        """
        at = max(at.replace(microsecond=0), self.now + timedelta(seconds=1))
        local = at.astimezone(self.zone).time()
        if QUIET_FROM <= local <= DAY_STARTS:
            at += timedelta(minutes=5, seconds=1)
        self._scheduled += 1
        heapq.heappush(self._queue, (at, self._scheduled, action, arguments))

    def run_until(self, end: datetime) -> None:
        """Let all that is due until `end` happen, in order; then it is `end`."""
        while self._queue and self._queue[0][0] <= end:
            at, _, action, arguments = heapq.heappop(self._queue)
            self.now = at
            action(at, *arguments)
        self.now = end
