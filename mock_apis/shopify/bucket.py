"""The leaky bucket behind the API's rate limit, on real time: clients sleep for real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Bucket:
    """Holds `size` points and gets `restore` back every second.

    A query takes its requested cost before it runs and is given back, once it
    has run, what it did not use.
    """

    def __init__(self, size: int, restore: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = size
        self.restore = restore
        self._clock = clock
        self._lock = threading.Lock()
        self._level = float(size)
        self._at = clock()

    def _refill(self) -> None:
        now = self._clock()
        self._level = min(float(self.size), self._level + (now - self._at) * self.restore)
        self._at = now

    def take(self, points: int) -> bool:
        """Take the points if they are there; False (and nothing taken) if not."""
        with self._lock:
            self._refill()
            if points > self._level:
                return False
            self._level -= points
            return True

    def give_back(self, points: int) -> None:
        """Return what a query asked for and did not use."""
        with self._lock:
            self._refill()
            self._level = min(float(self.size), self._level + points)

    def status(self) -> dict[str, float]:
        """The `throttleStatus` of an answer."""
        with self._lock:
            self._refill()
            return {
                "maximumAvailable": float(self.size),
                "currentlyAvailable": int(self._level),
                "restoreRate": float(self.restore),
            }
