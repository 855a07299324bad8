"""Shopify by its Admin GraphQL API: orders (with lines, refunds, transactions), customers, products.

Promised: every object whose `updatedAt` moved is read again whole, oldest change first, in frozen windows of the
shop's clock, each as the bytes that Shopify sent; lists inside it that one page cannot hold are fetched to their end
and put in their place.

Not promised, because Shopify does not tell it: a deleted object stays as it was last seen (only a webhook tells);
a change to a child (a transaction, a note on a refund) need not move its order's `updatedAt`, which the streams'
lookback softens; parts fetched after the page may be newer than it, and the next window then brings the whole newer
version; without the scope `read_all_orders` Shopify lists only the orders of the last 60 days.
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
from ingestion.shopify_inventory import inventory, item_of
from ingestion.source import BaseSource, Context, Record, Stream
from ingestion.window import Window, WindowedStream, WindowPage
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


class _Product(msgspec.Struct, rename="camel"):
    id: str
    variants: _Connection


class ShopifyStream(WindowedStream, Refetching):
    """A list sorted by UPDATED_AT. `first` is how many are asked for at once; it halves when that is too dear."""

    version_field = "updatedAt"
    operation: ClassVar[str]
    single: ClassVar[str]  # the operation that asks for one by its id
    kind: ClassVar[str]
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
        query = _search(Window(start, end), "created_at")
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

    def rest_of(self, operation: str, member: str, id: str, so_far: bytes) -> bytes:
        """The connection `so_far` with all of its nodes, as JSON."""
        nodes, info = _connection(so_far)
        while info.has_next_page:
            more, info = _connection(self.api.ask(operation, "node", member, id=id, after=info.end_cursor))
            nodes += more
        return b'{"nodes":[' + b",".join(nodes) + b'],"pageInfo":' + msgspec.json.encode(info) + b"}"

    def all_of(self, operation: str, member: str, id: str) -> bytes:
        """The whole of a list that has no pages."""
        found = self.api.ask(operation, "node", member, id=id)
        if len(elements(found)) >= MOST_OF_A_LIST:
            raise HeadwaterError(f"{id} has {MOST_OF_A_LIST} {member} or more, and Shopify gives no way to the rest.")
        return found


class Orders(ShopifyStream):
    name = "orders"
    operation, single, kind = "Orders", "OrderById", "Order"
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
            changed["lineItems"] = self.rest_of("LinesOf", "lineItems", order.id, at(node, "lineItems"))
        if order.shipping_lines.page_info.has_next_page:
            found = self.rest_of("ShippingLinesOf", "shippingLines", order.id, at(node, "shippingLines"))
            changed["shippingLines"] = found
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
        id = msgspec.json.decode(fields["id"], type=str)
        lines = self.rest_of("RefundLinesOf", "refundLineItems", id, fields["refundLineItems"])
        return _replaced(refund, {"refundLineItems": lines})


class Customers(ShopifyStream):
    name = "customers"
    operation, single, kind = "Customers", "CustomerById", "Customer"
    first = 250
    topics = (*("customers/create", "customers/update", "customers/enable", "customers/disable", "customers/delete"),)


class Products(ShopifyStream):
    name = "products"
    operation, single, kind = "Products", "ProductById", "Product"
    first = 100
    topics = ("products/create", "products/update", "products/delete")

    def completed(self, node: bytes) -> bytes:
        try:
            product = msgspec.json.decode(node, type=_Product)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return node
        if not product.variants.page_info.has_next_page:
            return node
        return _replaced(node, {"variants": self.rest_of("VariantsOf", "variants", product.id, at(node, "variants"))})


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
