"""The results as bars: charges a second, CPU seconds for a million, memory; an SVG that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.results import Row

OURS, LIMIT, PEER = "#2563a8", "#b9c0c7", "#e0892b"
INK = "#30363d"


def draw(rows: Sequence[Row], ours: str, limit: str, file: Path) -> None:
    """`ours` and `limit` are the titles that get a colour of their own."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["font.family"] = "sans-serif"
    mpl.rcParams["svg.hashsalt"] = "headwater"  # the same figures give the same file
    shown = list(reversed(rows))  # the first bar is the lowest
    panels: list[tuple[str, list[float]]] = [
        ("charges a second", [row.rate for row in shown]),
        ("CPU seconds for a million charges", [row.cpu for row in shown]),
        ("memory at the peak, MB", [row.peak for row in shown]),
    ]
    figure = Figure(figsize=(10, 0.5 + 0.42 * len(rows)), layout="constrained", facecolor="white")
    colours = [OURS if row.title == ours else LIMIT if row.title == limit else PEER for row in shown]
    all_axes: Any = figure.subplots(1, len(panels), sharey=True)
    for axes, (title, values) in zip(all_axes, panels, strict=True):
        bars = axes.barh([row.title for row in shown], values, color=colours, height=0.66)
        axes.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3, fontsize=9, color=INK)
        axes.set_title(title, loc="left", fontsize=10, color=INK)
        axes.set_xlim(0, max(values) * 1.22)
        axes.set_xticks([])
        axes.tick_params(axis="y", length=0, labelsize=10, labelcolor=INK)
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
        axes.spines["left"].set_color("#c9ced3")
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
