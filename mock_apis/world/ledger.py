"""Stripe's balance: each movement in euros with its fee, and the payouts that empty it."""

from __future__ import annotations

from datetime import datetime, timedelta

from mock_apis.world.fates import PAYOUTS, Deck
from mock_apis.world.money import divide, exchange_rate, settled
from mock_apis.world.state import State
from mock_apis.world.stripe_model import BalanceTransaction, Charge, Dispute, Payout, StripeRefund

DISPUTE_FEE = 2000
FIXED_FEE = 25
FEE_BASIS_POINTS = 150


class Ledger:
    def __init__(self, state: State) -> None:
        self.state = state
        self.unpaid: list[BalanceTransaction] = []
        self.deck = Deck(state.random("payouts"), PAYOUTS)

    def charged(self, at: datetime, charge: Charge) -> str:
        amount = settled(charge.amount, charge.currency)
        fee = divide(amount * FEE_BASIS_POINTS, 10000) + FIXED_FEE
        return self._enter(at, "charge", "charge", charge.id, amount, fee, charge.currency, f"Order {charge.order_id}")

    def refunded(self, at: datetime, refund: StripeRefund) -> str:
        amount = -settled(refund.amount, refund.currency)
        return self._enter(at, "refund", "refund", refund.id, amount, 0, refund.currency, "REFUND FOR CHARGE")

    def disputed(self, at: datetime, dispute: Dispute) -> str:
        amount = -settled(dispute.amount, dispute.currency)
        text = f"Chargeback withdrawal for {dispute.charge}"
        return self._enter(at, "adjustment", "dispute", dispute.id, amount, DISPUTE_FEE, dispute.currency, text)

    def reinstated(self, at: datetime, dispute: Dispute) -> str:
        amount = settled(dispute.amount, dispute.currency)
        text = f"Chargeback reversal for {dispute.charge}"
        return self._enter(at, "adjustment", "dispute_reversal", dispute.id, amount, 0, dispute.currency, text)

    def pay_out(self, at: datetime) -> Payout | None:
        """All that is available and not yet paid out, as one payout; None when that is nothing or a debt.

        Where there are mishaps somebody may send half of it by hand, or the payout may be a euro short.
        """
        ready = [t for t in self.unpaid if t.available_on <= at]
        amount = sum(t.net for t in ready)
        if amount <= 0:
            return None
        mishap = self.deck.deal() if self.state.mishaps else "none"
        if mishap == "manual":
            ready, amount = [], amount // 2
        elif mishap == "amount":
            amount -= 100
        payout_id = self.state.stripe_id("po")
        movement = BalanceTransaction(
            id=self.state.stripe_id("txn"),
            type="payout",
            reporting_category="payout",
            source=payout_id,
            amount=-amount,
            fee=0,
            created=at,
            available_on=at,
            description="STRIPE PAYOUT",
            payout=None if mishap == "manual" else payout_id,
        )
        self.state.balance_transactions[movement.id] = movement
        for transaction in ready:
            transaction.payout = payout_id
        self.unpaid = [t for t in self.unpaid if t.payout is None]
        if mishap == "manual":
            self.unpaid.append(movement)
        arrival = at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        payout = Payout(payout_id, amount, at, arrival, "in_transit", movement.id, mishap != "manual")
        self.state.payouts[payout_id] = payout
        return payout

    def _enter(
        self,
        at: datetime,
        kind: str,
        category: str,
        source: str,
        amount: int,
        fee: int,
        currency: str,
        text: str,
    ) -> str:
        available = at.replace(hour=0, minute=0, second=0) + timedelta(days=2)
        transaction = BalanceTransaction(
            id=self.state.stripe_id("txn"),
            type=kind,
            reporting_category=category,
            source=source,
            amount=amount,
            fee=fee,
            created=at,
            available_on=available,
            exchange_rate=exchange_rate(currency),
            description=text,
        )
        self.state.balance_transactions[transaction.id] = transaction
        self.unpaid.append(transaction)
        return transaction.id
