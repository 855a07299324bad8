"""The one world that all servers share, and the lock that keeps it whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import RLock

from mock_apis.world.world import World


class WorldRef:
    """Hold `lock` while answering one request, so that no answer shows half a day's change.

    `moved` is told of the world whenever its clock has moved, before anybody sees it, `on_advance` since when time
    has passed; both under the lock.
    """

    def __init__(self, world: World, moved: Callable[[World], None] = lambda _world: None) -> None:
        self.world = world
        self._moved = moved
        self.lock = RLock()
        self.on_advance: Callable[[World, datetime], None] = lambda world, since: None

    def advance(self, days: int = 1) -> None:
        with self.lock:
            since = self.world.now
            self.world.advance(days)
            self._moved(self.world)
            self.on_advance(self.world, since)
