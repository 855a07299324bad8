"""The Stripe side: customers, charges, refunds and disputes, and an event for each change."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from mock_apis.world.ledger import Ledger
from mock_apis.world.shop_model import Customer, Order
from mock_apis.world.state import State
from mock_apis.world.stripe_model import Charge, Dispute, Payout, StripeCustomer, StripeEvent, StripeRefund

OBJECT_TYPES = {
    StripeCustomer: "customer",
    Charge: "charge",
    StripeRefund: "refund",
    Dispute: "dispute",
    Payout: "payout",
}


def snapshot(record: Any) -> Any:
    """A copy that later changes of `record` cannot reach (its lists and dicts hold plain text)."""
    copies = {f.name: v.copy() for f in fields(record) if isinstance(v := getattr(record, f.name), list | dict)}
    return replace(record, **copies)


class Payments:
    def __init__(self, state: State) -> None:
        self.state = state
        self.ledger = Ledger(state)

    def change(self, at: datetime, event_type: str, record: Any, **changes: Any) -> None:
        """Change `record` and tell it as an event with the attributes as they were before."""
        previous = {name: getattr(record, name) for name in changes}
        for name, value in changes.items():
            setattr(record, name, value)
        self.tell(at, event_type, record, previous or None)

    def tell(self, at: datetime, event_type: str, record: Any, previous: dict[str, Any] | None = None) -> None:
        event = StripeEvent(
            id=self.state.stripe_id("evt"),
            type=event_type,
            created=at,
            object_type=OBJECT_TYPES[type(record)],
            object_id=record.id,
            snapshot=snapshot(record),
            previous_attributes=previous,
        )
        self.state.stripe_events.append(event)

    # Customers

    def customer_for(self, at: datetime, customer: Customer) -> str:
        """The Stripe customer of a registered customer; the first order creates it."""
        if customer.stripe_id is None:
            record = StripeCustomer(
                id=self.state.stripe_id("cus"),
                email=customer.email,
                name=f"{customer.first_name} {customer.last_name}",
                created=at,
                metadata={"shopify_customer_id": str(customer.id)},
            )
            self.state.stripe_customers[record.id] = record
            customer.stripe_id = record.id
            self.tell(at, "customer.created", record)
        return customer.stripe_id

    def update_customer(self, at: datetime, customer: Customer) -> None:
        if customer.stripe_id is not None:
            record = self.state.stripe_customers[customer.stripe_id]
            self.change(at, "customer.updated", record, email=customer.email)

    def delete_customer(self, at: datetime, customer: Customer) -> None:
        if customer.stripe_id is not None:
            record = self.state.stripe_customers[customer.stripe_id]
            record.deleted = True
            customer.stripe_id = None
            self.tell(at, "customer.deleted", record)

    # Charges

    def charge(
        self,
        at: datetime,
        order: Order,
        amount: int,
        country_code: str,
        *,
        capture: bool = True,
        failure_code: str | None = None,
        payment_intent: str | None = None,
        settles: bool = True,
    ) -> Charge:
        """Charge `amount` minor units of the order's currency; with a `failure_code` it is declined.

        An order without an id is not named on the charge; one that does not settle never reaches the balance.
        """
        customer = self.state.customers.get(order.customer_id) if order.customer_id else None
        charge = Charge(
            id=self.state.stripe_id("ch"),
            order_id=order.id,
            customer=self.customer_for(at, customer) if customer else None,
            payment_intent=payment_intent or self.state.stripe_id("pi"),
            email=order.email,
            country_code=country_code,
            amount=amount,
            currency=order.currency.lower(),
            created=at,
            status="failed" if failure_code else "succeeded",
            captured=capture and not failure_code,
            failure_code=failure_code,
            metadata={"order_id": str(order.id)} if order.id else {},
        )
        self.state.charges[charge.id] = charge
        if charge.captured:
            charge.amount_captured = amount
            charge.balance_transaction = self.ledger.charged(at, charge) if settles else None
        self.tell(at, "charge.failed" if failure_code else "charge.succeeded", charge)
        return charge

    def capture(self, at: datetime, charge: Charge) -> None:
        transaction = self.ledger.charged(at, charge)
        changes = {"captured": True, "amount_captured": charge.amount, "balance_transaction": transaction}
        self.change(at, "charge.captured", charge, **changes)

    def release(self, at: datetime, charge: Charge) -> StripeRefund:
        """Let go of an authorisation: Stripe shows it as a refund that moves no money."""
        return self.refund(at, charge, charge.amount, reason=None)

    def refund(
        self, at: datetime, charge: Charge, amount: int, reason: str | None, *, pending: bool = False
    ) -> StripeRefund:
        refund = StripeRefund(
            id=self.state.stripe_id("re"),
            charge=charge.id,
            payment_intent=charge.payment_intent,
            amount=amount,
            currency=charge.currency,
            created=at,
            status="pending" if pending else "succeeded",
            reason=reason,
        )
        if charge.captured:
            refund.balance_transaction = self.ledger.refunded(at, refund)
        self.state.stripe_refunds[refund.id] = refund
        self.tell(at, "refund.created", refund)
        self.change(at, "charge.refunded", charge, amount_refunded=charge.amount_refunded + amount)
        return refund

    def settle_refund(self, at: datetime, refund: StripeRefund) -> None:
        self.change(at, "refund.updated", refund, status="succeeded")

    # Disputes

    def dispute(self, at: datetime, charge: Charge, reason: str) -> Dispute | None:
        """Open a dispute over what is left of a captured charge, if anything is."""
        amount = charge.amount_captured - charge.amount_refunded
        if amount <= 0 or charge.disputed:
            return None
        dispute = Dispute(
            id=self.state.stripe_id("dp"),
            charge=charge.id,
            payment_intent=charge.payment_intent,
            amount=amount,
            currency=charge.currency,
            created=at,
            status="needs_response",
            reason=reason,
        )
        dispute.balance_transactions.append(self.ledger.disputed(at, dispute))
        self.state.disputes[dispute.id] = dispute
        self.tell(at, "charge.dispute.created", dispute)
        self.change(at, "charge.updated", charge, disputed=True)
        return dispute

    def answer_dispute(self, at: datetime, dispute: Dispute) -> None:
        self.change(at, "charge.dispute.updated", dispute, status="under_review")

    def close_dispute(self, at: datetime, dispute: Dispute, won: bool) -> None:
        previous = {"status": dispute.status, "balance_transactions": dispute.balance_transactions.copy()}
        dispute.status = "won" if won else "lost"
        if won:
            dispute.balance_transactions.append(self.ledger.reinstated(at, dispute))
        self.tell(at, "charge.dispute.closed", dispute, previous)

    # Payouts

    def plan_day(self, start: datetime, end: datetime, number: int) -> None:
        self.state.schedule(start + (end - start) / 5, self.pay_out)

    def pay_out(self, at: datetime) -> None:
        """Send what has become available to the shop's bank; it arrives a day later."""
        payout = self.ledger.pay_out(at)
        if payout is not None:
            self.tell(at, "payout.created", payout)
            self.state.schedule(payout.arrival_date, self.pay_out_arrives, payout)

    def pay_out_arrives(self, at: datetime, payout: Payout) -> None:
        self.change(at, "payout.paid", payout, status="paid")
