"""What the marts must say of a world, worked out from the world itself in plain Python.

It shares nothing with the warehouse's SQL, so that the two can be held against
each other to the cent. Amounts are integer cents of the shop's currency until
they are written. A mart is a function in the file of its area, and a line in MARTS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mock_apis.truth.cohorts import customer_cohorts, customer_cohorts_by_campaign, customer_cohorts_by_product
from mock_apis.truth.customers import customer_lifetime_value, customer_segments, monthly_customer_metrics
from mock_apis.truth.email import email_campaign_performance
from mock_apis.truth.lifetime_value import lifetime_value_backtest
from mock_apis.truth.loyalty import loyalty_tiers
from mock_apis.truth.money import payout_reconciliation
from mock_apis.truth.payments import payments_reconciliation
from mock_apis.truth.products import product_performance
from mock_apis.truth.recommendations import product_recommendations
from mock_apis.truth.revenue import daily_revenue, daily_sales_by_region
from mock_apis.truth.sale import Sale, is_sale
from mock_apis.truth.trending import trending_products
from mock_apis.truth.web import daily_funnel
from mock_apis.truth.writing import Row
from mock_apis.world.world import World

MARTS: dict[str, Callable[[World, list[Sale]], list[Row]]] = {
    "daily_sales_by_region": daily_sales_by_region,
    "daily_revenue": daily_revenue,
    "customer_lifetime_value": customer_lifetime_value,
    "lifetime_value_backtest": lifetime_value_backtest,
    "customer_segments": customer_segments,
    "monthly_customer_metrics": monthly_customer_metrics,
    "customer_cohorts": customer_cohorts,
    "customer_cohorts_by_product": customer_cohorts_by_product,
    "customer_cohorts_by_campaign": customer_cohorts_by_campaign,
    "loyalty_tiers": loyalty_tiers,
    "product_performance": product_performance,
    "email_campaign_performance": email_campaign_performance,
    "payments_reconciliation": payments_reconciliation,
    "daily_funnel": daily_funnel,
    "trending_products": trending_products,
    "product_recommendations": product_recommendations,
    "payout_reconciliation": payout_reconciliation,
}


def truth(world: World) -> dict[str, Any]:
    """`{"as_of": ISO time, "marts": {mart: rows by key}}` of the world at its `now`.

    Money is text with two decimals, rates text with four or None, days ISO dates.
    """
    sales = [Sale.of(order) for order in world.orders.values() if is_sale(order)]
    return {
        "as_of": world.now.isoformat().replace("+00:00", "Z"),
        "marts": {mart: rows(world, sales) for mart, rows in MARTS.items()},
    }
