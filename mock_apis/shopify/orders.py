"""How an order and its parts are answered."""

from __future__ import annotations

from mock_apis.shopify import totals
from mock_apis.shopify.fields import Resolver, bag, constant, cut, identified, of, page, plain, when
from mock_apis.shopify.nodes import (
    AddressNode,
    AdjustmentNode,
    Graph,
    LineNode,
    RefundLineNode,
    RefundNode,
    RefundShippingLineNode,
    ShippingNode,
    TaxNode,
    TransactionNode,
    VariantNode,
)
from mock_apis.shopify.values import gid
from mock_apis.world.shop_model import Customer, Line, Money, Order, Product


def customer_of(order: Order, graph: Graph) -> Customer | None:
    return None if order.customer_id is None else graph.world.customers.get(order.customer_id)


def line_tax(line: Line) -> list[TaxNode]:
    return [TaxNode(line.tax_title, line.tax_rate, line.tax)] if line.tax_rate or line.tax.shop else []


def line_discounts(line: Line) -> list[dict[str, Money]]:
    return [{"allocated": line.discount}] if line.discount.shop or line.discount.presentment else []


def shipping_tax(node: ShippingNode) -> list[TaxNode]:
    order = node.order
    if not order.lines or not (order.shipping_tax.shop or order.shipping_tax.presentment):
        return []
    return [TaxNode(order.lines[0].tax_title, order.lines[0].tax_rate, order.shipping_tax)]


def parent_transaction(node: TransactionNode) -> TransactionNode | None:
    found = (each for each in node.order.transactions if each.id == node.transaction.parent_id)
    return next((TransactionNode(each, node.order) for each in found), None)


def line_variant(node: LineNode, graph: Graph) -> VariantNode | None:
    return None if node.line.variant_id is None else graph.variants.get(node.line.variant_id)


def line_product(node: LineNode, graph: Graph) -> Product | None:
    return None if node.line.product_id is None else graph.world.products.get(node.line.product_id)


def order_address(order: Order, graph: Graph) -> AddressNode:
    return AddressNode(order.id, order, customer_of(order, graph))


def error_code(node: TransactionNode, known: frozenset[str]) -> str | None:
    code = node.transaction.error_code
    if code is None:
        return None
    return code.upper() if code.upper() in known else "GENERIC_ERROR"


ORDER: dict[str, Resolver] = identified("Order", "id") | {
    "name": plain("name"),
    "number": of(lambda order: int("".join(filter(str.isdigit, order.name)) or 0)),
    "createdAt": when("created_at"),
    "processedAt": when("processed_at"),
    "updatedAt": when("updated_at"),
    "cancelledAt": when("cancelled_at"),
    "cancelReason": of(lambda order: order.cancel_reason.upper() if order.cancel_reason else None),
    "closed": of(totals.closed),
    "confirmed": constant(True),
    "test": plain("test"),
    "edited": of(lambda order: any(each.removed for each in order.lines)),
    "email": of(lambda order: order.email or None),
    "phone": constant(None),
    "note": constant(None),
    "tags": constant([]),
    "sourceName": constant("web"),
    "taxesIncluded": plain("taxes_included"),
    "currencyCode": lambda _order, info: info.context.world.currency,
    "presentmentCurrencyCode": plain("currency"),
    "displayFinancialStatus": plain("financial_status"),
    "displayFulfillmentStatus": plain("fulfillment_status"),
    "fullyPaid": of(lambda order: totals.received(order).shop >= totals.total(order).shop),
    "unpaid": of(lambda order: totals.received(order).shop == 0),
    "discountCode": of(lambda order: next(iter(order.discount_codes), None)),
    "discountCodes": plain("discount_codes"),
    "paymentGatewayNames": of(lambda order: sorted({each.gateway for each in order.transactions})),
    "subtotalLineItemsQuantity": of(lambda order: sum(each.quantity for each in order.lines)),
    "currentSubtotalLineItemsQuantity": of(
        lambda order: sum(LineNode(each, order).current_quantity for each in order.lines)
    ),
    "customer": lambda order, info: customer_of(order, info.context),
    "shippingAddress": lambda order, info: order_address(order, info.context),
    "billingAddress": lambda order, info: order_address(order, info.context),
    "shippingLine": of(ShippingNode),
    "shippingLines": lambda order, _info, **args: page([ShippingNode(order)], lambda node: node.order.id, args),
    "lineItems": lambda order, _info, **args: page(
        [LineNode(each, order) for each in order.lines], lambda node: node.line.id, args
    ),
    "refunds": lambda order, _info, first=None: cut([RefundNode(each, order) for each in order.refunds], first),
    "transactions": lambda order, _info, first=None: cut(
        [TransactionNode(each, order) for each in order.transactions], first
    ),
    "transactionsCount": of(lambda order: {"count": len(order.transactions), "precision": "EXACT"}),
    "taxLines": of(totals.tax_lines),
    "subtotalPriceSet": bag(totals.subtotal),
    "totalTaxSet": bag(totals.tax),
    "totalDiscountsSet": bag(totals.discounts),
    "totalShippingPriceSet": bag(lambda order: order.shipping),
    "totalPriceSet": bag(totals.total),
    "totalRefundedSet": bag(totals.refunded),
    "totalReceivedSet": bag(totals.received),
    "totalOutstandingSet": bag(totals.outstanding),
    "netPaymentSet": bag(totals.net_payment),
    "currentSubtotalPriceSet": bag(totals.current_subtotal),
    "currentTotalTaxSet": bag(totals.current_tax),
    "currentTotalPriceSet": bag(totals.current_total),
}

ORDER_PARTS: dict[str, dict[str, Resolver]] = {
    "LineItem": identified("LineItem", "line.id")
    | {
        "title": plain("line.title"),
        "name": plain("line.title"),
        "sku": plain("line.sku"),
        "quantity": plain("line.quantity"),
        "currentQuantity": plain("current_quantity"),
        "refundableQuantity": plain("current_quantity"),
        "originalUnitPriceSet": bag(lambda node: node.line.unit_price),
        "originalTotalSet": bag(lambda node: node.line.unit_price.times(node.line.quantity)),
        "discountAllocations": of(lambda node: line_discounts(node.line)),
        "taxLines": lambda node, _info, first=None: cut(line_tax(node.line), first),
        "product": lambda node, info: line_product(node, info.context),
        "variant": lambda node, info: line_variant(node, info.context),
        "variantTitle": lambda node, info: found.variant.title if (found := line_variant(node, info.context)) else None,
        "vendor": lambda node, info: found.vendor if (found := line_product(node, info.context)) else None,
    },
    "Refund": identified("Refund", "refund.id")
    | {
        "createdAt": when("refund.created_at"),
        "updatedAt": when("refund.created_at"),
        "note": plain("refund.note"),
        "order": plain("order"),
        "totalRefundedSet": bag(lambda node: node.refund.total),
        "refundLineItems": lambda node, _info, **args: page(
            [RefundLineNode(each, node.order) for each in node.refund.lines],
            lambda child: child.refund_line.id,
            args,
        ),
        "refundShippingLines": lambda node, _info, **args: page(
            [RefundShippingLineNode(each, node.order) for each in node.refund.shipping_lines],
            lambda child: child.part.id,
            args,
        ),
        "orderAdjustments": lambda node, _info, **args: page(
            [AdjustmentNode(each, node.order) for each in node.refund.adjustments],
            lambda child: child.adjustment.id,
            args,
        ),
    },
    "RefundShippingLine": {
        "id": of(lambda node: gid("RefundShippingLine", node.part.id)),
        "shippingLine": of(lambda node: ShippingNode(node.order)),
        "subtotalAmountSet": bag(lambda node: node.part.subtotal),
        "taxAmountSet": bag(lambda node: node.part.tax),
    },
    "OrderAdjustment": {
        "id": of(lambda node: gid("OrderAdjustment", node.adjustment.id)),
        "reason": plain("adjustment.reason"),
        "amountSet": bag(lambda node: node.adjustment.amount),
        "taxAmountSet": bag(lambda node: totals.zero(node.order)),
    },
    "RefundLineItem": {
        "id": of(lambda node: gid("RefundLineItem", node.refund_line.id)),
        "quantity": plain("refund_line.quantity"),
        "restocked": constant(True),
        "lineItem": of(
            lambda node: next(
                LineNode(each, node.order) for each in node.order.lines if each.id == node.refund_line.line_id
            )
        ),
        "subtotalSet": bag(lambda node: node.refund_line.subtotal),
        "totalTaxSet": bag(lambda node: node.refund_line.tax),
    },
    "OrderTransaction": identified("OrderTransaction", "transaction.id")
    | {
        "kind": plain("transaction.kind"),
        "status": plain("transaction.status"),
        "gateway": plain("transaction.gateway"),
        "formattedGateway": of(lambda node: node.transaction.gateway.replace("_", " ").title()),
        "processedAt": when("transaction.processed_at"),
        "createdAt": when("transaction.processed_at"),
        "amountSet": bag(lambda node: node.transaction.amount),
        "paymentId": plain("transaction.payment_id"),
        "parentTransaction": of(parent_transaction),
        "order": plain("order"),
        "test": plain("order.test"),
    },
    "ShippingLine": {
        "id": of(lambda node: gid("ShippingLine", node.order.id)),
        "title": of(lambda node: "Standard" if node.order.shipping.shop else "Free shipping"),
        "code": of(lambda node: "Standard" if node.order.shipping.shop else "Free shipping"),
        "source": constant("shopify"),
        "isRemoved": constant(False),
        "discountAllocations": constant([]),
        "originalPriceSet": bag(lambda node: node.order.shipping),
        "discountedPriceSet": bag(lambda node: node.order.shipping),
        "currentDiscountedPriceSet": bag(lambda node: node.order.shipping - node.order.shipping_refunded),
        "taxLines": of(shipping_tax),
    },
    "TaxLine": {
        "title": plain("title"),
        "rate": plain("rate"),
        "ratePercentage": of(lambda node: round(node.rate * 100, 4)),
        "priceSet": bag(lambda node: node.price),
    },
    "DiscountAllocation": {"allocatedAmountSet": bag(lambda node: node["allocated"])},
}
