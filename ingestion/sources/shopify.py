"""Shopify by its Admin GraphQL API: orders (with lines, refunds, transactions), customers, products.

Promised: every object whose `updatedAt` moved is read again whole, oldest change first, in frozen windows of the
shop's clock, each as the bytes that Shopify sent; lists inside it that one page cannot hold are fetched to their end
and put in their place.

Not promised, because Shopify does not tell it: a deleted object stays as it was last seen (only a webhook tells);
a change to a child (a transaction, a note on a refund) need not move its order's `updatedAt`, which the streams'
lookback softens; parts fetched after the page may be newer than it, and the next window then brings the whole newer
version; without the scope `read_all_orders` Shopify lists only the orders of the last 60 days.

A backfill asks for what was created in a range, by bulk operations (ingestion/shopify_bulk.py), of which Shopify runs
five of an app at once. They cannot bring the lines of refunds: each order that has one costs a query more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ingestion.cut import at, elements, members
from ingestion.inventory import Item
from ingestion.refetch import Change, Refetching
from ingestion.shopify_api import Queries, QueryTooDear, ShopifyApi
from ingestion.shopify_bulk import BulkExport
from ingestion.shopify_bulk_file import Shape
from ingestion.shopify_inventory import inventory, item_of
from ingestion.source import BaseSource, Context, Record, Stream
from ingestion.window import BackfillPage, Window, WindowedStream, WindowPage
from settings import HeadwaterError

QUERIES = Queries(Path(__file__).with_suffix(".graphql"))
MOST_OF_A_LIST = 250  # the longest that Shopify gives at once
REFUNDS_IN_A_PAGE = QUERIES.size("Orders", "refunds")  # these two have no pages: one that is full may have more
TRANSACTIONS_IN_A_PAGE = QUERIES.size("Orders", "transactions")


class _PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


class _Connection(msgspec.Struct, rename="camel"):
    page_info: _PageInfo


class _Refund(msgspec.Struct, rename="camel"):
    refund_line_items: _Connection


class _Order(msgspec.Struct, rename="camel"):
    """What of an order tells whether the page had all its parts."""

    id: str
    line_items: _Connection
    shipping_lines: _Connection
    refunds: list[_Refund]
    transactions: list[msgspec.Raw]


class _InBulk(msgspec.Struct, rename="camel"):
    """What of an order that a bulk operation brought tells what it still lacks."""

    id: str
    refunds: list[msgspec.Raw]
    transactions: list[msgspec.Raw]


class _Product(msgspec.Struct, rename="camel"):
    id: str
    variants: _Connection


class ShopifyStream(WindowedStream, Refetching):
    """A list sorted by UPDATED_AT. `first` is how many are asked for at once; it halves when that is too dear."""

    version_field = "updatedAt"
    operation: ClassVar[str]
    single: ClassVar[str]  # the operation that asks for one by its id
    kind: ClassVar[str]
    created: ClassVar[str] = "created_at"  # what a search calls the time of creation
    shape: ClassVar[Shape]  # of a record, for what a bulk operation brings in pieces
    first: int

    def __init__(self, context: Context, api: ShopifyApi):
        super().__init__(context)
        self.api = api

    def source_now(self) -> datetime:
        self.api.ask("Clock")
        return self.api.http.server_time()

    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        while True:
            asked_after = cursor
            nodes, info = _connection(self._page(window, cursor))
            records = [Record(self.completed(node)) for node in nodes]
            cursor = info.end_cursor if info.has_next_page else None
            if info.has_next_page and (cursor is None or cursor == asked_after):
                raise HeadwaterError(f"{self.context.source}: the list of {self.name} does not move on from {cursor}.")
            yield WindowPage(
                records, cursor, f"{self.operation} after {asked_after or 'the start'} ({_search(window)})"
            )
            if cursor is None:
                return

    def backfill(self, window: Window, cursor: Any, as_of: datetime) -> Iterator[BackfillPage]:
        """What was created within the window, by a bulk operation; `updatedAt` is its version as ever.

        The same bytes as a page brings, so what did not change is there already. An operation takes long: what it
        read of a version that a sync has read later is left out by the writer, and a later change has a later time.
        """
        query = QUERIES.in_bulk(f"{self.operation}InBulk", _search(window, self.created))
        export = BulkExport(self.api, query, self.shape, self.filled, f"{self.context.source}.{self.name}")
        yield from export.pages(cursor)

    def filled(self, node: bytes) -> bytes:
        """A record of a bulk operation with what such a query cannot ask for."""
        return node

    @classmethod
    def change_of(cls, topic: str, event: bytes, occurred_at: datetime) -> Change | None:
        if topic not in cls.topics:
            return None
        fields = members(event)
        field = "id" if topic.startswith(f"{cls.name}/") else "order_id"
        if field not in fields:
            raise ValueError(f"{topic}: it has no {field}")
        number = msgspec.json.decode(fields[field], type=int)
        gone = topic.endswith("/delete")
        return Change(f"gid://shopify/{cls.kind}/{number}", occurred_at, event, deletes=gone)

    def fetched(self, change: Change) -> Record | None:
        node = self.api.ask(self.single, "node", id=change.object_id)
        return None if node == b"null" else Record(self.completed(node), origin=f"{self.single} {change.object_id}")

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item]:
        query = _search(Window(start, end), self.created)
        return inventory(self.api, f"{self.operation}Inventory", self.name, query)

    def item_of(self, record: bytes) -> Item | None:
        return item_of(record)

    def refetched(self, keys: Sequence[str], end: datetime) -> Iterator[Record]:
        for key in keys:
            found = self.api.ask(self.operation, self.name, first=1, after=None, query=f"id:{key.rpartition('/')[2]}")
            for node in _connection(found)[0]:
                if (item := item_of(node)) and item.key == key:
                    yield Record(self.completed(node))

    def completed(self, node: bytes) -> bytes:
        """The node with the lists that its page cut short fetched to their end; as it came when none was."""
        return node

    def _page(self, window: Window, cursor: Any) -> bytes:
        while True:
            try:
                return self.api.ask(self.operation, self.name, first=self.first, after=cursor, query=_search(window))
            except QueryTooDear:
                if self.first == 1:
                    raise
                self.first = max(1, self.first // 2)

    def whole(self, operation: str, member: str, id: str) -> bytes:
        """A connection with all of its nodes, as a page gives it."""
        nodes: list[bytes] = []
        after: str | None = None
        while True:
            more, info = _connection(self.api.ask(operation, "node", member, id=id, after=after))
            nodes += more
            if not info.has_next_page:
                return b'{"nodes":[' + b",".join(nodes) + b'],"pageInfo":{"hasNextPage":false}}'
            after = info.end_cursor

    def all_of(self, operation: str, member: str, id: str) -> bytes:
        """The whole of a list that has no pages."""
        found = self.api.ask(operation, "node", member, id=id)
        if len(elements(found)) >= MOST_OF_A_LIST:
            raise HeadwaterError(f"{id} has {MOST_OF_A_LIST} {member} or more, and Shopify gives no way to the rest.")
        return found


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
        if any(
            each.refund_line_items.page_info.has_next_page for each in msgspec.json.decode(refunds, type=list[_Refund])
        ):
            changed["refunds"] = b"[" + b",".join(self._whole_refund(each) for each in elements(refunds)) + b"]"
        if len(order.transactions) >= TRANSACTIONS_IN_A_PAGE:
            changed["transactions"] = self.all_of("TransactionsOf", "transactions", order.id)
        return _replaced(node, changed) if changed else node

    def _whole_refund(self, refund: bytes) -> bytes:
        fields = members(refund)
        if not msgspec.json.decode(fields["refundLineItems"], type=_Connection).page_info.has_next_page:
            return refund
        lines = self.whole("RefundLinesOf", "refundLineItems", msgspec.json.decode(fields["id"], type=str))
        return _replaced(refund, {"refundLineItems": lines})

    def filled(self, node: bytes) -> bytes:
        """With its refunds: their lines are a connection within a list, which a bulk query may not ask for."""
        try:
            order = msgspec.json.decode(node, type=_InBulk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return node
        if len(order.transactions) >= MOST_OF_A_LIST:
            raise HeadwaterError(f"{order.id} has {MOST_OF_A_LIST} transactions or more, which is not known whole.")
        if not order.refunds:
            return node
        refunds = self.all_of("RefundsOf", "refunds", order.id)
        return _replaced(
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
        return _replaced(node, {"variants": self.whole("VariantsOf", "variants", product.id)})


class Source(BaseSource):
    """Needs SHOPIFY_API_URL (https://<shop>.myshopify.com) and SHOPIFY_ACCESS_TOKEN.

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


def _connection(document: bytes) -> tuple[list[bytes], _PageInfo]:
    """The nodes, as their bytes, and whether there are more."""
    return elements(at(document, "nodes")), msgspec.json.decode(at(document, "pageInfo"), type=_PageInfo)


def _search(window: Window, field: str = "updated_at") -> str:
    end = f"{field}:<='{_time(window.end)}'"
    return f"{field}:>='{_time(window.start)}' AND {end}" if window.start else end


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _replaced(document: bytes, changed: dict[str, bytes]) -> bytes:
    """The object with these members replaced; every other value keeps its bytes."""
    fields = members(document) | changed
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + value for name, value in fields.items()) + b"}"
