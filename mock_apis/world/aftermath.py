"""What becomes of an order: payment, fulfilment, returns, edits, cancellation, disputes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from mock_apis.world.fates import ANY_GATEWAY, DECK, GATEWAYS, Deck
from mock_apis.world.goodwill import Goodwill, shipping_left, shipping_total
from mock_apis.world.mishaps import Mishaps
from mock_apis.world.money import share
from mock_apis.world.orders import Checkout
from mock_apis.world.payments import Payments
from mock_apis.world.shop_model import Line, Money, Order, Refund, RefundLine, Transaction
from mock_apis.world.state import State
from mock_apis.world.stripe_model import Charge
from mock_apis.world.till import Till

NOTES = ("Too small", "Arrived broken", 'Customer: "not as shown"', None)


class Aftermath:
    def __init__(self, state: State, checkout: Checkout, payments: Payments) -> None:
        self.state = state
        self.checkout = checkout
        self.payments = payments
        self.till = Till(state, payments)
        self.goodwill = Goodwill(state, self.till)
        self.rng = state.random("aftermath")
        self.deck = Deck(self.rng, DECK)
        self.gateways = Deck(state.random("gateways"), GATEWAYS)
        self.mishaps = Mishaps(state, self.till)

    def buy(self, at: datetime, email: str | None = None, campaign_id: str | None = None) -> None:
        """Place an order, pay it as its fate has it, and plan what follows."""
        fate = self.deck.deal()
        order = self.checkout.place(at, email, campaign_id, fate)
        if fate == "test":
            # The shop's own try-out: its transaction never reaches Stripe.
            self.till.record(at, order, "SALE", "SUCCESS", order.total)
            order.financial_status = "PAID"
        elif fate in ("capture later", "void", "expire"):
            self._authorise(at, order, fate)
        elif fate.startswith("pending"):
            self._await(at, order, fate)
        elif fate == "retry":
            declined = self.till.decline(at, order)
            again = at + timedelta(seconds=self.rng.randint(60, 900))
            self.state.schedule(again, self.pay, order, declined.payment_intent)
        else:
            gateway = self.gateways.deal() if fate in ANY_GATEWAY else "stripe"
            self.pay(at, order, gateway=gateway, mishap=fate == "plain" and gateway == "stripe")
            self._follow(at, order, fate)

    # Payment

    def pay(
        self,
        at: datetime,
        order: Order,
        payment_intent: str | None = None,
        gateway: str = "stripe",
        mishap: bool = False,
    ) -> None:
        """Take the order's total in one go; goods leave some days later. With `mishap` that may go wrong."""
        if not (mishap and self.mishaps.happen(at, order)):
            self.till.sell(at, order, order.total, payment_intent, gateway)
        order.financial_status = "PAID"
        self._later(at, 0.5, 3, self.fulfil, order)

    def _authorise(self, at: datetime, order: Order, fate: str) -> None:
        charge, held = self.till.authorise(at, order)
        if fate == "capture later":
            self._later(at, 1, 3, self.capture, order, charge, held)
        elif fate == "void":
            self._later(at, 0.5, 2, self.void, order, charge, held)
        else:
            self._later(at, 7, 7.01, self.expire, order, charge)

    def _await(self, at: datetime, order: Order, fate: str) -> None:
        waiting = self.till.record(at, order, "SALE", "PENDING", order.total)
        if fate == "pending paid":
            self._later(at, 1, 4, self.money_arrives, order, waiting)
        elif fate == "pending void":
            self._later(at, 2, 6, self.give_up, order, waiting)

    def capture(self, at: datetime, order: Order, charge: Charge, held: Transaction) -> None:
        self.till.capture(at, order, charge, held)
        self._later(at, 0.2, 1, self.fulfil, order)
        if self.rng.random() < 0.3:
            self._returns(at, order)

    def void(self, at: datetime, order: Order, charge: Charge, held: Transaction) -> None:
        self.till.void(at, order, charge, held)
        self._cancelled(at, order, "CUSTOMER")

    def expire(self, at: datetime, order: Order, charge: Charge) -> None:
        self.till.expire(at, order, charge)

    def money_arrives(self, at: datetime, order: Order, waiting: Transaction) -> None:
        self.till.arrive(at, order, waiting)
        self._later(at, 0.5, 2, self.fulfil, order)

    def give_up(self, at: datetime, order: Order, waiting: Transaction) -> None:
        waiting.status = "FAILURE"
        order.financial_status = "VOIDED"
        self._cancelled(at, order, "DECLINED")

    # What follows

    def _follow(self, at: datetime, order: Order, fate: str) -> None:
        scale = self.state.scale
        if fate in ("partial refund", "two refunds", "slow refund"):
            for _ in range(2 if fate == "two refunds" else 1):
                self._returns(at, order, slow=fate == "slow refund")
        elif fate == "full refund":
            self._later(at, 1, scale.refund_days, self.return_all, order)
        elif fate == "cancel":
            self._later(at, 0.1, 1.5, self.cancel, order)
        elif fate == "remove units":
            self._later(at, 1, 4, self.remove_units, order)
        elif fate == "add line":
            self._later(at, 1, 4, self.add_line, order)
        elif fate.startswith("dispute"):
            self._later(at, 2, scale.dispute_days, self.dispute, order, fate == "dispute won")

    def fulfil(self, at: datetime, order: Order) -> None:
        if order.cancelled_at or order.fulfillment_status == "FULFILLED":
            return
        partly = order.fulfillment_status == "UNFULFILLED" and len(order.lines) > 2 and self.rng.random() < 0.3
        order.fulfillment_status = "PARTIALLY_FULFILLED" if partly else "FULFILLED"
        order.updated_at = at
        if partly:
            self._later(at, 0.5, 2, self.fulfil, order)
        else:
            self.goodwill.plan(at, order)

    def return_some(self, at: datetime, order: Order, slow: bool) -> None:
        """Some units of one or two lines come back."""
        back = self._kept(order)
        if not back or order.cancelled_at:
            return
        picked = self.rng.sample(back, min(len(back), self.rng.choice((1, 1, 2))))
        units = [(line, self.rng.randint(1, kept)) for line, kept in picked]
        self._refund(at, order, units, with_shipping=False, slow=slow)

    def return_all(self, at: datetime, order: Order) -> None:
        units = self._kept(order)
        if units and not order.cancelled_at:
            self._refund(at, order, units, with_shipping=True)

    def cancel(self, at: datetime, order: Order) -> None:
        self.return_all(at, order)
        self._cancelled(at, order, self.rng.choice(("CUSTOMER", "INVENTORY", "FRAUD")))

    def remove_units(self, at: datetime, order: Order) -> None:
        """An edit takes units, or a whole line, off; the difference goes back as a refund without lines."""
        line = max(order.lines, key=lambda one: one.quantity)
        before = order.total
        units = self.rng.randint(1, line.ordered - 1) if line.ordered > 1 else 1
        line.discount = share(line.discount, line.ordered - units, line.ordered)
        line.removed += units
        self.checkout.retax(line, order.taxes_included)
        self.till.give_back(
            at, order, Refund(self.state.shopify_id("refund"), at, [], before - order.total, "Order edited")
        )
        if self.rng.random() < 0.4:
            self._returns(at, order)

    def add_line(self, at: datetime, order: Order) -> None:
        """An edit adds a line, which is charged on its own."""
        before = order.total
        order.lines.append(self.checkout.line(order, self.checkout.place_of(order)))
        self.till.sell(at, order, order.total - before)
        if order.fulfillment_status == "FULFILLED":
            order.fulfillment_status = "PARTIALLY_FULFILLED"
            self._later(at, 0.5, 2, self.fulfil, order)
        if self.rng.random() < 0.4:
            self._later(at, 1, self.state.scale.refund_days, self.return_all, order)

    def dispute(self, at: datetime, order: Order, won: bool) -> None:
        reason = self.rng.choice(("fraudulent", "product_not_received", "duplicate"))
        charge = self.till.taken[order.id][0].charge
        dispute = self.payments.dispute(at, charge, reason) if charge else None
        if dispute is not None:
            self._later(at, 0.5, 1.5, self.payments.answer_dispute, dispute)
            self._later(at, 2, self.state.scale.dispute_days, self.payments.close_dispute, dispute, won)

    # Returns

    def _returns(self, at: datetime, order: Order, slow: bool = False) -> None:
        self._later(at, 1, self.state.scale.refund_days, self.return_some, order, slow)

    def _kept(self, order: Order) -> list[tuple[Line, int]]:
        """The lines of which the buyer still has units, with their number."""
        kept = ((line, line.ordered - order.refunded_units(line.id)) for line in order.lines)
        return [(line, units) for line, units in kept if units]

    def _refund(
        self, at: datetime, order: Order, units: list[tuple[Line, int]], with_shipping: bool, slow: bool = False
    ) -> None:
        parts = [self._refund_line(order, line, count) for line, count in units]
        total = Money.total((part.subtotal for part in parts), order.currency)
        if not order.taxes_included:
            total += Money.total((part.tax for part in parts), order.currency)
        shipping = shipping_left(self.state, order) if with_shipping else []
        total += shipping_total(order, shipping)
        refund = Refund(self.state.shopify_id("refund"), at, parts, total, self.rng.choice(NOTES), shipping)
        for sent in self.till.give_back(at, order, refund, pending=slow):
            if slow:
                self._later(at, 0.5, 2, self.payments.settle_refund, sent)

    def _refund_line(self, order: Order, line: Line, units: int) -> RefundLine:
        """The units' part of the line; the last ones get what rounding has left over."""
        before = order.refunded_units(line.id)
        subtotal, tax = (
            share(whole, before + units, line.ordered) - share(whole, before, line.ordered)
            for whole in (line.price, line.tax)
        )
        return RefundLine(self.state.shopify_id("refund line"), line.id, units, subtotal, tax)

    def _cancelled(self, at: datetime, order: Order, reason: str) -> None:
        order.cancelled_at = order.updated_at = at
        order.cancel_reason = reason

    def _later(self, at: datetime, least: float, most: float, action: Callable[..., None], *arguments: object) -> None:
        """Let `action` happen between `least` and `most` days after `at`."""
        self.state.schedule(at + timedelta(days=self.rng.uniform(least, most)), action, *arguments)
