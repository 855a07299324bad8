"""Shopify by its Admin GraphQL API: orders (with lines, refunds, transactions), customers, products.

Promised: every object whose `updatedAt` moved is read again whole, oldest change first, in frozen windows of the
shop's clock, each as the bytes that Shopify sent; lists inside it that one page cannot hold are fetched to their end
and put in their place. A change that Shopify lists late is found as far back as the lookback reaches.

Not promised, because Shopify does not tell it: a deleted object stays as it was last seen (only a webhook tells);
a change to a child (a transaction, a note on a refund) need not move its order's `updatedAt`, which the streams'
lookback softens; parts fetched after the page may be newer than it, and the next window then brings the whole newer
version; without the scope `read_all_orders` Shopify lists only the orders of the last 60 days.

What cannot be known: versions between two runs, of which only the last is read, and in which order changes of one
second came.

A backfill asks for what was created in a range, by bulk operations (ingestion/shopify_bulk.py), of which Shopify runs
five of an app at once. They cannot bring the parts of refunds: each order that has one costs a query more.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec

from ingestion.cut import at, elements
from ingestion.shopify_api import Queries, ShopifyApi
from ingestion.shopify_bulk_file import Shape
from ingestion.shopify_stream import MOST_OF_A_LIST, Connection, ShopifyStream, replaced
from ingestion.source import BaseSource, Context, Stream
from settings import HeadwaterError

QUERIES = Queries(Path(__file__).with_suffix(".graphql"))
REFUNDS_IN_A_PAGE = QUERIES.size("Orders", "refunds")  # these two have no pages: one that is full may have more
TRANSACTIONS_IN_A_PAGE = QUERIES.size("Orders", "transactions")
REFUND_PARTS = {
    "refundLineItems": "RefundLinesOf",
    "refundShippingLines": "RefundShippingLinesOf",
    "orderAdjustments": "OrderAdjustmentsOf",
}


class _Refund(msgspec.Struct, rename="camel"):
    id: str
    refund_line_items: Connection
    refund_shipping_lines: Connection
    order_adjustments: Connection

    def cut_short(self) -> list[str]:
        """The parts of which there are more."""
        parts = (self.refund_line_items, self.refund_shipping_lines, self.order_adjustments)
        return [name for name, part in zip(REFUND_PARTS, parts, strict=True) if part.page_info.has_next_page]


class _Order(msgspec.Struct, rename="camel"):
    """What of an order tells whether the page had all its parts."""

    id: str
    line_items: Connection
    shipping_lines: Connection
    refunds: list[_Refund]
    transactions: list[msgspec.Raw]


class _InBulk(msgspec.Struct, rename="camel"):
    """What of an order that a bulk operation brought tells what it still lacks."""

    id: str
    refunds: list[msgspec.Raw]
    transactions: list[msgspec.Raw]


class _Product(msgspec.Struct, rename="camel"):
    id: str
    variants: Connection


class Orders(ShopifyStream):
    name = "orders"
    operation, single, kind = "Orders", "OrderById", "Order"
    shape = Shape(QUERIES.fields("WholeOrder"), {"shippingLines": "ShippingLine", "lineItems": "LineItem"})
    first = 100
    topics = (
        *("orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled", "orders/delete"),
        *("orders/partially_fulfilled", "refunds/create", "order_transactions/create"),
    )

    def completed(self, node: bytes) -> bytes:
        try:
            order = msgspec.json.decode(node, type=_Order)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return node  # the contract will say what is wrong with it
        changed = {}
        if order.line_items.page_info.has_next_page:
            changed["lineItems"] = self.whole("LinesOf", "lineItems", order.id)
        if order.shipping_lines.page_info.has_next_page:
            changed["shippingLines"] = self.whole("ShippingLinesOf", "shippingLines", order.id)
        refunds = at(node, "refunds")
        if len(order.refunds) >= REFUNDS_IN_A_PAGE:
            changed["refunds"] = refunds = self.all_of("RefundsOf", "refunds", order.id)
        if any(each.cut_short() for each in msgspec.json.decode(refunds, type=list[_Refund])):
            changed["refunds"] = b"[" + b",".join(self._whole_refund(each) for each in elements(refunds)) + b"]"
        if len(order.transactions) >= TRANSACTIONS_IN_A_PAGE:
            changed["transactions"] = self.all_of("TransactionsOf", "transactions", order.id)
        return replaced(node, changed) if changed else node

    def _whole_refund(self, refund: bytes) -> bytes:
        found = msgspec.json.decode(refund, type=_Refund)
        parts = {name: self.whole(REFUND_PARTS[name], name, found.id) for name in found.cut_short()}
        return replaced(refund, parts) if parts else refund

    def filled(self, node: bytes) -> bytes:
        """With its refunds: their parts are connections within a list, which a bulk query may not ask for."""
        try:
            order = msgspec.json.decode(node, type=_InBulk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return node
        if len(order.transactions) >= MOST_OF_A_LIST:
            raise HeadwaterError(f"{order.id} has {MOST_OF_A_LIST} transactions or more, which is not known whole.")
        if not order.refunds:
            return node
        refunds = self.all_of("RefundsOf", "refunds", order.id)
        return replaced(
            node, {"refunds": b"[" + b",".join(self._whole_refund(each) for each in elements(refunds)) + b"]"}
        )


class Customers(ShopifyStream):
    name = "customers"
    operation, single, kind = "Customers", "CustomerById", "Customer"
    created = "customer_date"
    shape = Shape(QUERIES.fields("WholeCustomer"), {})
    first = 250
    topics = (*("customers/create", "customers/update", "customers/enable", "customers/disable", "customers/delete"),)


class Products(ShopifyStream):
    name = "products"
    operation, single, kind = "Products", "ProductById", "Product"
    shape = Shape(QUERIES.fields("WholeProduct"), {"variants": "ProductVariant"})
    first = 100
    topics = ("products/create", "products/update", "products/delete")

    def completed(self, node: bytes) -> bytes:
        try:
            product = msgspec.json.decode(node, type=_Product)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return node
        if not product.variants.page_info.has_next_page:
            return node
        return replaced(node, {"variants": self.whole("VariantsOf", "variants", product.id)})


class Source(BaseSource):
    """Needs <SOURCE>_API_URL (https://<shop>.myshopify.com) and <SOURCE>_ACCESS_TOKEN: SHOPIFY_… for `shopify`.

    The token's scopes: read_orders, read_customers, read_products, and read_all_orders for more than 60 days.
    """

    streams: ClassVar[dict[str, type[Stream]]] = {each.name: each for each in (Orders, Customers, Products)}

    def __init__(self, context: Context):
        super().__init__(context)
        self._api = ShopifyApi(QUERIES, context.settings.http, context.source)

    def stream(self, name: str) -> Stream:
        return {"orders": Orders, "customers": Customers, "products": Products}[name](self.context, self._api)

    def close(self) -> None:
        self._api.http.close()
