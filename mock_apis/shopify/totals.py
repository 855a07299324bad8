"""The totals of an order, from its lines, shipping, refunds and transactions."""

from __future__ import annotations

from mock_apis.shopify.nodes import TaxNode
from mock_apis.world.shop_model import Money, Order


def zero(order: Order) -> Money:
    return Money(0, 0, order.currency)


def subtotal(order: Order) -> Money:
    """Lines after discounts, before returns; with the tax in it when the order's taxes are included."""
    return sum((each.unit_price.times(each.ordered) - each.discount for each in order.lines), zero(order))


def tax(order: Order) -> Money:
    return sum((each.tax for each in order.lines), order.shipping_tax)


def discounts(order: Order) -> Money:
    return sum((each.discount for each in order.lines), zero(order))


def total(order: Order) -> Money:
    """What the order comes to before returns."""
    before_tax = subtotal(order) + order.shipping
    return before_tax if order.taxes_included else before_tax + tax(order)


def refunded(order: Order) -> Money:
    """Money given back."""
    return sum((each.total for each in order.refunds), zero(order))


def current_subtotal(order: Order) -> Money:
    returned = (line.subtotal for refund in order.refunds for line in refund.lines)
    return subtotal(order) - sum(returned, zero(order))


def current_tax(order: Order) -> Money:
    returned = (line.tax for refund in order.refunds for line in refund.lines)
    return tax(order) - sum(returned, zero(order)) - order.shipping_tax_refunded


def current_total(order: Order) -> Money:
    before_tax = current_subtotal(order) + order.shipping - order.shipping_refunded
    return before_tax if order.taxes_included else before_tax + current_tax(order)


def received(order: Order) -> Money:
    """Money taken: sales and captures that went through."""
    taken = (
        each.amount for each in order.transactions if each.kind in ("SALE", "CAPTURE") and each.status == "SUCCESS"
    )
    return sum(taken, zero(order))


def net_payment(order: Order) -> Money:
    return received(order) - refunded(order)


def outstanding(order: Order) -> Money:
    """What the buyer still owes: nothing once the order is cancelled, nor what was given out of goodwill."""
    given = (each.amount for refund in order.refunds for each in refund.adjustments)
    owed = current_total(order) + sum(given, zero(order)) - net_payment(order)
    return owed if order.cancelled_at is None and owed.shop > 0 else zero(order)


def tax_lines(order: Order) -> list[TaxNode]:
    """The taxes of the whole order, one line a title and rate."""
    found: dict[tuple[str, float], Money] = {}
    for each in order.lines:
        key = (each.tax_title, each.tax_rate)
        found[key] = found.get(key, zero(order)) + each.tax
    if order.lines and (order.shipping_tax.shop or order.shipping_tax.presentment):
        key = (order.lines[0].tax_title, order.lines[0].tax_rate)
        found[key] += order.shipping_tax
    return [TaxNode(title, rate, price) for (title, rate), price in found.items() if rate or price.shop]


def closed(order: Order) -> bool:
    """Whether the shop has archived it: done with, one way or the other."""
    paid = order.financial_status in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED")
    return order.cancelled_at is not None or (paid and order.fulfillment_status == "FULFILLED")
