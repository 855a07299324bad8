"""Bulk operations: a query that runs in the background, and its result as a file of JSON lines under a signed address.

An operation reads the world as it is when it is begun and is done after it was looked at a few times. The lines of a
file are as Shopify writes them: slashes escaped, connections taken out of their parent and written after it with its
id as `__parentId`, not all of them right behind it unless `groupObjects` was asked for.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from graphql import DocumentNode, FieldNode, GraphQLSchema, execute_sync, visit
from graphql.language import Visitor

from mock_apis.faults import Faults
from mock_apis.shopify.bulk_rules import Refused, read
from mock_apis.shopify.connections import Connection, connect, in_order, whole_lists
from mock_apis.shopify.fields import Resolver, constant, of, plain, when
from mock_apis.shopify.values import gid

MOST_AT_ONCE = 5
LOOKS = 2  # at an operation that is not done yet
IN_A_ROW = 10  # parents that are written before their children
FAILURES = {"bulk_denied": "ACCESS_DENIED", "bulk_error": "INTERNAL_SERVER_ERROR", "bulk_timeout": "TIMEOUT"}


@dataclass
class BulkOperation:
    number: int
    query: str
    created_at: datetime
    lines: list[bytes]
    objects: int
    roots: int
    ends_as: str = "COMPLETED"
    error_code: str | None = None
    status: str = "CREATED"
    looks: int = 0
    completed_at: datetime | None = None
    signature: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def is_over(self) -> bool:
        return self.status not in ("CREATED", "RUNNING", "CANCELING")


class BulkOperations:
    """The operations of one app in one shop. `faults` may make one fail: see Fault."""

    def __init__(self, schema: Callable[[], GraphQLSchema], faults: Faults) -> None:
        self._schema, self._faults = schema, faults
        self._lock = threading.Lock()
        self.all: dict[int, BulkOperation] = {}

    def start(self, query: str, grouped: bool, graph: Any) -> dict[str, Any]:
        """The payload of bulkOperationRunQuery."""
        try:
            document = read(query, self._schema())
        except Refused as reasons:
            return _refusal([("INVALID", str(reason)) for reason in reasons.args], ["query"])
        fault = self._faults.take("shopify_bulk", query)
        kind = fault.kind if fault else ""
        running = [each for each in self.all.values() if not each.is_over]
        if kind == "bulk_busy":
            told = "A bulk query operation for this app and shop is already in progress: gid://shopify/BulkOperation/1."
            return _refusal([("OPERATION_IN_PROGRESS", told)], None)
        if len(running) >= MOST_AT_ONCE:
            return _refusal([("LIMIT_REACHED", "Bulk operations limit reached. Please try again later.")], None)
        lines, roots = self._run(document, grouped, graph)
        with self._lock:
            made = BulkOperation(1 + len(self.all), query, graph.world.now, lines, len(lines), roots)
            self.all[made.number] = made
        if kind in FAILURES:
            made.ends_as, made.error_code = "FAILED", FAILURES[kind]
        elif kind in ("bulk_canceled", "bulk_expired"):
            made.ends_as = kind.removeprefix("bulk_").upper()
        elif kind == "bulk_short":
            made.lines = lines[: len(lines) // 2]
        return {"bulkOperation": made, "userErrors": []}

    def look(self, made: BulkOperation, now: datetime) -> BulkOperation:
        """The operation, a step further along than when it was last looked at."""
        if not made.is_over:
            made.looks += 1
            made.status = "RUNNING"
            if made.looks > LOOKS:
                made.status, made.completed_at = made.ends_as, now
        return made

    def find(self, number: int) -> BulkOperation | None:
        return self.all.get(number)

    def cancel(self, number: int) -> dict[str, Any]:
        """The payload of bulkOperationCancel."""
        made = self.all.get(number)
        if made is None or made.is_over:
            told = (
                "A bulk operation cannot be canceled when it is not running"
                if made
                else "Bulk operation does not exist"
            )
            return {"bulkOperation": made, "userErrors": [{"field": ["id"], "message": told}]}
        made.status = made.ends_as = "CANCELED"
        return {"bulkOperation": made, "userErrors": []}

    def _run(self, document: DocumentNode, grouped: bool, graph: Any) -> tuple[list[bytes], int]:
        with whole_lists():
            result = execute_sync(self._schema(), visit(document, _WithoutSizes()), context_value=graph)
        lines, roots = [], 0
        for value in (result.data or {}).values():
            if _is_connection(value):
                edges = value["edges"]
                roots += len(edges)
                lines += [_line(each) for each in _flat([edge["node"] for edge in edges], None, grouped)]
        return lines, roots


class _WithoutSizes(Visitor):
    """A bulk query gives every node, whatever size it asks for."""

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        if node.name.value in ("refunds", "transactions"):  # lists, which keep theirs
            return None
        kept = tuple(it for it in node.arguments or () if it.name.value not in ("first", "last", "after", "before"))
        if len(kept) == len(node.arguments or ()):
            return None
        return FieldNode(
            alias=node.alias,
            name=node.name,
            arguments=kept,
            directives=node.directives,
            selection_set=node.selection_set,
        )


def _flat(nodes: list[dict[str, Any]], parent: str | None, grouped: bool) -> Iterator[dict[str, Any]]:
    step = 1 if grouped else IN_A_ROW
    for some in (nodes[place : place + step] for place in range(0, len(nodes), step)):
        below: list[tuple[str, dict[str, Any]]] = []
        for node in some:
            plain = {name: value for name, value in node.items() if not _is_connection(value)}
            below += [(node["id"], value) for name, value in node.items() if name not in plain]
            yield plain if parent is None else {**plain, "__parentId": parent}
        for owner, connection in below:
            yield from _flat([edge["node"] for edge in connection["edges"]], owner, grouped)


def _is_connection(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"edges"}


def _line(node: dict[str, Any]) -> bytes:
    return msgspec.json.encode(node).replace(b"/", b"\\/")


def _refusal(errors: list[tuple[str, str]], place: list[str] | None) -> dict[str, Any]:
    told = [{"code": code, "field": place, "message": message} for code, message in errors]
    return {"bulkOperation": None, "userErrors": told}


def _url(made: BulkOperation, base: str, partial: bool = False) -> str | None:
    ended = made.status == ("FAILED" if partial else "COMPLETED")
    return f"{base}shopify/bulk/{made.number}.jsonl?signature={made.signature}" if ended and made.lines else None


def _looked(made: BulkOperation, info: Any) -> BulkOperation:
    found: BulkOperation = info.context.bulk.look(made, info.context.world.now)
    return found


def _by_id(_root: Any, info: Any, id: str) -> BulkOperation | None:
    found = info.context.bulk.find(int(id.rpartition("/")[2]))
    return _looked(found, info) if found else None


def _newest(_root: Any, info: Any, **arguments: Any) -> Connection:
    """Newest first when reversed; the pretend shop's filter knows of no other type than queries."""
    ordered = in_order(info.context.bulk.all.values(), lambda made: (made.created_at, made.number))
    found = connect(ordered, **{name: value for name, value in arguments.items() if name not in ("query", "sortKey")})
    found.nodes = [_looked(made, info) for made in found.nodes]
    return found


BULK_QUERY: dict[str, Resolver] = {"bulkOperation": _by_id, "bulkOperations": _newest}
BULK_MUTATION: dict[str, Resolver] = {
    "bulkOperationRunQuery": lambda _root, info, query, groupObjects=False: info.context.bulk.start(
        query, groupObjects, info.context
    ),
    "bulkOperationCancel": lambda _root, info, id: info.context.bulk.cancel(int(id.rpartition("/")[2])),
}
BULK_OPERATION: dict[str, Resolver] = {
    "completedAt": when("completed_at"),
    "createdAt": when("created_at"),
    "errorCode": plain("error_code"),
    "fileSize": of(lambda made: str(len(content(made))) if made.is_over and made.lines else None),
    "id": of(lambda made: gid("BulkOperation", made.number)),
    "objectCount": of(lambda made: str(made.objects if made.is_over else 0)),
    "partialDataUrl": lambda made, info: _url(made, info.context.base_url, partial=True),
    "query": plain("query"),
    "rootObjectCount": of(lambda made: str(made.roots if made.is_over else 0)),
    "status": plain("status"),
    "type": constant("QUERY"),
    "url": lambda made, info: _url(made, info.context.base_url),
}


def content(made: BulkOperation) -> bytes:
    """The file of the result."""
    return b"".join(line + b"\n" for line in made.lines)
