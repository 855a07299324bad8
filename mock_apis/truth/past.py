"""What a reader can know of how things stood when an order came.

The APIs tell how a product or a customer is now. So a reader who looks each morning, for the first time when the world
has grown, knows what was true at a thing's first reading and what changed since, and takes the first to have held ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mock_apis.truth.writing import local_day
from mock_apis.world.shop_model import Line, Order
from mock_apis.world.world import World


def markdown(world: World, order: Order, line: Line) -> int:
    """How many cents of the shop's currency less than the crossed-out price each unit cost; 0 when there was none."""
    product = world.products.get(line.product_id or 0)
    if product is None or line.variant_id is None or order.processed_at < product.created_at:
        return 0
    first = first_reading(world, product.created_at)
    shown: int | None = None
    for at, price in world.crossed_out.get(line.variant_id, ()):
        if at <= max(first, order.processed_at):
            shown = price
    return max(0, (shown or 0) - line.unit_price.shop)


def is_subscribed(world: World, order: Order) -> bool:
    """Whether the buyer's account agreed to marketing when the order came. Once taken back, it is for good."""
    customer = world.customers.get(order.customer_id or 0)
    if customer is None or order.processed_at < customer.created_at:
        return False
    return customer.marketing_state == "SUBSCRIBED" or (
        customer.marketing_updated_at is not None
        and customer.marketing_updated_at > max(first_reading(world, customer.created_at), order.processed_at)
    )


def first_reading(world: World, created_at: datetime) -> datetime:
    """The morning at which a thing was first read."""
    grown = world.morning(world.first_day + timedelta(days=world.scale.days))
    day = local_day(world, created_at)
    next_morning = min(m for m in (world.morning(day), world.morning(day + timedelta(days=1))) if m >= created_at)
    return max(grown, next_morning)
