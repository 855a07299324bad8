"""The pretend shop, grown from a seed: day by day up to its frozen `now`."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from mock_apis.world.aftermath import Aftermath
from mock_apis.world.catalog import Catalog
from mock_apis.world.email import Email
from mock_apis.world.loyalty import Loyalty
from mock_apis.world.orders import Checkout
from mock_apis.world.payments import Payments
from mock_apis.world.people import People
from mock_apis.world.state import SIZES, State
from mock_apis.world.stock import Stock
from mock_apis.world.web import Web

# How busy each of the 24 hours after 01:00 is.
BUSY = (1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 7, 8, 8, 7, 6, 6, 7, 9, 11, 13, 13, 10, 6, 3)


class World(State):
    """All that the shop, its payments and its emails are at `now` (UTC, frozen; moved by `advance`).

    `size` is "tiny" (15 days of about 8 orders), "small" (60 days of about 40) or
    "large". With `mishaps` Shopify and Stripe tell some payments differently. The same
    seed, size, first `today`, time zone, mishaps and number of days advanced always
    give the same world, however the days were taken.
    """

    def __init__(
        self, seed: int, size: str, today: date, timezone: str = "Europe/Berlin", *, mishaps: bool = False
    ) -> None:
        if size not in SIZES:
            raise ValueError(f"size {size!r} is unknown; take one of {', '.join(SIZES)}")
        super().__init__(seed, size, today, timezone, mishaps)
        self._payments = Payments(self)
        self._catalog = Catalog(self)
        self._people = People(self, self._payments)
        checkout = Checkout(self, self._catalog, self._people)
        self._aftermath = Aftermath(self, checkout, self._payments)
        self._email = Email(self, self._people, self._aftermath)
        self._loyalty = Loyalty(self)
        self._web = Web(self)
        self._stock = Stock(self)
        self._rng = self.random("world")
        self.advance(self.scale.days)

    def advance(self, days: int = 1) -> None:
        """Move on to 01:00 shop-local, `days` days later, with all that happens until then."""
        if days < 1:
            raise ValueError("the clock moves by one day or more, and never back")
        for _ in range(days):
            self._day()

    def _day(self) -> None:
        start = self.now
        tomorrow = self.today + timedelta(days=1)
        end = self.morning(tomorrow)
        number = (self.today - self.first_day).days
        for part in (self._catalog, self._people, self._payments, self._email):
            part.plan_day(start, end, number)
        mean = self.scale.orders_per_day
        for _ in range(self._rng.randint(mean * 3 // 4, mean * 5 // 4) - 1):
            self.schedule(self._some_time(start, end), self._aftermath.buy)
        # The first hour of the new day has its order too: today is never empty.
        self.schedule(end - timedelta(minutes=self._rng.randint(10, 55)), self._aftermath.buy)
        self.run_until(end)
        self._loyalty.end_day(number)
        self._web.record_day(start, end)
        self._stock.end_day(end)
        self.today = tomorrow

    def _some_time(self, start: datetime, end: datetime) -> datetime:
        hour = self._rng.choices(range(24), BUSY)[0]
        return start + (end - start) * ((hour + self._rng.random()) / 24)
