"""Every page once, nothing missed: while records change, tie, vanish and appear late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.ingestion.conformance.adapter import T0, Adapter
from tests.ingestion.conformance.conftest import Warehouse, expected


def settled(adapter: Adapter) -> None:
    adapter.on_request = lambda: None
    adapter.tick(minutes=5)


def some(adapter: Adapter, count: int = 8) -> None:
    """Records with a second between each, in files of four where files are."""
    for number in range(count):
        adapter.put(number)
        adapter.tick(seconds=1)
    settled(adapter)


def test_what_stands_still_is_read_once(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter)
    counts = warehouse.good().counts
    assert (counts.received, counts.kept) == (8, 8)
    assert warehouse.marks() == expected(adapter)


@pytest.mark.fault(
    "Records change, vanish and appear while they are read",
    "Each record's newest state is in after the next run at the latest.",
)
def test_records_change_vanish_and_appear_while_they_are_read(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter, 12)
    seen = 0

    def life() -> None:
        nonlocal seen
        seen += 1
        adapter.tick(seconds=7)
        if seen <= 12:
            adapter.put(seen * 5 % 12, 100 * (runs + 1) + seen)  # a deleted id does not come again
        if seen in (2, 3):
            adapter.vanish(max(adapter.things))

    for runs in range(2):
        adapter.on_request = life
        seen = 0
        warehouse.good()
        assert seen > 2, f"run {runs} asked nothing"
    settled(adapter)
    warehouse.good()
    found = warehouse.marks()
    assert {key: found.get(key) for key in expected(adapter)} == expected(adapter)


@pytest.mark.fault("The record at a page's end vanishes while the list is read", "None of the others is missed.")
def test_the_record_that_the_cursor_names_vanishes(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter)
    begun = adapter.requests

    def life() -> None:
        if adapter.requests in (begun + 3, begun + 5):
            for number in sorted(adapter.things)[2:5:2]:
                adapter.vanish(number)

    adapter.on_request = life
    warehouse.good()
    settled(adapter)
    warehouse.good()
    found = warehouse.marks()
    assert {key: found.get(key) for key in expected(adapter)} == expected(adapter)


@pytest.mark.fault("More records than a page holds have one time of change", "Each of them is read once.")
def test_ties_on_the_cursor_are_all_read_once(adapter: Adapter, warehouse: Warehouse) -> None:
    adapter.put(*range(10))
    settled(adapter)
    counts = warehouse.good().counts
    assert (counts.received, counts.kept) == (10, 10)
    assert warehouse.marks() == expected(adapter)
    adapter.put(*range(7))
    settled(adapter)
    warehouse.good()
    assert warehouse.marks() == expected(adapter)


def test_a_tie_with_the_windows_end_that_is_listed_late_is_not_missed(adapter: Adapter, warehouse: Warehouse) -> None:
    adapter.put(1)
    edge = adapter.now
    adapter.tick(seconds=adapter.settle.total_seconds())
    warehouse.good()
    adapter.put(2, at=edge)
    settled(adapter)
    warehouse.good()
    assert warehouse.marks() == expected(adapter)


@pytest.mark.fault(
    "A source shows a change later than its time says",
    "It is found by the next run, as far as the lookback reaches.",
)
def test_what_is_listed_late_is_found_within_the_lookback(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter, 4)
    warehouse.good()
    adapter.tick(minutes=10)
    warehouse.good()
    watermark = adapter.now - adapter.settle
    adapter.put(9, at=watermark - adapter.lookback + timedelta(seconds=1))
    settled(adapter)
    warehouse.good()
    assert warehouse.marks() == expected(adapter)


def test_an_empty_window_moves_the_bookmark_and_misses_nothing(adapter: Adapter, warehouse: Warehouse) -> None:
    for _ in range(2):
        counts = warehouse.good().counts
        assert counts.received == 0
        adapter.tick(minutes=5)
    if adapter.has_window:
        assert warehouse.query("select watermark from ops.checkpoints") == [
            (T0 + timedelta(minutes=5) - adapter.settle,)
        ]
    adapter.put(1)
    settled(adapter)
    warehouse.good()
    assert warehouse.marks() == expected(adapter)


def test_a_huge_window_is_read_to_its_end(adapter: Adapter, warehouse: Warehouse) -> None:
    adapter.page = 100
    for first in range(0, 2_050, 410):
        adapter.put(*range(first, first + 410))
        adapter.tick(days=3)
    settled(adapter)
    counts = warehouse.good().counts
    assert (counts.received, counts.kept) == (2_050, 2_050)
    assert warehouse.marks() == expected(adapter)


def test_the_bound_is_frozen_however_fast_the_source_grows(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter)

    def life() -> None:
        assert adapter.requests < 200, "the run follows the source's growth for ever"
        adapter.tick(seconds=90)
        adapter.put(100 + adapter.requests)

    for _ in range(2):
        begun, adapter.on_request = adapter.now, life
        warehouse.good()
        [(watermark,)] = warehouse.query("select watermark from ops.checkpoints")
        assert watermark <= begun + adapter.asks_until_bound * timedelta(seconds=90)
    settled(adapter)
    warehouse.good()
    assert warehouse.marks() == expected(adapter)


def test_a_deletion_is_told_where_the_source_tells_it(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter, 4)
    warehouse.good()
    adapter.vanish(2)
    settled(adapter)
    warehouse.good()
    gone = warehouse.query(f"select record_key from {warehouse.table} where _deleted")
    assert gone == ([(adapter.key(2),)] if adapter.tells_deletions else [])
    assert len(warehouse.marks()) == 4 - len(gone)
