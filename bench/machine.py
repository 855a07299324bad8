"""What every figure is printed with: the machine, how busy it was, and a small table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

WIDTH = 120


class Report:
    """Collects rows and prints them below the machine's description. Made before the first measurement."""

    def __init__(self, title: str, columns: Sequence[str], *notes: str):
        self._notes = notes
        self._load_before = os.getloadavg()[0]
        self._table = Table(title=title, title_justify="left", title_style="bold")
        for number, column in enumerate(columns):
            self._table.add_column(column, justify="right" if number else "left")

    def add(self, *cells: str) -> None:
        self._table.add_row(*cells)

    def print(self) -> None:
        terminal = Console()
        console = terminal if terminal.is_terminal else Console(width=WIDTH)
        console.print(self._table)
        console.print(
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()};"
            f" load {self._load_before:.1f} before, {os.getloadavg()[0]:.1f} after",
            highlight=False,
        )
        for note in self._notes:
            console.print(note, highlight=False)


def spread(values: Sequence[float]) -> str:
    """The median, with the least and the most: "11.2 (10.8-12.0)"."""
    return f"{median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def ratio(values: Sequence[float], base: Sequence[float]) -> str:
    return f"{median(values) / median(base):.2f}"
