"""What an order is worth: which orders count as sales, and what their lines brought. Integer cents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from mock_apis.world.places import EU
from mock_apis.world.shop_model import Order

UNPAID = ("PENDING", "VOIDED", "EXPIRED")


@dataclass(slots=True)
class Amounts:
    units: int = 0
    units_returned: int = 0
    gross: int = 0
    discounts: int = 0
    returns: int = 0

    @property
    def net(self) -> int:
        return self.gross - self.discounts - self.returns

    def add(self, other: Amounts) -> None:
        self.units += other.units
        self.units_returned += other.units_returned
        self.gross += other.gross
        self.discounts += other.discounts
        self.returns += other.returns


class Return(NamedTuple):
    """A line of a refund: when, of which line of the order, what it was sold for, and the tax on it."""

    at: datetime
    line_id: int
    amount: int
    tax: int


class GivenBack(NamedTuple):
    """What a refund moved beside goods: the shipping that went back and the tax on it, and its adjustments."""

    at: datetime
    shipping: int
    shipping_tax: int
    adjustments: int


@dataclass(slots=True)
class Sale:
    """A sale order and what each of its lines brought, returns to date included."""

    order: Order
    lines: dict[int, Amounts] = field(default_factory=dict)
    returned: list[Return] = field(default_factory=list)
    given_back: list[GivenBack] = field(default_factory=list)

    @classmethod
    def of(cls, order: Order) -> Sale:
        sale = cls(order)
        for line in order.lines:
            gross = line.unit_price.shop * line.ordered
            if order.taxes_included:
                gross -= line.tax.shop
            sale.lines[line.id] = Amounts(line.ordered, 0, gross, line.discount.shop, 0)
        for refund in order.refunds:
            for part in refund.lines:
                amount = part.subtotal.shop - (part.tax.shop if order.taxes_included else 0)
                sale.lines[part.line_id].returns += amount
                sale.lines[part.line_id].units_returned += part.quantity
                sale.returned.append(Return(refund.created_at, part.line_id, amount, part.tax.shop))
            shipping_tax = sum(part.tax.shop for part in refund.shipping_lines)
            shipping = sum(part.subtotal.shop for part in refund.shipping_lines)
            if order.taxes_included:
                shipping -= shipping_tax
            adjustments = sum(each.amount.shop for each in refund.adjustments)
            sale.given_back.append(GivenBack(refund.created_at, shipping, shipping_tax, adjustments))
        return sale

    @property
    def total(self) -> Amounts:
        total = Amounts()
        for amounts in self.lines.values():
            total.add(amounts)
        return total

    @property
    def taxes(self) -> int:
        """As first charged."""
        return sum(line.tax.shop for line in self.order.lines) + self.order.shipping_tax.shop

    @property
    def shipping(self) -> int:
        included = self.order.shipping_tax.shop if self.order.taxes_included else 0
        return self.order.shipping.shop - included


def is_sale(order: Order) -> bool:
    return not order.test and order.cancelled_at is None and order.financial_status not in UNPAID


def region_of(country_code: str | None) -> str:
    if country_code is None:
        return "Unknown"
    if country_code in EU:
        return "EU"
    if country_code == "GB":
        return "United Kingdom"
    return "North America" if country_code in ("US", "CA") else "Rest of world"
