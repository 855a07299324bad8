"""The one world that all servers share, and the lock that keeps it whole."""

from __future__ import annotations

from threading import RLock

from mock_apis.world.world import World


class WorldRef:
    """Hold `lock` while answering one request, so that no answer shows half a day's change."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lock = RLock()

    def advance(self, days: int = 1) -> None:
        with self.lock:
            self.world.advance(days)
