"""Relay connections: pages, cursors, page info.

A cursor holds the sort value and the id of its node, as Shopify's do, not a
place in a list: a page goes on after the same node even when others have
moved in the meantime.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from itertools import islice
from typing import Any

from graphql import GraphQLError

MAX_PAGE = 250
_whole: ContextVar[bool] = ContextVar("whole", default=False)
Key = tuple[Any, int]
Ordered = tuple[list[Key], list[Any]]


class BadRequest(GraphQLError):
    """An argument that Shopify refuses with code BAD_REQUEST."""

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": "BAD_REQUEST"})


class Connection:
    """A page of nodes; edges and page info are made only when asked for."""

    __slots__ = ("earlier", "keys", "later", "nodes")

    def __init__(self, nodes: list[Any], keys: list[Key], earlier: bool, later: bool) -> None:
        self.nodes = nodes
        self.keys = keys
        self.earlier = earlier
        self.later = later

    def edges(self) -> list[dict[str, Any]]:
        return [{"cursor": cursor(key), "node": node} for key, node in zip(self.keys, self.nodes, strict=True)]

    def page_info(self) -> dict[str, Any]:
        return {
            "hasNextPage": self.later,
            "hasPreviousPage": self.earlier,
            "startCursor": cursor(self.keys[0]) if self.keys else None,
            "endCursor": cursor(self.keys[-1]) if self.keys else None,
        }


@contextmanager
def whole_lists() -> Iterator[None]:
    """Every connection has all its nodes, as in a bulk operation."""
    before = _whole.set(True)
    try:
        yield
    finally:
        _whole.reset(before)


def cursor(key: Key) -> str:
    """The opaque cursor of a node."""
    value, number = key
    shown = value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value
    return base64.b64encode(json.dumps({"last_id": number, "last_value": shown}).encode()).decode()


def _position(text: str, sample: Any) -> Key:
    """The key in a cursor; `sample` is a sort value of the list, whose type must fit."""
    try:
        held = json.loads(base64.b64decode(text, validate=True))
        number, value = int(held["last_id"]), held["last_value"]
        if isinstance(sample, datetime):
            value = datetime.strptime(value, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=sample.tzinfo)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise BadRequest("Invalid cursor for current pagination sort.") from error
    if sample is not None and type(value) is not type(sample):
        raise BadRequest("Invalid cursor for current pagination sort.")
    return value, number


def in_order(things: Iterable[Any], key_of: Callable[[Any], Key]) -> Ordered:
    """The things with their keys, sorted by key."""
    pairs = sorted(((key_of(thing), thing) for thing in things), key=lambda pair: pair[0])
    return [key for key, _ in pairs], [thing for _, thing in pairs]


def connect(
    ordered: Ordered,
    matches: Callable[[Any], bool] | None = None,
    *,
    first: int | None = None,
    last: int | None = None,
    after: str | None = None,
    before: str | None = None,
    reverse: bool = False,
) -> Connection:
    """One page of those that match; `reverse` turns the list around before it is cut.

    Looks no further than the page and one more, so that a walk over a long list costs its length once.
    """
    if _whole.get():
        first, last = len(ordered[0]), None
    else:
        _check_size(first, last)
    size = first if first is not None else last
    assert size is not None  # one of them was given
    keys, things = ordered
    start, end = 0, len(keys)
    sample = keys[0][0] if keys else None
    lower, upper = (before, after) if reverse else (after, before)
    if lower is not None:
        start = bisect_right(keys, _position(lower, sample))
    if upper is not None:
        end = max(start, bisect_left(keys, _position(upper, sample)))
    # `first` takes from the low end and `last` from the high one: the other way round when reversed.
    from_low = (first is not None) != reverse
    places = range(start, end) if from_low else range(end - 1, start - 1, -1)
    suitable = (place for place in places if matches is None or matches(things[place]))
    found = list(islice(suitable, size))
    more = next(suitable, None) is not None
    earlier, later = after is not None, more
    if first is None:
        found.reverse()
        earlier, later = more, before is not None
    return Connection([things[place] for place in found], [keys[place] for place in found], earlier, later)


def _check_size(first: int | None, last: int | None) -> None:
    if first is None and last is None:
        raise BadRequest("you must provide one of first or last")
    if first is not None and last is not None:
        raise BadRequest("providing both first and last is not supported")
    name, size = ("first", first) if first is not None else ("last", last)
    assert size is not None  # one of them was given
    if size < 0:
        raise BadRequest(f"{name} must be a positive number")
    if size > MAX_PAGE:
        raise BadRequest(f"{name} cannot exceed {MAX_PAGE}")
