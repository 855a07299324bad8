"""Work one item ahead: the source is asked, and what it gives is checked, while the database writes the last batch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Iterate over `items` from a thread that stays one item ahead, so at most three items exist at a time.

    An error of `items` is raised to the reader, in its place. `stop` lets go of the thread without waiting for it:
    it is a daemon, and what it waits for may be a slow server.
    """

    def __init__(self, items: Iterator[T], name: str):
        self._items = items
        self._queue: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=1)
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name=f"read {name}", daemon=True).start()

    def __iter__(self) -> Iterator[T]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the reader's thread raises it
            self._put(error)

    def _put(self, item: T | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False
