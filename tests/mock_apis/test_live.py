"""A shop that is left running keeps up with the calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime

from mock_apis.live import LiveClock
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World


def test_a_day_passes_at_one_o_clock_shop_time_and_is_remembered_first() -> None:
    world_ref = WorldRef(World(7, "tiny", date(2026, 3, 28), "Europe/Berlin"))
    now = datetime(2026, 3, 28, 23, 59, tzinfo=UTC)  # 00:59 of the 29th in Berlin
    remembered: list[tuple[int, date]] = []
    clock = LiveClock(world_ref, lambda days: remembered.append((days, world_ref.world.today)), lambda: now)
    assert clock.catch_up() == 0
    now = datetime(2026, 3, 29, 0, 1, tzinfo=UTC)
    assert clock.catch_up() == 1
    assert clock.catch_up() == 0
    now = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
    assert clock.catch_up() == 3
    assert world_ref.world.today == date(2026, 4, 1)
    assert remembered == [(1, date(2026, 3, 28)), (3, date(2026, 3, 29))]


def test_a_shop_that_is_ahead_of_the_calendar_waits_for_it() -> None:
    world_ref = WorldRef(World(7, "tiny", date(2026, 3, 28), "Europe/Berlin"))
    with LiveClock(world_ref, lambda _days: None, lambda: datetime(2026, 3, 20, tzinfo=UTC)) as clock:
        assert clock.catch_up() == 0
    assert world_ref.world.today == date(2026, 3, 28)
