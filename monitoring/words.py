"""Values as a person says them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any


def duration(seconds: float) -> str:
    """A length of time: 45 s, 12 min, 3.5 h, 2.1 days."""
    for size, unit in ((172_800, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / (86_400 if unit == 'days' else size):.1f} {unit}".replace(".0 ", " ")
    return f"{seconds:.0f} s"


def amount(row: list[Any]) -> str:
    """The value of a scorecard's row (value, unit, status, detail); `unknown` where nothing was measured."""
    value, unit = row[0], row[1]
    if value is None:
        return "unknown"
    if unit == "percent":
        return f"{int(value * 10) / 10:g} %"  # cut, not rounded: 99.96 % is not 100 %
    return duration(value) if unit == "seconds" else f"{value:,.0f}"


def cell(value: Any) -> str:
    """One value of a mart."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | Decimal) else str(value)
