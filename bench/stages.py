"""Where the client's CPU time goes in a sync of charges: `python -m bench.stages` runs it and prints JSON.

The functions between the stages are wrapped with the clock of their thread's CPU time; what one calls of another is the
other's. Waiting costs nothing on that clock.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import ingestion.stripe_api
import ingestion.sync
import warehouse.writer
from ingestion.http import HttpClient
from ingestion.sync import sync_stream
from settings import friendly_errors

REST = "Python's start, and the rest"
STAGES: tuple[tuple[Any, str, str], ...] = (
    (HttpClient, "get_json", "HTTP: ask, read, see that the answer is whole JSON"),
    (ingestion.stripe_api, "_cut", "cut the page into records"),
    (ingestion.sync, "_batch", "contract, key and version of each record"),
    (warehouse.writer, "write", "hash, encode for COPY, send"),
)


class Clock:
    """CPU seconds by stage; each thread counts for itself."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = threading.local()

    def wrap(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            outer, self._inside.spent = getattr(self._inside, "spent", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*given, **named)
            finally:
                took = time.thread_time() - began
                self.seconds[stage] += took - self._inside.spent
                self._inside.spent = outer + took

        return timed


def main() -> None:
    clock = Clock()
    for owner, name, stage in STAGES:
        setattr(owner, name, clock.wrap(getattr(owner, name), stage))
    sync_stream("stripe", "charges")
    used = resource.getrusage(resource.RUSAGE_SELF)
    stages = {stage: clock.seconds[stage] for _, _, stage in STAGES}
    stages[REST] = used.ru_utime + used.ru_stime - sum(stages.values())
    json.dump(stages, sys.stdout)


if __name__ == "__main__":
    with friendly_errors():
        main()
