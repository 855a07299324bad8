"""Sales by day: of each region, and of each product, region and segment of customers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from mock_apis.truth.identity import buyer_of, persons
from mock_apis.truth.past import is_subscribed
from mock_apis.truth.sale import Amounts, Sale, region_of
from mock_apis.truth.writing import Row, average, local_day, median, sums, text
from mock_apis.world.money import divide
from mock_apis.world.world import World


@dataclass
class Cell:
    """What stands in one row, in cents; `orders` are the sales, each once."""

    orders: set[int] = field(default_factory=set)
    worth: list[int] = field(default_factory=list)
    taxes: int = 0
    shipping: int = 0
    amounts: Amounts = field(default_factory=Amounts)

    def sell(self, order_id: int, amounts: Amounts, taxes: int, shipping: int) -> None:
        self.orders.add(order_id)
        self.worth.append(amounts.gross - amounts.discounts)
        self.amounts.add(Amounts(amounts.units, 0, amounts.gross, amounts.discounts, 0))
        self.taxes += taxes
        self.shipping += shipping

    def row(self) -> Row:
        return {
            "orders": len(self.orders),
            "units": self.amounts.units,
            **sums(self.amounts),
            "taxes": text(self.taxes),
            "shipping": text(self.shipping),
            "total_sales": text(self.amounts.net + self.taxes + self.shipping),
        }


def daily_sales_by_region(world: World, sales: list[Sale]) -> list[Row]:
    cells: dict[tuple[date, str], Cell] = defaultdict(Cell)
    subscribers: Counter[tuple[date, str]] = Counter()
    for sale in sales:
        key = local_day(world, sale.order.processed_at), region_of(sale.order.country_code)
        cells[key].sell(sale.order.id, sale.total, sale.taxes, sale.shipping)
        subscribers[key] += is_subscribed(world, sale.order)
        for back in sale.returned:
            cells[local_day(world, back.at), key[1]].amounts.returns += back.amount
    return [
        {
            "day": day.isoformat(),
            "region": region,
            **cell.row(),
            "subscriber_orders": subscribers[day, region],
            "average_order_value": average(cell.amounts, len(cell.orders)),
            "median_order_value": median(cell.worth),
            "currency": world.currency,
        }
        for (day, region), cell in sorted(cells.items())
    ]


def daily_revenue(world: World, sales: list[Sale]) -> list[Row]:
    first = first_sales(world, sales)
    cells: dict[tuple[date, str, str, str], Cell] = defaultdict(Cell)
    for sale in sales:
        order = sale.order
        where = region_of(order.country_code), "new" if order.id in first else "returning"
        day = local_day(world, order.processed_at)
        product = {line.id: str(line.product_id or "unknown") for line in order.lines}
        for line_id, taxes, shipping in shares(sale):
            cells[day, product[line_id], *where].sell(order.id, sale.lines[line_id], taxes, shipping)
        for back in sale.returned:
            cells[local_day(world, back.at), product[back.line_id], *where].amounts.returns += back.amount
    return [
        {
            "day": day.isoformat(),
            "product_id": product_id,
            "region": region,
            "segment": segment,
            **cell.row(),
            "currency": world.currency,
        }
        for (day, product_id, region, segment), cell in sorted(cells.items())
    ]


def first_sales(world: World, sales: list[Sale]) -> set[int]:
    """The order ids of each buyer's first sale."""
    person = persons(world)
    first: dict[str, Sale] = {}
    for sale in sorted(sales, key=lambda each: (each.order.processed_at, str(each.order.id))):
        first.setdefault(person[buyer_of(sale.order)], sale)
    return {sale.order.id for sale in first.values()}


def shares(sale: Sale) -> Iterator[tuple[int, int, int]]:
    """(line id, taxes, shipping) of each line: its own taxes, and its part of the shipping and of the taxes on it.

    Shared by what the lines were worth after discounts; each gets what is due up to it less what was given before.
    """
    lines = sorted(sale.order.lines, key=lambda line: str(line.id))
    worth = {line.id: sale.lines[line.id].gross - sale.lines[line.id].discounts for line in lines}
    if not sum(worth.values()):
        worth = dict.fromkeys(worth, 1)
    whole, upto = sum(worth.values()), 0
    for line in lines:
        before, upto = upto, upto + worth[line.id]
        taxes, shipping = (
            divide(amount * upto, whole) - divide(amount * before, whole)
            for amount in (sale.order.shipping_tax.shop, sale.shipping)
        )
        yield line.id, line.tax.shop + taxes, shipping
