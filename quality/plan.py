"""Which delivery checks are declared for a candidate: expectations.yml turned into a flat list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from quality.expectations import Expectations, Explained, MartExpectations, Severity


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """One check of one mart. `expectation` and `arguments` are great-expectations' own names."""

    kind: str
    mart: str
    subject: str
    severity: Severity
    expectation: str
    arguments: Mapping[str, Any]

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
    unexplained_share: float,
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
        _explained(mart, block.explained, unexplained_share) for mart, block in sorted(marts.items()) if block.explained
    ]


def _explained(mart: str, explained: Explained, unexplained_share: float) -> DeclaredCheck:
    allowed = {
        "column": explained.column,
        "value_set": explained.classes,
        "mostly": round(1 - unexplained_share, 9),  # 1 - 0.07 is a little less than 0.93
    }
    subject = f"{mart}.{explained.column}"
    return DeclaredCheck("explained", mart, subject, "error", "ExpectColumnValuesToBeInSet", allowed)


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
