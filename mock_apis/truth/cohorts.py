"""Those who came in one month, and what they bought in each month since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from mock_apis.truth.customers import bought_by, month_of
from mock_apis.truth.email import clicks_before, clicks_of
from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, rate, rounded, text
from mock_apis.world.world import World


@dataclass
class Month:
    """What a cohort did in one month; `net` in cents."""

    buyers: set[str] = field(default_factory=set)
    orders: int = 0
    net: int = 0


def customer_cohorts(world: World, sales: list[Sale]) -> list[Row]:
    return cohorts(world, sales, lambda first: {})


def customer_cohorts_by_product(world: World, sales: list[Sale]) -> list[Row]:
    titles = {str(product.id): product.title for product in world.products.values()}

    def first_product(first: Sale) -> Row:
        best = min(first.order.lines, key=lambda line: (-first.lines[line.id].gross, str(line.id)), default=None)
        product_id = str(best.product_id) if best and best.product_id else "unknown"
        return {"product_id": product_id, "title": titles.get(product_id, "unknown")}

    return cohorts(world, sales, first_product)


def customer_cohorts_by_campaign(world: World, sales: list[Sale]) -> list[Row]:
    clicks = clicks_of(world)

    def campaign(first: Sale) -> Row:
        touches = clicks_before(first.order, clicks)
        if not touches:
            return {"campaign_id": "none", "campaign_name": "none"}
        campaign = world.campaigns[touches[-1].campaign_id]
        return {"campaign_id": campaign.id, "campaign_name": campaign.name}

    return cohorts(world, sales, campaign)


def cohorts(world: World, sales: list[Sale], shared: Callable[[Sale], Row]) -> list[Row]:
    """The rows of those who came in the same month and share what `shared` says of their first sales."""
    found: dict[tuple[int, tuple[tuple[str, str], ...]], dict[int, Month]] = defaultdict(lambda: defaultdict(Month))
    last = 0
    for customer, own in bought_by(world, sales).items():
        first = min(own, key=lambda sale: (sale.order.processed_at, str(sale.order.id)))
        began = month_of(world, first.order.processed_at)
        months = found[began, tuple(shared(first).items())]
        for sale in own:
            then = months[month_of(world, sale.order.processed_at)]
            then.buyers.add(customer)
            then.orders += 1
            then.net += sale.total.gross - sale.total.discounts
            for back in sale.returned:
                months[max(began, month_of(world, back.at))].net -= back.amount
        last = max(last, *months)
    rows = []
    for (began, keys), months in found.items():
        size, net = len(months[began].buyers), 0
        for month in range(began, last + 1):
            net += months[month].net
            rows.append(
                {
                    "cohort_month": date(began // 12, began % 12 + 1, 1).isoformat(),
                    **dict(keys),
                    "months_since": month - began,
                    "cohort_customers": size,
                    "active_customers": len(months[month].buyers),
                    "orders": months[month].orders,
                    "net_sales": text(months[month].net),
                    "retention_rate": rate(len(months[month].buyers), size),
                    "cumulative_net_sales": text(net),
                    "cumulative_value_per_customer": rounded(Decimal(net) / (100 * size), "0.01"),
                    "currency": world.currency,
                }
            )
    return rows
