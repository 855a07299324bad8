"""What Shopify says of each payment, held against what Stripe did. In the buyer's currency; fees and net in euros."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, local_day, text
from mock_apis.world.money import DECIMALS
from mock_apis.world.shop_model import Order
from mock_apis.world.stripe_model import BalanceTransaction, Charge, Dispute, StripeRefund
from mock_apis.world.world import World

SETTLED_AFTER = timedelta(days=3)


@dataclass(slots=True)
class Paid:
    """A charge that took money, with all that became of it."""

    charge: Charge
    refunds: list[StripeRefund] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    moves: list[BalanceTransaction] = field(default_factory=list)


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
    currency = order.currency if order else charges[0].charge.currency.upper()
    ours = [each for each in charges if each.charge.currency.upper() == currency]
    paid = order.paid.presentment if order else 0
    returned = order.total_refunded.presentment if order else 0
    captured = sum(each.charge.amount_captured for each in ours)
    refunded = sum(refund.amount for each in ours for refund in each.refunds if refund.status == "succeeded")
    disputed = sum(dispute.amount for each in ours for dispute in each.disputes if dispute.status != "won")
    difference = (paid - returned) - (captured - refunded)
    moves = [move for each in charges for move in each.moves]
    moved = max([*(move.created for move in moves), *_steps(order)])
    if len(ours) < len(charges):
        classification = "currency"
    elif disputed and difference in (0, -disputed):
        classification = "dispute"
    elif difference == 0:
        classification = "matched"
    elif order and difference < 0 and len({each.charge.amount_captured for each in ours}) < len(ours):
        classification = "duplicate"
    elif world.now - moved < SETTLED_AFTER:
        classification = "timing"
    elif order is None:
        classification = "missing order"
    else:
        classification = "amount" if charges else "missing payment"
    return {
        "payment_key": f"order:{order.id}" if order else f"charge:{charges[0].charge.id}",
        "order_id": str(order.id) if order else None,
        "charge_id": None if order else charges[0].charge.id,
        "last_moved_day": local_day(world, moved).isoformat(),
        "classification": classification,
        "age_days": (local_day(world, world.now) - local_day(world, moved)).days,
        "charges": len(charges),
        "shopify_paid": _text(paid, currency),
        "shopify_refunded": _text(returned, currency),
        "stripe_captured": _text(captured, currency),
        "stripe_refunded": _text(refunded, currency),
        "stripe_disputed": _text(disputed, currency),
        "payment_difference": _text(difference, currency),
        "currency": currency,
        "stripe_fees": text(sum(move.fee for move in moves)),
        "stripe_net": text(sum(move.net for move in moves)),
        "settlement_currency": "EUR" if moves else None,
    }


def _steps(order: Order | None) -> list[datetime]:
    moving = ("SALE", "CAPTURE", "REFUND")
    return [t.processed_at for t in order.transactions if t.kind in moving and t.status == "SUCCESS"] if order else []


def _text(amount: int, currency: str) -> str:
    return str(Decimal(amount).scaleb(-DECIMALS[currency]).quantize(Decimal("0.01")))
