"""What every figure is printed with: the machine, how busy it was, and a small table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console
from rich.table import Table

WIDTH = 120


class Report:
    """Collects rows, and prints or writes them with the machine's description. Made before the first measurement."""

    def __init__(self, title: str, columns: Sequence[str], *notes: str):
        self._title, self._columns, self._notes = title, columns, list(notes)
        self._load_before = os.getloadavg()[0]
        self._rows: list[tuple[str, ...]] = []

    def add(self, *cells: str) -> None:
        self._rows.append(cells)

    def note(self, text: str) -> None:
        self._notes.append(text)

    def print(self) -> None:
        table = Table(title=self._title, title_justify="left", title_style="bold")
        for number, column in enumerate(self._columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self._rows:
            table.add_row(*row)
        terminal = Console()
        console = terminal if terminal.is_terminal else Console(width=WIDTH)
        console.print(table)
        for note in (self._machine(), *self._notes):
            console.print(note, highlight=False)

    def write(self, path: Path, command: str) -> None:
        """The same as a page of markdown."""
        lines = [self._columns, ["---", *["--:"] * (len(self._columns) - 1)], *self._rows]
        written = f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}."
        parts = [f"# {self._title}", written, *self._notes, "\n".join(f"| {' | '.join(line)} |" for line in lines)]
        path.write_text("\n\n".join([*parts, self._machine()]) + "\n", encoding="utf-8")

    def _machine(self) -> str:
        return f"{machine()}. The load was {self._load_before:.1f} before and {os.getloadavg()[0]:.1f} after."


def machine() -> str:
    """The processor, as the kernel calls it, memory, system and Python."""
    processor = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        names = [line.partition(":")[2].strip() for line in about.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({processor}), {memory:.0f} GB, {platform.system()} {platform.release()};"
        f" Python {platform.python_version()}"
    )


def spread(values: Sequence[float]) -> str:
    """The median, with the least and the most: "11.2 (10.8-12.0)"."""
    return f"{median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def ratio(values: Sequence[float], base: Sequence[float]) -> str:
    return f"{median(values) / median(base):.2f}"
