"""How each product was looked at and what it has sold."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from mock_apis.sftp.uploads import upload_files
from mock_apis.truth.past import markdown
from mock_apis.truth.sale import Amounts, Sale
from mock_apis.truth.web import products, told
from mock_apis.truth.writing import Row, local_day, rate, sums, text
from mock_apis.world.world import World

SEEN = ("view_item", "add_to_cart")


@dataclass
class Costed:
    """The lines whose cost is known, in cents; `lines` is how many."""

    lines: int = 0
    units: int = 0
    net: int = 0
    cost: int = 0

    def add(self, line: Amounts, unit_cost: int) -> None:
        self.lines += 1
        self.units += line.units
        self.net += line.net
        self.cost += unit_cost * (line.units - line.units_returned)

    def row(self, units: int) -> Row:
        return {
            "costed_share": rate(self.units, units),
            "cost_of_goods": text(self.cost) if self.lines else None,
            "margin": text(self.net - self.cost) if self.lines else None,
            "margin_rate": rate(self.net - self.cost, self.net) if self.lines else None,
        }


def product_performance(world: World, sales: list[Sale]) -> list[Row]:
    titles = {str(product.id): product.title for product in world.products.values()}
    amounts: dict[str, Amounts] = {product_id: Amounts() for product_id in titles}
    orders: dict[str, set[int]] = defaultdict(set)
    costed: dict[str, Costed] = defaultdict(Costed)
    marked: dict[str, Counter[str]] = defaultdict(Counter)
    known = costs(world)
    seen = {name: Counter(p for event in told(world) if event.name == name for p in products(event)) for name in SEEN}
    for sale in sales:
        month = f"{local_day(world, sale.order.processed_at):%Y-%m}"
        for line in sale.order.lines:
            product_id = str(line.product_id) if line.product_id else "unknown"
            amounts.setdefault(product_id, Amounts()).add(sale.lines[line.id])
            orders[product_id].add(sale.order.id)
            if less := markdown(world, sale.order, line):
                marked[product_id].update(units=line.ordered, cents=less * line.ordered)
            if (cost := known.get((month, str(line.variant_id)))) is not None:
                costed[product_id].add(sale.lines[line.id], cost)
    return [
        {
            "product_id": product_id,
            "title": titles.get(product_id, "unknown"),
            "views": seen["view_item"][product_id],
            "add_to_carts": seen["add_to_cart"][product_id],
            "orders": len(orders[product_id]),
            "units_ordered": total.units,
            "units_returned": total.units_returned,
            **sums(total),
            "return_rate": rate(total.units_returned, total.units),
            **costed[product_id].row(total.units),
            "units_marked_down": marked[product_id]["units"],
            "marked_down_share": rate(marked[product_id]["units"], total.units),
            "markdown": text(marked[product_id]["cents"]),
            "currency": world.currency,
        }
        for product_id, total in sorted(amounts.items())
    ]


def costs(world: World) -> Mapping[tuple[str, str], int]:
    """Cents by (month, variant id), as the files tell them; none where they leave them empty."""
    found: dict[tuple[str, str], int] = {}
    for file in upload_files(world):
        for row in csv.DictReader(file.content.decode("windows-1252").splitlines(), delimiter=";"):
            if row["unit_cost"]:
                found[row["month"], row["variant_id"]] = int(Decimal(row["unit_cost"].replace(",", ".")) * 100)
    return found
