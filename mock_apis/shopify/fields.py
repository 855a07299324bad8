"""Builders of resolvers. Kept cheap: a sync asks for hundreds of thousands of fields."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from mock_apis.shopify.connections import Connection, connect, in_order
from mock_apis.shopify.values import gid, money_bag, timestamp
from mock_apis.world.shop_model import Money

Resolver = Callable[..., Any]


def plain(path: str) -> Resolver:
    """The attribute as it is."""
    read = attrgetter(path)
    return lambda source, _info, **_: read(source)


def of(read: Callable[[Any], Any]) -> Resolver:
    """A value made from the source alone."""
    return lambda source, _info, **_: read(source)


def constant(value: Any) -> Resolver:
    return lambda _source, _info, **_: value


def when(path: str) -> Resolver:
    """A DateTime."""
    read = attrgetter(path)
    return lambda source, _info, **_: timestamp(read(source))


def bag(read: Callable[[Any], Money]) -> Resolver:
    """A MoneyBag."""
    return lambda source, info, **_: money_bag(read(source), info.context.world.currency)


def key(name: str) -> Resolver:
    """An entry of a dict."""
    return lambda source, _info, **_: source[name]


def identified(kind: str, path: str) -> dict[str, Resolver]:
    """`id` and `legacyResourceId` of a kind of thing."""
    number = attrgetter(path)
    return {
        "id": lambda source, _info: gid(kind, number(source)),
        "legacyResourceId": lambda source, _info: str(number(source)),
    }


def page(things: list[Any], number: Callable[[Any], int], arguments: dict[str, Any]) -> Connection:
    """A nested connection in the order of the things' ids."""
    arguments.pop("sortKey", None)
    return connect(in_order(things, lambda thing: (number(thing), number(thing))), **arguments)


def cut(things: list[Any], first: int | None) -> list[Any]:
    return things if first is None else things[:first]
