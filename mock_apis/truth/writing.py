"""Keys, days and sums that the areas share, and how numbers are written."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from mock_apis.truth.sale import Amounts
from mock_apis.world.world import World

Row = dict[str, Any]


def address(email: str) -> str:
    return email.strip(" ").lower()


def local_day(world: World, at: datetime) -> date:
    return at.astimezone(world.zone).date()


def together(parts: Iterable[Amounts]) -> Amounts:
    total = Amounts()
    for part in parts:
        total.add(part)
    return total


def sums(amounts: Amounts) -> Row:
    return {
        "gross_sales": text(amounts.gross),
        "discounts": text(amounts.discounts),
        "returns": text(amounts.returns),
        "net_sales": text(amounts.net),
    }


def text(cents: int) -> str:
    return str(Decimal(cents).scaleb(-2).quantize(Decimal("0.01")))


def average(amounts: Amounts, orders: int) -> str | None:
    """What an order was worth before returns, in money; None without orders."""
    if not orders:
        return None
    return rounded(Decimal(amounts.gross - amounts.discounts) / (100 * orders), "0.01")


def median(amounts: list[int]) -> str | None:
    """The middle of the amounts, in money, halfway between the two of an even number; None of none."""
    return rounded(Decimal(statistics.median(amounts)) / 100, "0.01") if amounts else None


def rate(part: int, whole: int) -> str | None:
    return rounded(Decimal(part) / whole, "0.0001") if whole else None


def rounded(value: Decimal, step: str) -> str:
    return str(value.quantize(Decimal(step), ROUND_HALF_UP))
