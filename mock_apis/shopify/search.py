"""Shopify's search syntax, as far as a sync needs it: `field:>='value'` terms joined by AND or a space.

As with Shopify a term that it does not know, or whose value it cannot read, is
left out and named in `extensions.search` of the answer; it is not an error.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TERM = re.compile(
    r"""\s*(?:(?P<and>AND\b)
          |(?P<field>-?\w+):(?P<op><=|>=|<|>|)(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>[^\s'"]+))
          |(?P<other>\S+))""",
    re.VERBOSE,
)
Test = Callable[[Any], bool]
Reader = tuple[str, Callable[[Any], Any]]  # ("time" | "id" | "text" | "bool", value of a thing)


@dataclass(slots=True)
class Search:
    """A parsed query: `matches` for the filter, `warnings` for the answer's extensions."""

    matches: Test
    warnings: list[dict[str, str]]


def parse(query: str, fields: dict[str, Reader], zone: ZoneInfo) -> Search:
    """Read a query for things with these fields; naive times are in the shop's time zone."""
    tests: list[Test] = []
    warnings: list[dict[str, str]] = []
    for match in TERM.finditer(query):
        if match["and"]:
            continue
        name = match["field"]
        if name is None:
            warnings.append(_warning(match["other"], "Terms without a field aren't supported here.", "invalid_term"))
        elif name not in fields:
            warnings.append(_warning(name, "Invalid search field for this query.", "invalid_field"))
        else:
            text = next(part for part in (match["single"], match["double"], match["bare"]) if part is not None)
            test = _test(fields[name], match["op"], text, match["bare"] is not None, zone)
            if test is None:
                message = f"Input `{text}` is not an accepted value."
                warnings.append(_warning(name, message, "invalid_value"))
            else:
                tests.append(test)
    return Search(lambda thing: all(test(thing) for test in tests), warnings)


def _warning(field: str, message: str, code: str) -> dict[str, str]:
    return {"field": field, "message": message, "code": code}


def _test(reader: Reader, op: str, text: str, bare: bool, zone: ZoneInfo) -> Test | None:
    kind, value_of = reader
    compare = COMPARE[op]
    wanted: Any
    if kind == "time":
        # A time with colons must stand in quotes: a colon ends the name of a field.
        wanted = None if bare and ":" in text else _time(text, zone)
    elif kind == "id":
        tail = text.rsplit("/", 1)[-1]
        wanted = int(tail) if tail.isdecimal() else None
    elif kind == "bool":
        wanted = {"true": True, "false": False}.get(text.lower())
    else:
        wanted = text.lower()
    if wanted is None:
        return None
    if kind != "text":
        return lambda thing: (value := value_of(thing)) is not None and compare(value, wanted)
    choices = set(wanted.split(","))
    return lambda thing: bool(choices & value_of(thing))


def _time(text: str, zone: ZoneInfo) -> datetime | None:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return datetime.combine(date.fromisoformat(text), time(), zone).astimezone(UTC)
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
