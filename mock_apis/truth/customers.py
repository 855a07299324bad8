"""What each customer has bought."""

from __future__ import annotations

from collections import defaultdict

from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, average, customer_key, local_day, sums, together
from mock_apis.world.world import World


def customer_lifetime_value(world: World, sales: list[Sale]) -> list[Row]:
    bought: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        bought[customer_key(sale.order)].append(sale)
    rows = []
    for key, own in sorted(bought.items()):
        days = [local_day(world, sale.order.processed_at) for sale in own]
        total = together(sale.total for sale in own)
        rows.append(
            {
                "customer_key": key,
                "is_guest": own[0].order.customer_id is None,
                "first_order_day": min(days).isoformat(),
                "last_order_day": max(days).isoformat(),
                "orders": len(own),
                **sums(total),
                "average_order_value": average(total, len(own)),
                "currency": world.currency,
            }
        )
    return rows
