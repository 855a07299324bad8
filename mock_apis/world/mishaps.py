"""What goes wrong between Shopify and Stripe: each leaves a payment that the two do not tell alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from mock_apis.world.fates import MISHAPS, Deck
from mock_apis.world.shop_model import Order
from mock_apis.world.state import State
from mock_apis.world.stripe_model import Charge
from mock_apis.world.till import HOME, Till


class Mishaps:
    """None in most worlds, so that the demo's day passes its checks; `State.mishaps` asks for them."""

    def __init__(self, state: State, till: Till) -> None:
        self.state = state
        self.till = till
        self.deck = Deck(state.random("mishaps"), MISHAPS)
        self.kinds: dict[str, Callable[[datetime, Order], list[Charge]]] = {
            "missing payment": lambda at, order: [],
            "missing order": self._missing_order,
            "amount": lambda at, order: [self._charge(at, order, less=1)],
            "currency": self._currency,
            "duplicate": lambda at, order: [self._charge(at, order), self._charge(at, order)],
            "settlement": lambda at, order: [self._charge(at, order, settles=False)],
        }

    def happen(self, at: datetime, order: Order) -> bool:
        """Whether the payment of the order goes wrong, which it then has."""
        mishap = self.deck.deal() if self.state.mishaps else "none"
        if mishap == "none":
            return False
        charges = self.kinds[mishap](at, order)
        self.till.record(at, order, "SALE", "SUCCESS", order.total, charges[0].id if charges else None)
        order.updated_at = at
        return True

    def _missing_order(self, at: datetime, order: Order) -> list[Charge]:
        """The order is paid; a second charge names none."""
        return [self._charge(at, order), self._charge(at, replace(order, id=0))]

    def _currency(self, at: datetime, order: Order) -> list[Charge]:
        """The right number in the wrong currency."""
        return [self._charge(at, replace(order, currency="USD" if order.currency == "EUR" else "EUR"))]

    def _charge(self, at: datetime, order: Order, *, less: int = 0, settles: bool = True) -> Charge:
        amount = order.total.presentment - less
        return self.till.payments.charge(at, order, amount, order.country_code or HOME, settles=settles)
