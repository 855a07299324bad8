"""What Shopify says of each payment, held against what Stripe did. In the buyer's currency; fees and net in euros."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, local_day, rounded, text
from mock_apis.world.money import DECIMALS, settled
from mock_apis.world.shop_model import Order
from mock_apis.world.stripe_model import BalanceTransaction, Charge, Dispute, StripeRefund
from mock_apis.world.world import World

SETTLED_AFTER = timedelta(days=3)
EXPLAINED = ("matched", "other gateway", "timing", "dispute")


@dataclass(slots=True)
class Paid:
    """A charge that took money, with all that became of it."""

    charge: Charge
    refunds: list[StripeRefund] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    moves: list[BalanceTransaction] = field(default_factory=list)

    @property
    def currency(self) -> str:
        return self.charge.currency.upper()

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.status == "succeeded")

    @property
    def withheld(self) -> int:
        return sum(dispute.amount for dispute in self.disputes if dispute.status != "won")

    @property
    def moved(self) -> datetime:
        return max((move.created for move in self.moves), default=self.charge.created)

    @property
    def unsettled(self) -> int:
        """How far off the balance is: not at all when every euro is there, else by the rates that Stripe tells."""
        parts = [self.charge.amount_captured, *(-r.amount for r in self.refunds if r.status == "succeeded")]
        parts += [-d.amount for d in self.disputes if d.status != "won"]
        euros = sum(settled(abs(part), self.currency) * (1 if part > 0 else -1) for part in parts)
        if euros == sum(move.net + move.fee for move in self.moves):
            return 0
        there = sum((Decimal(m.net + m.fee).scaleb(-2) / _rate(m) for m in self.moves), Decimal(0))
        return abs(sum(parts) - int(there.scaleb(DECIMALS[self.currency]).to_integral_value(ROUND_HALF_UP)))


def payments_reconciliation(world: World, _sales: list[Sale]) -> list[Row]:
    """One row for each order and each charge without one that moved money. Every sum is one of the world's records."""
    charges: dict[int, list[Paid]] = defaultdict(list)
    for paid in _paid(world).values():
        charges[paid.charge.order_id].append(paid)
    rows = []
    for order in world.orders.values():
        if not order.test and (order.paid.presentment or charges[order.id]):
            rows.append(_row(world, order, charges[order.id]))
    for order_id, strays in charges.items():
        if order_id not in world.orders or world.orders[order_id].test:
            rows += [_row(world, None, [stray]) for stray in strays]
    return rows


def _paid(world: World) -> dict[str, Paid]:
    found = {charge.id: Paid(charge) for charge in world.charges.values() if charge.captured}
    behind = {charge_id: charge_id for charge_id in found}
    for refund in world.stripe_refunds.values():
        if refund.charge in found:
            found[refund.charge].refunds.append(refund)
            behind[refund.id] = refund.charge
    for dispute in world.disputes.values():
        found[dispute.charge].disputes.append(dispute)
        behind[dispute.id] = dispute.charge
    for move in world.balance_transactions.values():
        if move.source in behind:
            found[behind[move.source]].moves.append(move)
    return found


def _row(world: World, order: Order | None, charges: list[Paid]) -> Row:
    currency = order.currency if order else charges[0].currency
    ours = [each for each in charges if each.currency == currency]
    paid, paid_elsewhere = _through(order, ("SALE", "CAPTURE"))
    returned, returned_elsewhere = _through(order, ("REFUND",))
    captured = sum(each.charge.amount_captured for each in ours)
    refunded = sum(each.refunded for each in ours)
    disputed = sum(each.withheld for each in ours)
    unsettled = sum(each.unsettled for each in ours)
    difference = (paid - returned) - (captured - refunded)
    moves = [move for each in charges for move in each.moves]
    moved = max([*(each.moved for each in charges), *_steps(order)])
    if len(ours) < len(charges):
        classification = "currency"
    elif not (charges or paid or returned):
        classification = "other gateway"
    elif disputed and difference in (0, -disputed) and not unsettled:
        classification = "dispute"
    elif difference == 0 and not disputed and not unsettled:
        classification = "matched"
    elif order and difference < 0 and len({each.charge.amount_captured for each in ours}) < len(ours):
        classification = "duplicate"
    elif world.now - moved < SETTLED_AFTER:
        classification = "timing"
    elif difference in (0, -disputed):
        classification = "settlement"
    elif order is None:
        classification = "missing order"
    else:
        classification = "amount" if charges else "missing payment"
    off = _value(max(abs(difference) * (difference != -disputed), unsettled), order, ours)
    if classification == "currency":
        off = max(off, abs(Decimal(sum(move.net + move.fee for move in moves))).scaleb(-2))
    return {
        "payment_key": f"order:{order.id}" if order else f"charge:{charges[0].charge.id}",
        "order_id": str(order.id) if order else None,
        "charge_id": None if order else charges[0].charge.id,
        "last_moved_day": local_day(world, moved).isoformat(),
        "classification": classification,
        "is_explained": classification in EXPLAINED,
        "age_days": (local_day(world, world.now) - local_day(world, moved)).days,
        "charges": len(charges),
        "shopify_paid": _text(paid, currency),
        "shopify_refunded": _text(returned, currency),
        "other_gateways_paid": _text(paid_elsewhere - returned_elsewhere, currency),
        "stripe_captured": _text(captured, currency),
        "stripe_refunded": _text(refunded, currency),
        "stripe_disputed": _text(disputed, currency),
        "payment_difference": _text(difference, currency),
        "stripe_unsettled": _text(unsettled, currency),
        "currency": currency,
        "stripe_fees": text(sum(move.fee for move in moves)),
        "stripe_net": text(sum(move.net for move in moves)),
        "settlement_currency": "EUR" if moves else None,
        "unexplained_amount": "0.00" if classification in EXPLAINED else rounded(off, "0.01"),
    }


def _through(order: Order | None, kinds: tuple[str, ...]) -> tuple[int, int]:
    """What the order's successful steps of these kinds moved through Stripe, and through others."""
    steps = [each for each in order.transactions if each.kind in kinds and each.status == "SUCCESS"] if order else []
    stripe = sum(each.amount.presentment for each in steps if each.gateway == "stripe")
    return stripe, sum(each.amount.presentment for each in steps) - stripe


def _steps(order: Order | None) -> list[datetime]:
    moving = ("SALE", "CAPTURE", "REFUND")
    return [t.processed_at for t in order.transactions if t.kind in moving and t.status == "SUCCESS"] if order else []


def _value(amount: int, order: Order | None, charges: list[Paid]) -> Decimal:
    """The buyer's minor units in euros: at the rate at which the order was paid, else at that of the charge."""
    if order and order.paid.presentment:
        return Decimal(amount * order.paid.shop).scaleb(-2) / order.paid.presentment
    first = charges[0]
    rate = next((_rate(move) for move in first.moves if move.type == "charge"), Decimal(1))
    return Decimal(amount).scaleb(-DECIMALS[first.currency]) * rate


def _rate(move: BalanceTransaction) -> Decimal:
    return Decimal(str(move.exchange_rate or 1))


def _text(amount: int, currency: str) -> str:
    return str(Decimal(amount).scaleb(-DECIMALS[currency]).quantize(Decimal("0.01")))
