"""How a stream of Shopify is read: by pages of what changed, by bulk operations, and one object by its id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from ingestion.cut import at, elements, members, together
from ingestion.inventory import Item
from ingestion.refetch import Change, Refetching
from ingestion.shopify_api import PageInfo, QueryTooDear, ShopifyApi
from ingestion.shopify_bulk import BulkExport
from ingestion.shopify_bulk_file import Shape
from ingestion.shopify_inventory import inventory, item_of
from ingestion.source import Context, Record
from ingestion.window import BackfillPage, Window, WindowedStream, WindowPage
from settings import HeadwaterError

MOST_OF_A_LIST = 250  # the longest that Shopify gives at once


class Connection(msgspec.Struct, rename="camel"):
    page_info: PageInfo


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
        query = self.api.queries.in_bulk(f"{self.operation}InBulk", _search(window, self.created))
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


def _connection(document: bytes) -> tuple[list[bytes], PageInfo]:
    """The nodes, as their bytes, and whether there are more."""
    return elements(at(document, "nodes")), msgspec.json.decode(at(document, "pageInfo"), type=PageInfo)


def _search(window: Window, field: str = "updated_at") -> str:
    end = f"{field}:<='{_time(window.end)}'"
    return f"{field}:>='{_time(window.start)}' AND {end}" if window.start else end


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def replaced(document: bytes, changed: dict[str, bytes]) -> bytes:
    """The object with these members replaced; every other value keeps its bytes."""
    return together(members(document) | changed)
