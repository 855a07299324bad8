"""What Shopify has, asked with queries that cost next to nothing: ids, times, and what an order came to."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from ingestion.inventory import Item
from ingestion.shopify_api import PageInfo, ShopifyApi
from ingestion.source import parse_time

PAGE_SIZE = 250


class _Connection(msgspec.Struct, rename="camel"):
    nodes: list[msgspec.Raw]
    page_info: PageInfo


class _Amount(msgspec.Struct, rename="camel"):
    amount: Decimal
    currency_code: str


class _Price(msgspec.Struct, rename="camel"):
    shop_money: _Amount


class _Node(msgspec.Struct, rename="camel"):
    id: str
    created_at: str
    updated_at: str
    total_price_set: _Price | None = None


def item_of(record: bytes) -> Item | None:
    """What a reconciliation compares; None of a record that is not what Shopify documents."""
    try:
        node = msgspec.json.decode(record, type=_Node)
        created, updated = parse_time(node.created_at, "createdAt"), parse_time(node.updated_at, "updatedAt")
    except (ValueError, RecursionError):
        return None
    if node.total_price_set is None:
        return Item(node.id, created, updated_at=updated)
    money = node.total_price_set.shop_money
    return Item(node.id, created, money.amount, money.currency_code, updated_at=updated)


def inventory(api: ShopifyApi, operation: str, name: str, query: str) -> Iterator[Item]:
    """Everything that `query` finds, in the order of creation, which no change moves."""
    after: str | None = None
    while True:
        answer = api.ask(operation, name, first=PAGE_SIZE, after=after, query=query)
        page = msgspec.json.decode(answer, type=_Connection)
        yield from filter(None, (item_of(bytes(node)) for node in page.nodes))
        if not page.page_info.has_next_page:
            return
        after = page.page_info.end_cursor
