"""What the demo shows while it works: each stage with its records, rate and time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

import psycopg
from rich.console import Console
from rich.live import Live
from rich.table import Table

MARKS = {"waiting": "·", "running": "▸", "done": "✓", "failed": "✗", "skipped": "-"}
STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "bold red", "skipped": "dim"}
OF_AIRFLOW = {
    "success": "done",
    "failed": "failed",
    "upstream_failed": "failed",
    "skipped": "skipped",
    "running": "running",
    "up_for_retry": "running",
}


@dataclass
class Stage:
    name: str
    state: str = "waiting"
    records: int | None = None
    seconds: float | None = None
    _began: float | None = field(default=None, repr=False)

    def enter(self, state: str, seconds: float | None = None) -> None:
        """Change the state; a running stage's time counts on until it ends or `seconds` is known."""
        if state == "running" and self._began is None:
            self._began = time.monotonic()
        if seconds is not None:
            self.seconds = seconds
        elif self._began is not None and self.state == "running":
            self.seconds = time.monotonic() - self._began
        self.state = state


class Progress:
    """A table of stages that keeps itself up to date on a terminal, and one line a finished stage elsewhere."""

    def __init__(self, console: Console):
        self.console = console
        self.stages: dict[str, Stage] = {}
        self._told: set[str] = set()
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=8, transient=False)

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def stage(self, name: str) -> Stage:
        return self.stages.setdefault(name, Stage(name))

    def update(self, name: str, state: str, seconds: float | None = None) -> Stage:
        stage = self.stage(name)
        stage.enter(state, seconds)
        self._tell(stage)
        return stage

    def step(self, name: str) -> None:
        """Begin `name`; whatever ran before it is done."""
        for stage in self.stages.values():
            if stage.state == "running":
                self.update(stage.name, "done")
        self.update(name, "running")

    def finish_step(self) -> None:
        for stage in self.stages.values():
            if stage.state == "running":
                self.update(stage.name, "done")

    def _tell(self, stage: Stage) -> None:
        """Off a terminal: a line when a stage ends."""
        if self.console.is_terminal or stage.state in ("waiting", "running") or stage.name in self._told:
            return
        self._told.add(stage.name)
        cells = [cell for cell in _cells(stage)[2:] if cell]
        self.console.print(f"{MARKS[stage.state]} {stage.name}  {'  '.join(cells)}", highlight=False)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
        for title, side in (
            ("", "left"),
            ("stage", "left"),
            ("records", "right"),
            ("rate", "right"),
            ("time", "right"),
        ):
            table.add_column(title, justify="right" if side == "right" else "left", no_wrap=True)
        table.add_column("")
        for stage in self.stages.values():
            if stage.state == "running":
                stage.enter("running")
            table.add_row(*_cells(stage), style=STYLES[stage.state])
        return table


def _cells(stage: Stage) -> list[str]:
    records = "" if stage.records is None else f"{stage.records:,}"
    rate = f"{stage.records / stage.seconds:,.0f}/s" if stage.records and stage.seconds else ""
    seconds = "" if stage.seconds is None else f"{stage.seconds:.1f} s"
    return [MARKS[stage.state], stage.name, records, rate, seconds]


def records_since(warehouse_url: str, since: datetime) -> dict[tuple[str, str], int]:
    """Records received of each (source, stream) in batches that were committed after `since`."""
    query = "select source, stream, sum(received) from ops.loads where committed_at > %s group by 1, 2"
    with psycopg.connect(warehouse_url, connect_timeout=5) as connection:
        return {(source, stream): int(total) for source, stream, total in connection.execute(query, (since,))}
