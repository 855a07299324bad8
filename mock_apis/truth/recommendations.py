"""Which products go well beside each product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import permutations

from mock_apis.truth.sale import Sale
from mock_apis.truth.web import products, sessions, told
from mock_apis.truth.writing import Row, rate
from mock_apis.world.world import World

MINIMUM_SUPPORT = 3
BASKET_LIMIT = 50
SHOWN = 5

Found = dict[tuple[str, str], tuple[int, str]]


def product_recommendations(world: World, sales: list[Sale]) -> list[Row]:
    on_sale = {str(it.id): it.title for it in world.products.values() if it.status == "ACTIVE"}
    bought = affinities(
        {str(line.product_id) for line in sale.order.lines if line.product_id and line.ordered} for sale in sales
    )
    viewed = affinities(
        set().union(*(products(event) for event in session if event.name == "view_item")) for session in sessions(world)
    )
    views = Counter(product for event in told(world) if event.name == "view_item" for product in products(event))
    popular = sorted(on_sale, key=lambda product: (-views[product], product))
    rows: list[Row] = []
    for own in sorted(str(product.id) for product in world.products.values()):
        shown: dict[str, Row] = {}
        for reason, found in (("bought together", bought), ("viewed together", viewed)):
            for other in strongest(own, found):
                if other in on_sale and other not in shown:
                    support, lift = found[own, other]
                    shown[other] = {"reason": reason, "recommendation_support": support, "lift": lift}
        for other in popular:
            if other != own and other not in shown:
                shown[other] = {"reason": "most viewed", "recommendation_support": views[other], "lift": None}
        rows += [
            {
                "product_id": own,
                "recommendation_rank": rank,
                "recommended_product_id": other,
                "recommended_title": on_sale[other],
                **why,
            }
            for rank, (other, why) in enumerate(list(shown.items())[:SHOWN], 1)
        ]
    return rows


def affinities(baskets: Iterable[set[str]]) -> Found:
    """Support and lift of each pair, both ways, that is together often enough and more often than by chance."""
    kept = [basket for basket in baskets if 0 < len(basket) <= BASKET_LIMIT]
    single = Counter(product for basket in kept for product in basket)
    together = Counter(pair for basket in kept for pair in permutations(basket, 2))
    found: Found = {}
    for (own, other), support in together.items():
        lift = rate(support * len(kept), single[own] * single[other])
        if support >= MINIMUM_SUPPORT and lift and Decimal(lift) > 1:
            found[own, other] = support, lift
    return found


def strongest(own: str, found: Found) -> list[str]:
    others = [other for product, other in found if product == own]
    return sorted(others, key=lambda other: (-Decimal(found[own, other][1]), -found[own, other][0], other))
