"""The root of the graph: connections, single things, counts, nodes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from graphql import GraphQLError, GraphQLResolveInfo

from mock_apis.shopify import totals
from mock_apis.shopify.connections import BadRequest, Connection, Key, connect, in_order
from mock_apis.shopify.fields import Resolver
from mock_apis.shopify.nodes import Graph
from mock_apis.shopify.search import Reader, Search, parse
from mock_apis.world.shop_model import Customer, Order

MAX_IDS = 250
GLOBAL_ID = re.compile(r"gid://shopify/(\w+)/(\d+)(?:\?.*)?")


def _order_status(order: Order) -> set[str]:
    if order.cancelled_at is not None:
        return {"any", "cancelled"}
    return {"any", "not_closed", "open"} if not totals.closed(order) else {"any", "closed"}


TIMES: dict[str, Reader] = {
    "id": ("id", lambda thing: thing.id),
    "created_at": ("time", lambda thing: thing.created_at),
    "updated_at": ("time", lambda thing: thing.updated_at),
}
FILTERS: dict[str, dict[str, Reader]] = {
    "Order": TIMES
    | {
        "processed_at": ("time", lambda order: order.processed_at),
        "status": ("text", _order_status),
        "financial_status": ("text", lambda order: {order.financial_status.lower()}),
        "fulfillment_status": ("text", lambda order: {order.fulfillment_status.lower()}),
        "name": ("text", lambda order: {order.name.lower(), order.name.lower().lstrip("#")}),
        "email": ("text", lambda order: {order.email.lower()}),
        "test": ("bool", lambda order: order.test),
    },
    "Customer": {"id": TIMES["id"], "customer_date": TIMES["created_at"], "updated_at": TIMES["updated_at"]}
    | {"email": ("text", lambda customer: {customer.email.lower()})},
    "Product": TIMES
    | {
        "status": ("text", lambda product: {product.status.lower()}),
        "title": ("text", lambda product: {product.title.lower()}),
        "vendor": ("text", lambda product: {product.vendor.lower()}),
    },
}
SORTS: dict[str, Callable[[Any], Any]] = {
    "CREATED_AT": lambda thing: thing.created_at,
    "UPDATED_AT": lambda thing: thing.updated_at,
    "PROCESSED_AT": lambda order: order.processed_at,
    "ID": lambda thing: thing.id,
    "ORDER_NUMBER": lambda order: order.id,
    "TITLE": lambda product: product.title.lower(),
    "VENDOR": lambda product: product.vendor.lower(),
    "NAME": lambda customer: f"{customer.last_name}, {customer.first_name}".lower(),
}
THINGS: dict[str, Callable[[Graph], Any]] = {
    "Order": lambda graph: graph.world.orders.values(),
    "Customer": lambda graph: graph.world.customers.values(),
    "Product": lambda graph: graph.world.products.values(),
}


def _search(kind: str, query: str | None, info: GraphQLResolveInfo) -> Search | None:
    if not query or not query.strip():
        return None
    graph: Graph = info.context
    search = parse(query, FILTERS[kind], ZoneInfo(str(graph.world.timezone)))
    if search.warnings:
        graph.search_notes.append({"path": info.path.as_list(), "query": query, "warnings": search.warnings})
    return search


def _key(sort: str) -> Callable[[Any], Key]:
    if sort not in SORTS:
        raise BadRequest(f"The pretend shop can't sort by {sort}: use UPDATED_AT, CREATED_AT, PROCESSED_AT or ID.")
    value_of = SORTS[sort]
    return lambda thing: (value_of(thing), thing.id)


def everything(kind: str) -> Resolver:
    """The root connection of all things of a kind: sorted, searched, cut."""

    def resolve(
        _root: Any, info: GraphQLResolveInfo, sortKey: str = "ID", query: str | None = None, **arguments: Any
    ) -> Connection:
        graph: Graph = info.context
        ordered = graph.in_order(kind, sortKey, THINGS[kind](graph), _key(sortKey))
        search = _search(kind, query, info)
        return connect(ordered, search.matches if search else None, **arguments)

    return resolve


def orders_of(
    customer: Customer, info: GraphQLResolveInfo, sortKey: str = "ID", query: str | None = None, **arguments: Any
) -> Connection:
    """A customer's own orders."""
    ordered = in_order(info.context.orders_by_customer.get(customer.id, []), _key(sortKey))
    search = _search("Order", query, info)
    return connect(ordered, search.matches if search else None, **arguments)


def counting(kind: str) -> Resolver:
    """How many there are, counted no further than `limit`."""

    def resolve(
        _root: Any, info: GraphQLResolveInfo, limit: int | None = 10000, query: str | None = None
    ) -> dict[str, Any]:
        search = _search(kind, query, info)
        count = sum(1 for thing in THINGS[kind](info.context) if search is None or search.matches(thing))
        if limit is not None and count > limit:
            return {"count": limit, "precision": "AT_LEAST"}
        return {"count": count, "precision": "EXACT"}

    return resolve


def _global_id(text: str) -> tuple[str, int]:
    match = GLOBAL_ID.fullmatch(text)
    if not match:
        raise GraphQLError(f"Invalid global id '{text}'", extensions={"code": "argumentLiteralsIncompatible"})
    return match[1], int(match[2])


def find(text: str, graph: Graph) -> Any | None:
    """The thing behind a global id, or None."""
    kind, number = _global_id(text)
    return graph.world if kind == "Shop" else graph.node(kind, number)


def single(kind: str) -> Resolver:
    """One thing by its global id; null when there is none, or when the id is of another kind."""

    def resolve(_root: Any, info: GraphQLResolveInfo, id: str) -> Any | None:
        return find(id, info.context) if _global_id(id)[0] == kind else None

    return resolve


def nodes(_root: Any, info: GraphQLResolveInfo, ids: list[str]) -> list[Any | None]:
    """Up to 250 things of any kind."""
    if len(ids) > MAX_IDS:
        raise GraphQLError(
            f"The input array size of {len(ids)} is greater than the maximum allowed of {MAX_IDS}.",
            extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"},
        )
    return [find(each, info.context) for each in ids]


QUERY: dict[str, Resolver] = {
    "orders": everything("Order"),
    "customers": everything("Customer"),
    "products": everything("Product"),
    "ordersCount": counting("Order"),
    "customersCount": counting("Customer"),
    "productsCount": counting("Product"),
    "order": single("Order"),
    "customer": single("Customer"),
    "product": single("Product"),
    "node": lambda _root, info, id: find(id, info.context),
    "nodes": nodes,
    "shop": lambda _root, info: info.context.world,
}
