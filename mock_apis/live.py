"""Lets the pretend shop live with the calendar: each real day at one o'clock, shop time, a day passes in it too.

Without this its clock stands still until somebody moves it, and a stack that is left running sees stale sources.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from mock_apis.world.ref import WorldRef

LOOK_SECONDS = 30.0
DAY_BEGINS = timedelta(hours=1)  # the world's own `now` is one o'clock of its `today`


def days_behind(world_ref: WorldRef, now: datetime) -> int:
    """How many days the shop's clock is behind the moment `now`; 0 when it is level or ahead."""
    with world_ref.lock:
        world = world_ref.world
        return max(0, ((now.astimezone(world.zone) - DAY_BEGINS).date() - world.today).days)


class LiveClock:
    """As a context, keeps up with the calendar; `remember` is told the days before they pass."""

    def __init__(
        self,
        world_ref: WorldRef,
        remember: Callable[[int], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._world_ref, self._remember, self._clock = world_ref, remember, clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live clock", daemon=True)

    def __enter__(self) -> LiveClock:
        self.catch_up()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def catch_up(self) -> int:
        """Let the days pass that the shop is behind; how many."""
        with self._world_ref.lock:
            days = days_behind(self._world_ref, self._clock())
            if days:
                self._remember(days)
                self._world_ref.advance(days)
        return days

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self.catch_up()
