"""Do the same with several things at once, and have the results in the things' own order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def side_by_side(do: Callable[[A], B], things: Sequence[A], workers: int) -> list[B]:
    """`do` of each thing, at most `workers` at a time; `do` must bear being called from several threads.

    The first error is raised at once and nothing more is begun. What was begun is not waited for: its threads are
    daemons, and what they wait for may be a slow server.
    """
    if workers == 1 or len(things) < 2:
        return [do(thing) for thing in things]
    waiting = deque(enumerate(things))
    done: queue.SimpleQueue[tuple[int, list[B], BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                place, thing = waiting.popleft()
            except IndexError:
                return
            try:
                done.put((place, [do(thing)], None))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the caller's thread raises it
                done.put((place, [], error))
                return

    for number in range(min(workers, len(things))):
        threading.Thread(target=work, name=f"side by side {number}", daemon=True).start()
    results: dict[int, B] = {}
    while len(results) < len(things):
        place, result, error = done.get()
        if error is not None:
            waiting.clear()
            raise error
        results[place] = result[0]
    return [results[place] for place in range(len(things))]
