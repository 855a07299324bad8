"""The windows of a backfill, several at a time in the threads of this process."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import uuid
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ingestion.backfill import Stop, run_window, unfinished
from ingestion.sync import Progress, RunResult
from settings import HeadwaterError, Pipeline
from warehouse.windows import WindowProgress

STOP_SECONDS = 60.0  # for what is under way to end; then it is left, and its batch with it

log = logging.getLogger(__name__)


class WindowResult(NamedTuple):
    """How one window ended here; `error` is None when it was read to its end."""

    window: WindowProgress
    result: RunResult | None
    error: str | None = None


def run_windows(
    source: str,
    stream: str,
    backfill_id: uuid.UUID,
    workers: int = 1,
    *,
    pipeline: Pipeline | None = None,
    url: str | None = None,
    on_progress: Callable[[int, Progress], None] | None = None,
    on_result: Callable[[WindowResult], None] | None = None,
) -> list[WindowResult]:
    """Read every unfinished window, `workers` at a time, each whatever happens to the others.

    `on_progress` is called from several threads, `on_result` from this one. On KeyboardInterrupt the windows stop
    after the page they are at, and it is raised again: the same command goes on.
    """
    waiting = deque(unfinished(backfill_id, url))
    total, stop = len(waiting), Stop()
    done: queue.SimpleQueue[WindowResult] = queue.SimpleQueue()

    def work() -> None:
        while not stop:
            try:
                window = waiting.popleft()
            except IndexError:
                return
            tell = partial(on_progress, window.number) if on_progress else None
            try:
                result = run_window(
                    source, stream, backfill_id, window.number, pipeline=pipeline, url=url, on_progress=tell, stop=stop
                )
                done.put(WindowResult(window, result))
            except HeadwaterError as error:
                done.put(WindowResult(window, None, str(error)))
            except Exception as error:
                # A bug must not keep the other windows back; it is shown whole in the log.
                log.exception("window %s failed", window.number)
                done.put(WindowResult(window, None, f"{type(error).__name__}: {error}; its traceback is in the log."))

    names = (f"backfill {number}" for number in range(min(workers, total)))
    # Daemons: what they wait for may be a slow server.
    threads = [threading.Thread(target=work, name=name, daemon=True) for name in names]
    for thread in threads:
        thread.start()
    results: list[WindowResult] = []
    try:
        while len(results) < total:
            # In short steps, for a wait without end hears no Ctrl-C everywhere.
            with contextlib.suppress(queue.Empty):
                results.append(done.get(timeout=0.2))
                if on_result:
                    on_result(results[-1])
    finally:
        stop.set()
        for thread in threads:
            thread.join(STOP_SECONDS / len(threads))
    return sorted(results, key=lambda it: it.window.number)
