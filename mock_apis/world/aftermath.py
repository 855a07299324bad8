"""What becomes of an order: payment, fulfilment, returns, edits, cancellation, disputes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mock_apis.world import places
from mock_apis.world.model import Charge, Line, Money, Order, Refund, RefundLine, Transaction
from mock_apis.world.money import share
from mock_apis.world.orders import Checkout
from mock_apis.world.payments import Payments
from mock_apis.world.state import State

# One fate for each order, dealt without replacement, so that each occurs even in the
# smallest world: {fate: cards in a deck}.
DECK = {
    "plain": 24,
    "capture later": 6,
    "void": 1,
    "expire": 1,
    "retry": 2,
    "pending": 1,
    "pending paid": 1,
    "pending void": 1,
    "partial refund": 4,
    "two refunds": 1,
    "slow refund": 1,
    "full refund": 2,
    "cancel": 1,
    "remove units": 3,
    "add line": 2,
    "dispute won": 1,
    "dispute lost": 1,
    "test": 1,
    "big": 1,
    "custom": 2,
    "digital": 1,
    "imported": 2,
}
NOTES = ("Too small", "Arrived broken", 'Customer: "not as shown"', None)


@dataclass(slots=True)
class Payment:
    """A charge that took money, and how much of it the buyer has not got back."""

    charge: Charge
    transaction: Transaction
    left: Money


class Aftermath:
    def __init__(self, state: State, checkout: Checkout, payments: Payments) -> None:
        self.state = state
        self.checkout = checkout
        self.payments = payments
        self.rng = state.random("aftermath")
        self.taken: dict[int, list[Payment]] = {}
        self.deck: list[str] = []

    def deal(self) -> str:
        if not self.deck:
            self.deck = [fate for fate, cards in DECK.items() for _ in range(cards)]
            self.rng.shuffle(self.deck)
        return self.deck.pop()

    def buy(self, at: datetime, email: str | None = None, campaign_id: str | None = None) -> None:
        """Place an order, pay it as its fate has it, and plan what follows."""
        fate = self.deal()
        order = self.checkout.place(at, email, campaign_id, fate)
        if fate == "test":
            self._transaction(at, order, "SALE", "SUCCESS", order.total)
            order.financial_status = "PAID"
        elif fate in ("capture later", "void", "expire"):
            self._authorise(at, order, fate)
        elif fate.startswith("pending"):
            self._await(at, order, fate)
        elif fate == "retry":
            self._fail_once(at, order)
        else:
            self.pay(at, order)
            self._follow(at, order, fate)

    # Payment

    def pay(self, at: datetime, order: Order, payment_intent: str | None = None) -> None:
        """Take the order's total in one go; goods leave some days later."""
        self._take(at, order, order.total, payment_intent)
        order.financial_status = "PAID"
        order.updated_at = at
        self._later(at, 0.5, 3, self.fulfil, order)

    def _take(self, at: datetime, order: Order, amount: Money, payment_intent: str | None = None) -> None:
        charge = self.payments.charge(
            at, order, amount.presentment, self._card_country(order), payment_intent=payment_intent
        )
        transaction = self._transaction(at, order, "SALE", "SUCCESS", amount, charge.id)
        self.taken.setdefault(order.id, []).append(Payment(charge, transaction, amount))

    def _authorise(self, at: datetime, order: Order, fate: str) -> None:
        total = order.total
        charge = self.payments.charge(at, order, total.presentment, self._card_country(order), capture=False)
        held = self._transaction(at, order, "AUTHORIZATION", "SUCCESS", total, charge.id)
        order.financial_status = "AUTHORIZED"
        if fate == "capture later":
            self._later(at, 1, 3, self.capture, order, charge, held)
        elif fate == "void":
            self._later(at, 0.5, 2, self.void, order, charge, held)
        else:
            self._later(at, 7, 7.01, self.expire, order, charge)

    def _await(self, at: datetime, order: Order, fate: str) -> None:
        waiting = self._transaction(at, order, "SALE", "PENDING", order.total)
        if fate == "pending paid":
            self._later(at, 1, 4, self.money_arrives, order, waiting)
        elif fate == "pending void":
            self._later(at, 2, 6, self.give_up, order, waiting)

    def _fail_once(self, at: datetime, order: Order) -> None:
        """The card is declined; the buyer tries again some minutes later."""
        total = order.total
        failed = self.payments.charge(
            at, order, total.presentment, self._card_country(order), failure_code="card_declined"
        )
        self._transaction(at, order, "SALE", "FAILURE", total, failed.id, error_code="CARD_DECLINED")
        again = at + timedelta(seconds=self.rng.randint(60, 900))
        self.state.schedule(again, self.pay, order, failed.payment_intent)

    def capture(self, at: datetime, order: Order, charge: Charge, held: Transaction) -> None:
        self.payments.capture(at, charge)
        taken = self._transaction(at, order, "CAPTURE", "SUCCESS", held.amount, charge.id, parent=held)
        self.taken[order.id] = [Payment(charge, taken, held.amount)]
        order.financial_status = "PAID"
        order.updated_at = at
        self._later(at, 0.2, 1, self.fulfil, order)
        if self.rng.random() < 0.3:
            self._returns(at, order)

    def void(self, at: datetime, order: Order, charge: Charge, held: Transaction) -> None:
        self.payments.release(at, charge)
        self._transaction(at, order, "VOID", "SUCCESS", held.amount, charge.id, parent=held)
        order.financial_status = "VOIDED"
        self._cancelled(at, order, "CUSTOMER")

    def expire(self, at: datetime, order: Order, charge: Charge) -> None:
        self.payments.release(at, charge)
        order.financial_status = "EXPIRED"
        order.updated_at = at

    def money_arrives(self, at: datetime, order: Order, waiting: Transaction) -> None:
        """The transfer came: the waiting transaction turns into a paid one."""
        charge = self.payments.charge(at, order, waiting.amount.presentment, self._card_country(order))
        waiting.status, waiting.payment_id, waiting.processed_at = "SUCCESS", charge.id, at
        self.taken[order.id] = [Payment(charge, waiting, waiting.amount)]
        order.financial_status = "PAID"
        order.updated_at = at
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

    def _returns(self, at: datetime, order: Order, slow: bool = False) -> None:
        self._later(at, 1, self.state.scale.refund_days, self.return_some, order, slow)

    def fulfil(self, at: datetime, order: Order) -> None:
        if order.cancelled_at or order.fulfillment_status == "FULFILLED":
            return
        partly = order.fulfillment_status == "UNFULFILLED" and len(order.lines) > 2 and self.rng.random() < 0.3
        order.fulfillment_status = "PARTIALLY_FULFILLED" if partly else "FULFILLED"
        order.updated_at = at
        if partly:
            self._later(at, 0.5, 2, self.fulfil, order)

    def return_some(self, at: datetime, order: Order, slow: bool) -> None:
        """Some units of one or two lines come back."""
        back = [(line, self._kept(order, line)) for line in order.lines]
        back = [(line, units) for line, units in back if units]
        if not back or order.cancelled_at:
            return
        picked = self.rng.sample(back, min(len(back), self.rng.choice((1, 1, 2))))
        units = [(line, self.rng.randint(1, kept)) for line, kept in picked]
        self._refund(at, order, units, with_shipping=False, slow=slow)

    def return_all(self, at: datetime, order: Order) -> None:
        units = [(line, kept) for line in order.lines if (kept := self._kept(order, line))]
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
        left = line.ordered - units
        discount = share(line.discount, left, line.ordered)
        line.removed += units
        line.discount = discount
        self.checkout.retax(line, order.taxes_included)
        self._give_back(at, order, [], before - order.total, "Order edited", slow=False)
        if self.rng.random() < 0.4:
            self._returns(at, order)

    def add_line(self, at: datetime, order: Order) -> None:
        """An edit adds a line, which is charged on its own."""
        before = order.total
        order.lines.append(self.checkout.line(order, self.checkout.place_of(order)))
        self._take(at, order, order.total - before)
        order.updated_at = at
        if order.fulfillment_status == "FULFILLED":
            order.fulfillment_status = "PARTIALLY_FULFILLED"
            self._later(at, 0.5, 2, self.fulfil, order)
        if self.rng.random() < 0.4:
            self._later(at, 1, self.state.scale.refund_days, self.return_all, order)

    def dispute(self, at: datetime, order: Order, won: bool) -> None:
        reason = self.rng.choice(("fraudulent", "product_not_received", "duplicate"))
        dispute = self.payments.dispute(at, self.taken[order.id][0].charge, reason)
        if dispute is None:
            return
        close: Callable[..., None] = self.payments.close_dispute
        days = self.state.scale.dispute_days
        self._later(at, 0.5, 1.5, self.payments.answer_dispute, dispute)
        self._later(at, 2, days, close, dispute, won)

    # Giving back

    def _kept(self, order: Order, line: Line) -> int:
        return line.ordered - order.refunded_units(line.id)

    def _refund(
        self,
        at: datetime,
        order: Order,
        units: list[tuple[Line, int]],
        with_shipping: bool,
        slow: bool = False,
    ) -> None:
        parts = [self._refund_line(order, line, count) for line, count in units]
        total = Money.total((part.subtotal for part in parts), order.currency)
        if not order.taxes_included:
            total += Money.total((part.tax for part in parts), order.currency)
        if with_shipping:
            total += order.shipping
            if not order.taxes_included:
                total += order.shipping_tax
        self._give_back(at, order, parts, total, self.rng.choice(NOTES), slow)

    def _refund_line(self, order: Order, line: Line, units: int) -> RefundLine:
        """The units' part of the line; the last ones get what rounding has left over."""
        earlier = [part for refund in order.refunds for part in refund.lines if part.line_id == line.id]
        before = sum(part.quantity for part in earlier)
        subtotal, tax = (
            share(whole, before + units, line.ordered) - share(whole, before, line.ordered)
            for whole in (line.price, line.tax)
        )
        return RefundLine(self.state.shopify_id("refund line"), line.id, units, subtotal, tax)

    def _give_back(
        self, at: datetime, order: Order, parts: list[RefundLine], total: Money, note: str | None, slow: bool
    ) -> None:
        """Send `total` back over the order's charges, oldest first."""
        order.refunds.append(Refund(self.state.shopify_id("refund"), at, parts, total, note))
        owed = total
        for payment in self.taken[order.id]:
            left = payment.left
            part = Money(min(owed.shop, left.shop), min(owed.presentment, left.presentment), order.currency)
            if not part.presentment:
                continue
            refund = self.payments.refund(at, payment.charge, part.presentment, "requested_by_customer", pending=slow)
            self._transaction(at, order, "REFUND", "SUCCESS", part, refund.id, parent=payment.transaction)
            if slow:
                self._later(at, 0.5, 2, self.payments.settle_refund, refund)
            payment.left = left - part
            owed -= part
        order.financial_status = "REFUNDED" if order.total_refunded == order.paid else "PARTIALLY_REFUNDED"
        order.updated_at = at

    def _cancelled(self, at: datetime, order: Order, reason: str) -> None:
        order.cancelled_at = order.updated_at = at
        order.cancel_reason = reason

    def _transaction(
        self,
        at: datetime,
        order: Order,
        kind: str,
        status: str,
        amount: Money,
        payment_id: str | None = None,
        *,
        parent: Transaction | None = None,
        error_code: str | None = None,
    ) -> Transaction:
        transaction = Transaction(
            id=self.state.shopify_id("transaction"),
            kind=kind,
            status=status,
            amount=amount,
            processed_at=at,
            parent_id=parent.id if parent else None,
            payment_id=payment_id,
            error_code=error_code,
        )
        order.transactions.append(transaction)
        return transaction

    def _card_country(self, order: Order) -> str:
        return order.country_code or places.COUNTRIES[0].code

    def _later(self, at: datetime, least: float, most: float, action: Callable[..., None], *arguments: object) -> None:
        """Let `action` happen between `least` and `most` days after `at`."""
        self.state.schedule(at + timedelta(days=self.rng.uniform(least, most)), action, *arguments)
