"""What each product has sold."""

from __future__ import annotations

from collections import defaultdict

from mock_apis.truth.sale import Amounts, Sale
from mock_apis.truth.writing import Row, rate, sums
from mock_apis.world.world import World


def product_performance(world: World, sales: list[Sale]) -> list[Row]:
    titles = {str(product.id): product.title for product in world.products.values()}
    amounts: dict[str, Amounts] = {product_id: Amounts() for product_id in titles}
    orders: dict[str, set[int]] = defaultdict(set)
    for sale in sales:
        for line in sale.order.lines:
            product_id = str(line.product_id) if line.product_id else "unknown"
            amounts.setdefault(product_id, Amounts()).add(sale.lines[line.id])
            orders[product_id].add(sale.order.id)
    return [
        {
            "product_id": product_id,
            "title": titles.get(product_id, "unknown"),
            "orders": len(orders[product_id]),
            "units_ordered": total.units,
            "units_returned": total.units_returned,
            **sums(total),
            "return_rate": rate(total.units_returned, total.units),
            "currency": world.currency,
        }
        for product_id, total in sorted(amounts.items())
    ]
