"""Money that goes back although no goods do: the shipping of what came late, or something for the trouble.

It rolls dice of its own, so that nothing else in the world changes with it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mock_apis.world.money import share
from mock_apis.world.shop_model import Money, Order, OrderAdjustment, Refund, RefundShippingLine
from mock_apis.world.state import State
from mock_apis.world.till import Till

LATE = 0.1
TROUBLE = 0.1
HALF = 0.3  # of the late ones, how many get half of the shipping back


class Goodwill:
    def __init__(self, state: State, till: Till) -> None:
        self.state = state
        self.till = till
        self.rng = state.random("goodwill")

    def plan(self, at: datetime, order: Order) -> None:
        """Decide what an order that has left the house will get back."""
        dice = self.rng.random()
        if dice < LATE + TROUBLE:
            later = at + timedelta(days=self.rng.uniform(0.5, self.state.scale.refund_days))
            self.state.schedule(later, self.refund_shipping if dice < LATE else self.compensate, order)

    def refund_shipping(self, at: datetime, order: Order) -> None:
        parts = 2 if self.rng.random() < HALF else 1
        back = shipping_left(self.state, order, parts)
        if back and self._may(order):
            refund = Refund(self.state.shopify_id("refund"), at, [], shipping_total(order, back), "Came late", back)
            self.till.give_back(at, order, refund)

    def compensate(self, at: datetime, order: Order) -> None:
        given = share(order.paid - order.total_refunded, self.rng.randint(5, 20), 100)
        reason = self.rng.choice(("CUSTOMER", "DAMAGE"))
        if given.presentment and self._may(order):
            amount = Money.zero(order.currency) - given
            adjustment = OrderAdjustment(self.state.shopify_id("order adjustment"), amount, reason)
            refund = Refund(self.state.shopify_id("refund"), at, [], given, "For the trouble", [], [adjustment])
            self.till.give_back(at, order, refund)

    def _may(self, order: Order) -> bool:
        """Stripe refunds no charge that is disputed; nobody looks into a payment that went wrong."""
        return order.cancelled_at is None and order.id in self.till.taken and not self.till.disputed(order)


def shipping_left(state: State, order: Order, parts: int = 1) -> list[RefundShippingLine]:
    """A refund of one of so many equal parts of the shipping that has not gone back yet; none of nothing."""
    subtotal = share(order.shipping - order.shipping_refunded, 1, parts)
    tax = share(order.shipping_tax - order.shipping_tax_refunded, 1, parts)
    return [RefundShippingLine(state.shopify_id("refund shipping line"), subtotal, tax)] if subtotal.presentment else []


def shipping_total(order: Order, parts: list[RefundShippingLine]) -> Money:
    """What a refund of shipping sends back."""
    total = Money.total((part.subtotal for part in parts), order.currency)
    return total if order.taxes_included else total + Money.total((part.tax for part in parts), order.currency)
