"""Rule 5: windows are frozen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from ingestion.source import Context, Page, Record, State
from ingestion.window import Window, WindowedStream, WindowPage
from settings import SourceSettings

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = SourceSettings.model_validate(
    {"schedule": "0 2 * * *", "freshness": "26h", "lookback": "90s", "streams": {"things": None}}
)


class Shop:
    """Things with the second of their last change; `at` is the second by its own clock."""

    def __init__(self) -> None:
        self.at = 1_000
        self.changed = {number: 900 + number % 3 for number in range(8)}

    def live(self, touched: list[int]) -> None:
        self.at += 50
        for number in touched:
            self.changed[number] = self.at


class Things(WindowedStream):
    """Two things a page, oldest change first, ties by their number."""

    name = "things"

    def __init__(self, shop: Shop):
        super().__init__(Context("shop", SETTINGS))
        self.shop = shop

    def source_now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.shop.at)

    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        first = (window.start - BEGIN).total_seconds() if window.start else 0
        last = (window.end - BEGIN).total_seconds()
        while True:
            found = sorted((when, number) for number, when in self.shop.changed.items() if first <= when <= last)
            rest = [each for each in found if cursor is None or each > tuple(cursor)]
            page, cursor = rest[:2], list(rest[1]) if len(rest) > 2 else None
            yield WindowPage([Record(f"{number} {when}".encode()) for when, number in page], cursor, "shop")
            if cursor is None:
                return


def read(shop: Shop, state: State, life: list[list[int]], pages: int | None) -> tuple[State, list[Page]]:
    """One run, during which the shop lives on after each page; cut off after `pages` pages."""
    taken = []
    for page in Things(shop).read(state):
        taken.append(page)
        state = page.state
        shop.live(life.pop(0) if life else [])
        if len(taken) == pages:
            break
    return state, taken


LIFE = some.lists(some.lists(some.integers(0, 9), max_size=4), max_size=12)


@given(runs=some.lists(some.tuples(LIFE, some.none() | some.integers(1, 4)), max_size=5))
def test_rule_5_whatever_changes_and_breaks_off_meanwhile_nothing_is_missed(
    runs: list[tuple[list[list[int]], int | None]],
) -> None:
    shop, state, seen = Shop(), {}, set()
    for life, broken_off in runs:
        state, pages = read(shop, state, life, broken_off)
        seen |= {record.data for page in pages for record in page.records}
        shop.live([])
    shop.at += 61
    state, pages = read(shop, state, [], None)
    seen |= {record.data for page in pages for record in page.records}
    assert {f"{number} {when}".encode() for number, when in shop.changed.items()} <= seen


def test_rule_5_the_upper_bound_is_fixed_at_the_start_and_the_watermark_moves_at_the_end() -> None:
    shop = Shop()
    state, pages = read(shop, {}, [[7], [6], [5]], None)
    end = BEGIN + timedelta(seconds=940)
    assert [page.watermark for page in pages] == [None] * (len(pages) - 1) + [end]
    assert state == {"watermark": end.isoformat(), "window": None}
    assert {page.state["window"]["end"] for page in pages[:-1]} == {end.isoformat()}


def test_rule_5_a_window_that_was_broken_off_is_ended_as_it_was_begun() -> None:
    shop = Shop()
    state, first = read(shop, {}, [], 2)
    _, rest = read(shop, state, [], None)
    ends = [page.watermark for page in rest if page.watermark]
    assert ends[0] == BEGIN + timedelta(seconds=940)
    assert ends[1] > ends[0]
    once = [
        record.data
        for page in first + rest[: rest.index(next(p for p in rest if p.watermark)) + 1]
        for record in page.records
    ]
    assert len(once) == len(set(once)) == 8


def test_rule_5_the_next_window_overlaps_by_the_lookback_and_an_empty_one_still_moves_the_watermark() -> None:
    shop = Shop()
    shop.at = 1_500
    state, _ = read(shop, {}, [], None)
    shop.at = 5_000
    later, pages = read(shop, state, [], None)
    assert [len(page.records) for page in pages] == [0]
    assert later["watermark"] == (BEGIN + timedelta(seconds=4_940)).isoformat()
    shop.changed[1] = 4_940 - 90
    shop.at = 6_000
    _, pages = read(shop, later, [], None)
    assert [record.data for page in pages for record in page.records] == [b"1 4850"]


def test_rule_5_no_window_is_opened_until_the_sources_clock_has_moved() -> None:
    shop = Shop()
    state, _ = read(shop, {}, [], None)
    shop.at = 1_000
    assert read(shop, state, [], None) == (state, [])
