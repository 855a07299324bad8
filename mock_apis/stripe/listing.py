"""One page of a list: newest first, cut by time, by cursor and by filters."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from mock_apis.stripe import errors
from mock_apis.stripe.ledger import Ledger, epoch
from mock_apis.stripe.objects import listed
from mock_apis.stripe.resources import Resource

MAX_TYPES = 20
_TYPES = re.compile(r"types\[\d*\]")


@dataclass(slots=True)
class Query:
    limit: int = 10
    starting_after: str | None = None
    ending_before: str | None = None
    created: dict[str, int] = field(default_factory=dict)  # gte, gt, lte, lt, eq: epoch seconds
    equals: dict[str, str] = field(default_factory=dict)  # attribute -> value
    types: list[str] = field(default_factory=list)


def parse(params: Iterable[tuple[str, str]], resource: Resource) -> Query:
    """Read the query string; raise a 400 that names the first parameter that is not right."""
    query = Query()
    for name, value in params:
        if not value:
            raise errors.empty_parameter(name)
        if name == "limit":
            query.limit = _limit(value)
        elif name in ("starting_after", "ending_before"):
            setattr(query, name, value)
        elif name in ("created", "created[gte]", "created[gt]", "created[lte]", "created[lt]"):
            query.created[name[8:-1] or "eq"] = _integer(name, value)
        elif name in resource.filters:
            query.equals[resource.filters[name]] = value
        elif resource.noun == "event" and (name == "type" or _TYPES.fullmatch(name)):
            query.types.append(value)
        else:
            raise errors.unknown_parameter(name)
    if query.starting_after and query.ending_before:
        message = "You may only specify one of these parameters: ending_before, starting_after."
        raise errors.bad_parameter("ending_before", message)
    if len(query.types) > MAX_TYPES:
        raise errors.bad_parameter("types", f"You may only specify up to {MAX_TYPES} event types.")
    return query


def page(ledger: Ledger, resource: Resource, query: Query, url: str) -> dict[str, Any]:
    """The list object. The cursors are exclusive; ending_before gives the page next to its cursor."""
    shelf = resource.shelf(ledger)
    low, high = _created_bounds(shelf.keys, query.created)
    if query.starting_after:
        high = min(high, bisect_left(shelf.keys, _cursor(ledger, resource, query, "starting_after")))
    if query.ending_before:
        low = max(low, bisect_right(shelf.keys, _cursor(ledger, resource, query, "ending_before")))
    wanted = _matcher(query)
    found: list[Any] = []
    for place in range(low, high) if query.ending_before else range(high - 1, low - 1, -1):
        item = shelf.items[place]
        if wanted(item):
            found.append(item)
            if len(found) > query.limit:
                break
    has_more = len(found) > query.limit
    found = found[: query.limit]
    if query.ending_before:
        found.reverse()
    return listed([resource.show(ledger, item) for item in found], has_more, url)


def _limit(value: str) -> int:
    limit = _integer("limit", value)
    if limit < 1:
        raise errors.out_of_range("limit", "This value must be greater than or equal to 1.")
    if limit > 100:
        raise errors.out_of_range("limit", "This value must be less than or equal to 100.")
    return limit


def _integer(name: str, value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", value):
        raise errors.bad_integer(name, value)
    return int(value)


def _created_bounds(keys: list[tuple[int, str]], created: dict[str, int]) -> tuple[int, int]:
    low, high = 0, len(keys)
    for bound, second in created.items():
        # An id is never empty: (second, "") sorts before every key of that second.
        at, after = bisect_left(keys, (second, "")), bisect_left(keys, (second + 1, ""))
        if bound in ("gte", "eq"):
            low = max(low, at)
        if bound == "gt":
            low = max(low, after)
        if bound in ("lte", "eq"):
            high = min(high, after)
        if bound == "lt":
            high = min(high, at)
    return low, high


def _cursor(ledger: Ledger, resource: Resource, query: Query, param: str) -> tuple[int, str]:
    object_id = getattr(query, param)
    item = resource.by_id(ledger).get(object_id)
    if item is None:
        raise errors.missing(resource.noun, object_id, param)
    return epoch(item.created), object_id


def _matcher(query: Query) -> Callable[[Any], bool]:
    equals = list(query.equals.items())

    def wanted(item: Any) -> bool:
        if any(getattr(item, attribute) != value for attribute, value in equals):
            return False
        return not query.types or any(fnmatchcase(item.type, pattern) for pattern in query.types)

    return wanted
