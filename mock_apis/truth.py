"""What the marts must say of a world, worked out from the world itself in plain Python.

It shares nothing with the warehouse's SQL, so that the two can be held against
each other to the cent. Amounts are integer cents of the shop's currency until
they are written.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from mock_apis.sales import Amounts, Sale, is_sale, region_of
from mock_apis.world.email_model import Campaign, EmailEvent
from mock_apis.world.shop_model import Order
from mock_apis.world.world import World

ATTRIBUTION_WINDOW = timedelta(days=5)
Row = dict[str, Any]


def truth(world: World) -> dict[str, Any]:
    """`{"as_of": ISO time, "marts": {mart: rows by key}}` of the world at its `now`.

    Money is text with two decimals, rates text with four or None, days ISO dates.
    """
    sales = [Sale.of(order) for order in world.orders.values() if is_sale(order)]
    return {
        "as_of": world.now.isoformat().replace("+00:00", "Z"),
        "marts": {
            "daily_sales_by_region": daily_sales_by_region(world, sales),
            "customer_lifetime_value": customer_lifetime_value(world, sales),
            "product_performance": product_performance(world, sales),
            "email_campaign_performance": email_campaign_performance(world, sales),
        },
    }


# The marts


def daily_sales_by_region(world: World, sales: list[Sale]) -> list[Row]:
    @dataclass
    class Cell:
        orders: int = 0
        taxes: int = 0
        shipping: int = 0
        amounts: Amounts = field(default_factory=Amounts)

    cells: dict[tuple[date, str], Cell] = defaultdict(Cell)
    for sale in sales:
        region = region_of(sale.order.country_code)
        cell = cells[local_day(world, sale.order.processed_at), region]
        cell.orders += 1
        cell.taxes += sale.taxes
        cell.shipping += sale.shipping
        total = sale.total
        cell.amounts.add(Amounts(total.units, 0, total.gross, total.discounts, 0))
        for returned_at, amount in sale.returned:
            cells[local_day(world, returned_at), region].amounts.returns += amount
    return [
        {
            "day": day.isoformat(),
            "region": region,
            "orders": cell.orders,
            "units": cell.amounts.units,
            **sums(cell.amounts),
            "taxes": text(cell.taxes),
            "shipping": text(cell.shipping),
            "total_sales": text(cell.amounts.net + cell.taxes + cell.shipping),
            "average_order_value": average(cell.amounts, cell.orders),
            "currency": world.currency,
        }
        for (day, region), cell in sorted(cells.items())
    ]


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


def email_campaign_performance(world: World, sales: list[Sale]) -> list[Row]:
    reached: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    clicks: dict[str, list[EmailEvent]] = defaultdict(list)
    for event in world.email_events:
        reached[event.campaign_id][event.type].add(address(event.email))
        if event.type == "click":
            clicks[address(event.email)].append(event)
    won: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        if click := last_click(sale.order, clicks[address(sale.order.email)]):
            won[click.campaign_id].append(sale)
    return [campaign_row(world, c, reached[c.id], won[c.id]) for _, c in sorted(world.campaigns.items())]


def campaign_row(world: World, campaign: Campaign, reached: dict[str, set[str]], won: list[Sale]) -> Row:
    count = {kind: len(reached[kind]) for kind in ("sent", "bounce", "open", "click", "unsubscribe")}
    delivered = count["sent"] - count["bounce"]
    net = sum(sale.total.net for sale in won)
    return {
        "campaign_id": campaign.id,
        "name": campaign.name,
        "sent_day": local_day(world, campaign.sent_at).isoformat(),
        "cost": text(campaign.cost),
        "sent": count["sent"],
        "bounced": count["bounce"],
        "delivered": delivered,
        "opened": count["open"],
        "clicked": count["click"],
        "unsubscribed": count["unsubscribe"],
        "open_rate": rate(count["open"], delivered),
        "click_rate": rate(count["click"], delivered),
        "orders": len(won),
        "attributed_net_sales": text(net),
        "conversion_rate": rate(len(won), delivered),
        "return_on_investment": rate(net - campaign.cost, campaign.cost),
        "currency": world.currency,
    }


def last_click(order: Order, clicks: list[EmailEvent]) -> EmailEvent | None:
    """The click that gets the credit: the last one at or up to five days before the order."""
    opens = order.processed_at - ATTRIBUTION_WINDOW
    near = [click for click in clicks if opens <= click.occurred_at <= order.processed_at]
    return max(near, key=lambda click: (click.occurred_at, click.id), default=None)


# Keys, days, and how numbers are written


def address(email: str) -> str:
    return email.strip(" ").lower()


def customer_key(order: Order) -> str:
    if order.customer_id is not None:
        return str(order.customer_id)
    return "guest:" + hashlib.md5(address(order.email).encode(), usedforsecurity=False).hexdigest()


def local_day(world: World, at: datetime) -> date:
    return at.astimezone(world.zone).date()


def together(parts: Iterable[Amounts]) -> Amounts:
    total = Amounts()
    for part in parts:
        total.add(part)
    return total


def sums(amounts: Amounts) -> Row:
    return {
        "gross_sales": text(amounts.gross),
        "discounts": text(amounts.discounts),
        "returns": text(amounts.returns),
        "net_sales": text(amounts.net),
    }


def text(cents: int) -> str:
    return str(Decimal(cents).scaleb(-2).quantize(Decimal("0.01")))


def average(amounts: Amounts, orders: int) -> str | None:
    """What an order was worth before returns, in money; None without orders."""
    if not orders:
        return None
    return rounded(Decimal(amounts.gross - amounts.discounts) / (100 * orders), "0.01")


def rate(part: int, whole: int) -> str | None:
    return rounded(Decimal(part) / whole, "0.0001") if whole else None


def rounded(value: Decimal, step: str) -> str:
    return str(value.quantize(Decimal(step), ROUND_HALF_UP))
