"""What each of Stripe's payouts is made of."""

from __future__ import annotations

from mock_apis.truth.payments import SETTLED_AFTER
from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, local_day, text
from mock_apis.world.world import World


def payout_reconciliation(world: World, sales: list[Sale]) -> list[Row]:
    """By the payout that Stripe itself noted on each movement.

    The warehouse does not ask Stripe for the movements of one payout after the other, and tells it by time.
    """
    rows = []
    for payout in sorted(world.payouts.values(), key=lambda payout: payout.id):
        held = [t for t in world.balance_transactions.values() if t.payout == payout.id != t.source]
        net = sum(t.net for t in held)
        difference = payout.amount - net
        if not payout.automatic:
            classification = "manual"
        elif difference == 0:
            classification = "matched"
        else:
            classification = "timing" if world.now - payout.created < SETTLED_AFTER else "amount"
        rows.append(
            {
                "payout_id": payout.id,
                "payout_day": local_day(world, payout.created).isoformat(),
                "status": payout.status,
                "classification": classification,
                "is_explained": classification != "amount",
                "age_days": (local_day(world, world.now) - local_day(world, payout.created)).days,
                "payout_amount": text(payout.amount),
                "movements": len(held),
                "movements_gross": text(sum(t.amount for t in held)),
                "movements_fees": text(sum(t.fee for t in held)),
                "movements_net": text(net),
                "payout_difference": text(difference),
                "currency": world.currency,
                "unexplained_amount": text(abs(difference) if classification == "amount" else 0),
            }
        )
    return rows
