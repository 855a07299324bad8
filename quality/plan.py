"""Which delivery checks are declared for a candidate: expectations.yml turned into a flat list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from quality.expectations import Expectations, Explained, MartExpectations, Severity
from settings.pipeline import Unexplained


@dataclass(frozen=True, slots=True)
class Days:
    """The rows of a mart from a day on, or all before it."""

    column: str
    since: date | None = None
    before: date | None = None


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """One check of one mart, or of its rows of some `days`. `expectation` and `arguments` are great-expectations'."""

    kind: str
    mart: str
    subject: str
    severity: Severity
    expectation: str
    arguments: Mapping[str, Any]
    days: Days | None = None

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.subject}"


def declare(
    expectations: Expectations,
    candidates: Sequence[str],
    as_of_day: date,
    recent: timedelta,
    last_rows: Mapping[str, int],
    usual_share: float,
    unexplained: Unexplained,
) -> list[DeclaredCheck]:
    """Every check for the marts of the file, and for candidates that the file does not name.

    `last_rows` holds the row count of each mart's last publication; a mart without one has no row-count check yet.
    """
    marts = dict.fromkeys(candidates, MartExpectations()) | expectations.marts
    return [
        check
        for mart, block in sorted(marts.items())
        for check in _of_mart(mart, block, as_of_day, recent, last_rows.get(mart), usual_share)
    ] + [
        check
        for mart, block in sorted(marts.items())
        if block.explained
        for check in _explained(mart, block.explained, as_of_day, unexplained)
    ]


def _explained(mart: str, explained: Explained, as_of_day: date, limit: Unexplained) -> Iterator[DeclaredCheck]:
    """By count and by amount, over the latest days: over all days, a long history would hide a bad one.

    What is older was let pass once, by somebody or within the limits, and stays as a warning: if it went on to block,
    one difference that nobody can mend would keep every later day from the readers.
    """
    first = as_of_day - limit.within
    latest, older = Days(explained.day, since=first), Days(explained.day, before=first)
    subject, in_set = f"{mart}.{explained.column}", "ExpectColumnValuesToBeInSet"
    is_explained: dict[str, Any] = {"column": explained.column, "value_set": [True]}
    mostly = {"mostly": round(1 - limit.share, 9)}  # 1 - 0.07 is a little less than 0.93
    if explained.counted:
        yield DeclaredCheck("explained", mart, subject, "error", in_set, is_explained | mostly, latest)
    else:
        yield DeclaredCheck("explained", mart, subject, "warn", in_set, is_explained, latest)
    yield DeclaredCheck("explained_before", mart, subject, "warn", in_set, is_explained, older)
    at_most = {"column": explained.amount, "max_value": limit.amount}
    yield DeclaredCheck(
        "unexplained_amount", mart, f"{mart}.{explained.amount}", "error", "ExpectColumnSumToBeBetween", at_most, latest
    )


def _of_mart(
    mart: str, block: MartExpectations, as_of_day: date, recent: timedelta, last_rows: int | None, usual_share: float
) -> Iterator[DeclaredCheck]:
    rows = "ExpectTableRowCountToBeBetween"
    yield DeclaredCheck("not_empty", mart, mart, block.not_empty, rows, {"min_value": 1})
    # One row or none is what not_empty asks, and GX runs what is asked twice once.
    if last_rows and (least := int(last_rows * usual_share)) > 1:
        yield DeclaredCheck("usual_row_count", mart, mart, "warn", rows, {"min_value": least})
    if block.newest:
        column = block.newest.column
        oldest = {"column": column, "min_value": as_of_day - (block.newest.within or recent)}
        yield DeclaredCheck(
            "recent", mart, f"{mart}.{column}", block.newest.severity, "ExpectColumnMaxToBeBetween", oldest
        )
    for column in block.key:
        yield DeclaredCheck(
            "key_not_null", mart, f"{mart}.{column}", "error", "ExpectColumnValuesToNotBeNull", {"column": column}
        )
    if len(block.key) == 1:
        yield DeclaredCheck(
            "key_unique", mart, f"{mart}.{block.key[0]}", "error", "ExpectColumnValuesToBeUnique",
            {"column": block.key[0]},
        )  # fmt: skip
    elif block.key:
        yield DeclaredCheck(
            "key_unique", mart, f"{mart}.({', '.join(block.key)})", "error", "ExpectCompoundColumnsToBeUnique",
            {"column_list": block.key},
        )  # fmt: skip
    for column in block.not_negative:
        yield DeclaredCheck(
            "not_negative", mart, f"{mart}.{column}", "error", "ExpectColumnValuesToBeBetween",
            {"column": column, "min_value": 0},
        )  # fmt: skip
