"""Sales by day: of each region, and of each product, region and segment of customers."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date

from mock_apis.truth.identity import buyer_of, persons
from mock_apis.truth.past import is_subscribed
from mock_apis.truth.sale import Amounts, Return, Sale, region_of
from mock_apis.truth.writing import Row, average, local_day, median, sums, text
from mock_apis.world.money import divide
from mock_apis.world.shop_model import Line
from mock_apis.world.world import World


@dataclass
class Cell:
    """What stands in one row, in cents; `orders` are the sales, each once."""

    orders: set[int] = field(default_factory=set)
    worth: list[int] = field(default_factory=list)
    taxes: int = 0
    shipping: int = 0
    adjustments: int = 0
    amounts: Amounts = field(default_factory=Amounts)

    def sell(self, order_id: int, amounts: Amounts, taxes: int, shipping: int) -> None:
        self.orders.add(order_id)
        self.worth.append(amounts.gross - amounts.discounts)
        self.amounts.add(Amounts(amounts.units, 0, amounts.gross, amounts.discounts, 0))
        self.taxes += taxes
        self.shipping += shipping

    def take_back(self, back: Return) -> None:
        self.amounts.returns += back.amount
        self.taxes -= back.tax

    def give_back(self, shipping: int, shipping_tax: int, adjustments: int) -> None:
        self.shipping -= shipping
        self.taxes -= shipping_tax
        self.adjustments += adjustments

    def row(self) -> Row:
        return {
            "orders": len(self.orders),
            "units": self.amounts.units,
            **sums(self.amounts),
            "taxes": text(self.taxes),
            "shipping": text(self.shipping),
            "adjustments": text(self.adjustments),
            "total_sales": text(self.amounts.net + self.taxes + self.shipping + self.adjustments),
        }


def daily_sales_by_region(world: World, sales: list[Sale]) -> list[Row]:
    cells: dict[tuple[date, str], Cell] = defaultdict(Cell)
    subscribers: Counter[tuple[date, str]] = Counter()
    for sale in sales:
        key = local_day(world, sale.order.processed_at), region_of(sale.order.country_code)
        cells[key].sell(sale.order.id, sale.total, sale.taxes, sale.shipping)
        subscribers[key] += is_subscribed(world, sale.order)
        for back in sale.returned:
            cells[local_day(world, back.at), key[1]].take_back(back)
        for given in sale.given_back:
            if any(given[1:]):
                cells[local_day(world, given.at), key[1]].give_back(*given[1:])
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
        for line in order.lines:
            taxes = line.tax.shop + share(sale, line, order.shipping_tax.shop)
            shipping = share(sale, line, sale.shipping)
            cells[day, product[line.id], *where].sell(order.id, sale.lines[line.id], taxes, shipping)
        for back in sale.returned:
            cells[local_day(world, back.at), product[back.line_id], *where].take_back(back)
        for given in sale.given_back:
            for line in order.lines if any(given[1:]) else ():
                cell = cells[local_day(world, given.at), product[line.id], *where]
                cell.give_back(*(share(sale, line, amount) for amount in given[1:]))
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


def share(sale: Sale, line: Line, amount: int) -> int:
    """The line's part of what the order as a whole has, by what its lines were worth after discounts.

    Each line gets what is due up to it less what was given before.
    """
    lines = sorted(sale.order.lines, key=lambda each: str(each.id))
    worth = {each.id: sale.lines[each.id].gross - sale.lines[each.id].discounts for each in lines}
    if not sum(worth.values()):
        worth = dict.fromkeys(worth, 1)
    whole = sum(worth.values())
    before = sum(worth[each.id] for each in lines[: lines.index(line)])
    part = divide(abs(amount) * (before + worth[line.id]), whole) - divide(abs(amount) * before, whole)
    return part if amount >= 0 else -part
