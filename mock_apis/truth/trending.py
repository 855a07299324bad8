"""Which products shoppers turn to more than they did."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from fractions import Fraction

from mock_apis.truth.sale import Sale
from mock_apis.truth.web import day_of, products, told
from mock_apis.truth.writing import Row, local_day, rate
from mock_apis.world.world import World

MINIMUM_ACTIVITY = 5


def trending_products(world: World, sales: list[Sale]) -> list[Row]:
    orders: dict[str, Counter[date]] = defaultdict(Counter)
    actions: dict[str, Counter[date]] = defaultdict(Counter)
    for sale in sales:
        day = local_day(world, sale.order.processed_at)
        for product_id in {str(line.product_id) for line in sale.order.lines}:
            orders[product_id][day] += 1
            actions[product_id][day] += 1
    for event in told(world):
        if event.name in ("view_item", "add_to_cart"):
            for product_id in products(event):
                actions[product_id][day_of(world, event)] += 1
    rows: list[tuple[Fraction, Row]] = []
    for product in world.products.values():
        product_id = str(product.id)
        days = [world.today - timedelta(days=back) for back in range(1, 36)]
        recent = sum(actions[product_id][day] for day in days[:7])
        past = sum(actions[product_id][day] for day in days[7:])
        there = min(28, (days[6] - local_day(world, product.created_at)).days)
        score = rate(recent * there, max(past, 1) * 7)
        on_sale = product.status == "ACTIVE"  # and has been since it was made: here nothing comes back
        if on_sale and there >= 7 and recent >= MINIMUM_ACTIVITY and Fraction(str(score)) > 1:
            row: Row = {
                "product_id": product_id,
                "title": product.title,
                "recent_orders": sum(orders[product_id][day] for day in days[:7]),
                "recent_activity": recent,
                "recent_activity_per_day": rate(recent, 7),
                "past_activity_per_day": rate(past, there),
                "trend_score": score,
            }
            rows.append((Fraction(str(score)), row))
    rows.sort(key=lambda each: (-each[0], -each[1]["recent_activity"], each[1]["product_id"]))
    return [{**row, "trend_rank": rank} for rank, (_, row) in enumerate(rows, 1)]
