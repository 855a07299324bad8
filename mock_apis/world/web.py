"""What visitors do on the shop's site, as web analytics saw it: a session for each order, and more that buy nothing.

Dice of its own, thrown when a day is over: the rest of the world does not know that it is watched.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zlib import crc32

from mock_apis.world.shop_model import Order
from mock_apis.world.state import State
from mock_apis.world.web_model import WebEvent, WebItem

WATCHED_DAYS = 30  # the site was not measured before
SESSIONS_WITHOUT_ORDER = 2  # for each order
UNMEASURED = 0.08  # of the orders: blockers, and buyers who did not agree
SOURCES = (
    ("google", "organic", "(organic)"),
    ("google", "cpc", "brand"),
    ("(direct)", "(none)", "(direct)"),
    ("instagram", "social", "(not set)"),
)
DEVICES = (("mobile", "Apple", "iOS"), ("mobile", "Samsung", "Android"), ("desktop", "Apple", "Macintosh"))


class Web:
    def __init__(self, state: State) -> None:
        self.state = state
        self.rng = state.random("web")

    def record_day(self, start: datetime, end: datetime) -> None:
        """The sessions that began after `start` and until `end`, in the order of their events."""
        number = (self.state.today - self.state.first_day).days
        if number < self.state.scale.days - WATCHED_DAYS:
            return
        events: list[WebEvent] = []
        orders = [it for it in self.state.orders.values() if start < it.created_at <= end and not it.test]
        for order in orders:
            if self.rng.random() >= UNMEASURED:
                events += self._session(order.created_at, self._visitor(order.email), order)
        for _ in range(SESSIONS_WITHOUT_ORDER * len(orders)):
            at = start + (end - start) * self.rng.random()
            events += self._session(at.replace(microsecond=0), self._visitor(str(self.rng.randrange(5000))), None)
        self.state.web_events += sorted(events, key=lambda it: (it.micros, it.user, it.index))

    def _session(self, ends: datetime, user: str, order: Order | None) -> Iterator[WebEvent]:
        """From the first page to the end; an order's ends with its purchase."""
        rng = self.rng
        source, medium, campaign = rng.choice(SOURCES)
        if order and order.campaign_id:
            source, medium, campaign = "newsletter", "email", order.campaign_id
        items = tuple(self._items(order))
        names = ["session_start", "page_view", *["view_item"] * rng.randint(1, 3)]
        if order:
            names += ["add_to_cart", "begin_checkout", "purchase"]
        elif rng.random() < 0.3:
            names.append("add_to_cart")
        session = int(ends.timestamp()) - 40 * len(names)
        device = DEVICES[crc32(user.encode()) % len(DEVICES)]
        spam, page = not order and rng.random() < 0.04, rng.randrange(10**12)
        for index, name in enumerate(names):
            at = ends - timedelta(seconds=37 * (len(names) - 1 - index))
            yield WebEvent(
                micros=int(at.timestamp()) * 1_000_000 + rng.randrange(1_000_000),
                name=name,
                user=user,
                session=session,
                page=page,
                index=index,
                source=(source, medium, campaign),
                device=device,
                country=order.country_code if order else None,
                order_id=order.id if order and name == "purchase" else None,
                items=items if name not in ("session_start", "page_view") else (),
                late=name == "view_item" and rng.random() < 0.05,
                spam=spam,
            )

    def _items(self, order: Order | None) -> Iterator[WebItem]:
        if order:
            for line in order.lines[:10]:
                sku = line.sku or "(not set)"
                yield WebItem(str(line.product_id or "(not set)"), sku, line.title, line.quantity, line.unit_price.shop)
        else:
            product = self.rng.choice(list(self.state.products.values()))
            variant = product.variants[0]
            yield WebItem(str(product.id), variant.sku, product.title, 1, variant.price)

    def _visitor(self, who: str) -> str:
        """The browser's pseudonym: the same person mostly comes with the same one."""
        seed = crc32(who.lower().encode())
        return f"{seed}.{1_700_000_000 + seed % 50_000_000 + self.rng.choices((0, 1), (85, 15))[0]}"
