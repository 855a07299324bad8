"""Progress of a backfill: a line for each window at work on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from ingestion.backfill_workers import WindowResult
from ingestion.sync import Progress
from warehouse.batch import Counts

PLAIN_SECONDS = 5.0


class BackfillDisplay:
    """Give `update` and `result` to run_windows; then show the `total`."""

    def __init__(self, name: str, windows: int, left: int, quiet: bool = False):
        self._name, self._windows, self._quiet = name, windows, quiet
        self._done = windows - left
        self._lines: dict[int, TaskID] = {}
        self._read: dict[int, int] = {}
        self._told = time.monotonic()
        self._lock = threading.Lock()
        console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._bars: Bars | None = None
        if console.is_terminal and not quiet:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bars = Bars(*columns, TimeElapsedColumn(), console=console, transient=True)
            self._overall = self._bars.add_task(f"{name}: windows", total=windows, completed=self._done)

    def __enter__(self) -> BackfillDisplay:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def update(self, number: int, told: Progress) -> None:
        line = f"window {number}: {told.read:,} read, {told.committed:,} written"
        with self._lock:
            self._read[number] = told.read
            if self._bars:
                if number not in self._lines:
                    self._lines[number] = self._bars.add_task(line, total=None)
                self._bars.update(self._lines[number], description=line)
            elif not self._quiet and time.monotonic() - self._told >= PLAIN_SECONDS:
                self._told = time.monotonic()
                read = sum(self._read.values())
                print(f"{self._name}: {self._done} of {self._windows} windows done, {read:,} read", flush=True)

    def result(self, found: WindowResult) -> None:
        """One line: what became of a window."""
        window, result = found.window, found.result
        with self._lock:
            self._done += result is not None
            if self._bars:
                self._bars.update(self._overall, completed=self._done)
                if (line := self._lines.pop(window.number, None)) is not None:
                    self._bars.remove_task(line)
        span = f"window {window.number} of {self._windows} (from {window.start:%Y-%m-%d %H:%M:%SZ})"
        if result is None:
            self._print(f"{span} failed: {found.error}")
        else:
            self._print(f"{span}: {_told(result.counts)} in {result.seconds:.1f} s")

    def total(self, counts: Iterable[Counts]) -> None:
        """What the windows received, in this run and those before."""
        total = Counts()
        for each in counts:
            total = total.plus(each)
        print(f"{self._name}: {self._done} of {self._windows} windows done: {_told(total)} in all runs")

    def _print(self, line: str) -> None:
        if self._bars:
            self._bars.console.print(line, markup=False)
        else:
            print(line, flush=True)


def _told(counts: Counts) -> str:
    rejected = f", {counts.rejected:,} rejected" if counts.rejected else ""
    return f"{counts.received:,} read, {counts.kept:,} new, {counts.already_there:,} there already{rejected}"
