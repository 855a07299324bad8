"""Sales by day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

from mock_apis.truth.sale import Amounts, Sale, region_of
from mock_apis.truth.writing import Row, average, local_day, sums, text
from mock_apis.world.world import World


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
