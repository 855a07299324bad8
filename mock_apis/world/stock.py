"""The shop's stock: a count when a variant is first sold, what orders take, and what is delivered when little is left.

It only looks at the orders of each day that has passed and rolls dice of its own: nothing else in the world knows it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from mock_apis.world.shop_model import Order
from mock_apis.world.state import State
from mock_apis.world.stock_model import StockChange

FEW = 10
DROPS = 0.02  # of the deliveries that would be due: the variant is taken off the shelves, until it is sold again


class Stock:
    def __init__(self, state: State) -> None:
        self.state = state
        self.rng = state.random("stock")
        self._there: dict[int, int] = {}
        self._orders_seen = 0

    def end_day(self, end: datetime) -> None:
        """Book what the day's orders took, in the order of their times; what runs low is delivered at its end."""
        orders = list(islice(self.state.orders.values(), self._orders_seen, None))
        self._orders_seen = len(self.state.orders)
        sold: dict[int, str] = {}
        for order in sorted(orders, key=lambda it: (it.created_at, it.id)):
            if not order.test:
                sold |= self._take(order)
        night = end - timedelta(minutes=4)  # when nothing else happens
        low = [(variant, sku) for variant, sku in sold.items() if self._there.get(variant, FEW) < FEW]
        for number, (variant, sku) in enumerate(low):
            self._deliver(night + timedelta(milliseconds=number), variant, sku)

    def _take(self, order: Order) -> dict[int, str]:
        sold = {}
        for line in order.lines:
            if line.variant_id is None:
                continue
            variant, sku = line.variant_id, line.sku or ""
            if variant not in self._there:
                self._book(order.created_at, variant, sku, self.rng.randint(20, 60), "count")
            self._book(order.created_at, variant, sku, -line.quantity, "sale", order.id)
            sold[variant] = sku
        return sold

    def _deliver(self, at: datetime, variant: int, sku: str) -> None:
        if self.rng.random() >= DROPS:
            self._book(at, variant, sku, self.rng.randint(20, 60), "delivery")
            return
        del self._there[variant]
        self.state.stock_changes.append(StockChange(at, variant, sku, None, 0, "dropped"))

    def _book(
        self, at: datetime, variant: int, sku: str, change: int, reason: str, order_id: int | None = None
    ) -> None:
        there = self._there[variant] = self._there.get(variant, 0) + change
        self.state.stock_changes.append(StockChange(at, variant, sku, there, change, reason, order_id))
