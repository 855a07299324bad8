"""Money taken for an order and given back, in the shop's transactions and on Stripe alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mock_apis.world.payments import Payments
from mock_apis.world.shop_model import Money, Order, OrderAdjustment, Refund, Transaction
from mock_apis.world.state import State
from mock_apis.world.stripe_model import Charge, StripeRefund

HOME = "DE"  # the card's country where nothing is shipped


@dataclass(slots=True)
class Payment:
    """What took money, and how much of it the buyer has not got back. No charge: another gateway took it."""

    charge: Charge | None
    transaction: Transaction
    left: Money


class Till:
    def __init__(self, state: State, payments: Payments) -> None:
        self.state = state
        self.payments = payments
        self.taken: dict[int, list[Payment]] = {}

    def sell(
        self, at: datetime, order: Order, amount: Money, payment_intent: str | None = None, gateway: str = "stripe"
    ) -> None:
        stripe = gateway == "stripe"
        charge = self._charge(at, order, amount, payment_intent=payment_intent) if stripe else None
        transaction = self.record(at, order, "SALE", "SUCCESS", amount, charge.id if charge else None)
        transaction.gateway = gateway
        self.taken.setdefault(order.id, []).append(Payment(charge, transaction, amount))
        order.updated_at = at

    def decline(self, at: datetime, order: Order) -> Charge:
        charge = self._charge(at, order, order.total, failure_code="card_declined")
        failed = self.record(at, order, "SALE", "FAILURE", order.total, charge.id)
        failed.error_code = "CARD_DECLINED"
        return charge

    def authorise(self, at: datetime, order: Order) -> tuple[Charge, Transaction]:
        charge = self._charge(at, order, order.total, capture=False)
        order.financial_status = "AUTHORIZED"
        return charge, self.record(at, order, "AUTHORIZATION", "SUCCESS", order.total, charge.id)

    def capture(self, at: datetime, order: Order, charge: Charge, held: Transaction) -> None:
        self.payments.capture(at, charge)
        taken = self.record(at, order, "CAPTURE", "SUCCESS", held.amount, charge.id, parent=held)
        self.taken[order.id] = [Payment(charge, taken, held.amount)]
        self._now(at, order, "PAID")

    def void(self, at: datetime, order: Order, charge: Charge, held: Transaction) -> None:
        self.payments.release(at, charge)
        self.record(at, order, "VOID", "SUCCESS", held.amount, charge.id, parent=held)
        self._now(at, order, "VOIDED")

    def expire(self, at: datetime, order: Order, charge: Charge) -> None:
        self.payments.release(at, charge)
        self._now(at, order, "EXPIRED")

    def arrive(self, at: datetime, order: Order, waiting: Transaction) -> None:
        """A transfer came: the waiting transaction turns into a paid one."""
        charge = self._charge(at, order, waiting.amount)
        waiting.status, waiting.payment_id, waiting.processed_at = "SUCCESS", charge.id, at
        self.taken[order.id] = [Payment(charge, waiting, waiting.amount)]
        self._now(at, order, "PAID")

    def give_back(self, at: datetime, order: Order, refund: Refund, pending: bool = False) -> list[StripeRefund]:
        """Send the refund's total back the ways it came, oldest first."""
        self._keep_what_was_given_before(order, refund)
        order.refunds.append(refund)
        sent = []
        owed = refund.total
        for payment in self.taken[order.id]:
            left = payment.left
            part = Money(min(owed.shop, left.shop), min(owed.presentment, left.presentment), order.currency)
            if not part.presentment:
                continue
            back = self.record(at, order, "REFUND", "SUCCESS", part, parent=payment.transaction)
            back.gateway = payment.transaction.gateway
            if payment.charge:
                moved = self.payments.refund(
                    at, payment.charge, part.presentment, "requested_by_customer", pending=pending
                )
                back.payment_id = moved.id
                sent.append(moved)
            payment.left = left - part
            owed -= part
        self._now(at, order, "REFUNDED" if order.total_refunded == order.paid else "PARTIALLY_REFUNDED")
        return sent

    def disputed(self, order: Order) -> bool:
        return any(payment.charge and payment.charge.disputed for payment in self.taken[order.id])

    def _keep_what_was_given_before(self, order: Order, refund: Refund) -> None:
        """Out of goodwill, say: nobody gets more back than was paid."""
        left = Money.total((payment.left for payment in self.taken[order.id]), order.currency)
        over = refund.total - left
        kept = Money(max(0, over.shop), max(0, over.presentment), order.currency)
        if kept.shop or kept.presentment:
            number = self.state.shopify_id("order adjustment")
            refund.adjustments.append(OrderAdjustment(number, kept, "FULL_RETURN_BALANCING_ADJUSTMENT"))
            refund.total -= kept

    def record(
        self,
        at: datetime,
        order: Order,
        kind: str,
        status: str,
        amount: Money,
        payment_id: str | None = None,
        parent: Transaction | None = None,
    ) -> Transaction:
        """Write a transaction into the order."""
        transaction = Transaction(
            id=self.state.shopify_id("transaction"),
            kind=kind,
            status=status,
            amount=amount,
            processed_at=at,
            parent_id=parent.id if parent else None,
            payment_id=payment_id,
        )
        order.transactions.append(transaction)
        return transaction

    def _charge(
        self,
        at: datetime,
        order: Order,
        amount: Money,
        *,
        capture: bool = True,
        failure_code: str | None = None,
        payment_intent: str | None = None,
    ) -> Charge:
        return self.payments.charge(
            at,
            order,
            amount.presentment,
            order.country_code or HOME,
            capture=capture,
            failure_code=failure_code,
            payment_intent=payment_intent,
        )

    def _now(self, at: datetime, order: Order, financial_status: str) -> None:
        order.financial_status = financial_status
        order.updated_at = at
