"""Progress of a sync: a live line on a terminal, a plain line a stream now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ingestion.sync import Progress, RunResult

PLAIN_SECONDS = 5.0


class SyncDisplay:
    """Give `update` to sync as `on_progress`; then show each good result."""

    def __init__(self, quiet: bool = False):
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told = time.monotonic()
        if self._console.is_terminal and not quiet:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            self._bar = Bar(*columns, console=self._console, transient=True)

    def __enter__(self) -> SyncDisplay:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, progress: Progress) -> None:
        name = f"{progress.source}.{progress.stream}"
        rate = progress.read / progress.seconds if progress.seconds else 0.0
        line = f"{name}: {progress.read:,} read, {progress.committed:,} written, {rate:,.0f}/s"
        if self._bar:
            for other, task in self._tasks.items():
                self._bar.update(task, visible=other == name)
            if name not in self._tasks:
                self._tasks[name] = self._bar.add_task(line)
            self._bar.update(self._tasks[name], description=line)
        elif not self._quiet and time.monotonic() - self._told >= PLAIN_SECONDS:
            self._told = time.monotonic()
            print(f"{line}, {progress.seconds:.0f} s", flush=True)

    def result(self, result: RunResult) -> None:
        """One line: what the run did."""
        name, counts = f"{result.source}.{result.stream}", result.counts
        rejected = f", {counts.rejected:,} rejected" if counts.rejected else ""
        fields = f"; new fields: {', '.join(result.new_fields)}" if result.new_fields else ""
        print(
            f"{name}: {counts.received:,} read, {counts.kept:,} new, {counts.already_there:,} there already{rejected}"
            f" in {result.seconds:.1f} s ({result.records_per_second:,.0f}/s){fields}"
        )
