"""What each of Stripe's payouts is made of."""

from __future__ import annotations

from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, local_day, text
from mock_apis.world.world import World


def payout_reconciliation(world: World, sales: list[Sale]) -> list[Row]:
    """By the payout that Stripe itself noted on each movement, which no API tells the warehouse."""
    rows = []
    for payout in sorted(world.payouts.values(), key=lambda payout: payout.id):
        held = [t for t in world.balance_transactions.values() if t.payout == payout.id and t.type != "payout"]
        net = sum(t.net for t in held)
        rows.append(
            {
                "payout_id": payout.id,
                "payout_day": local_day(world, payout.created).isoformat(),
                "status": payout.status,
                "payout_amount": text(payout.amount),
                "movements": len(held),
                "movements_gross": text(sum(t.amount for t in held)),
                "movements_fees": text(sum(t.fee for t in held)),
                "movements_net": text(net),
                "payout_difference": text(payout.amount - net),
                "currency": world.currency,
            }
        )
    return rows
