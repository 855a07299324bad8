"""An empty figure in the page's style, the colours of names, and the SVG of what was drawn."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from markupsafe import Markup

# Told apart by people who see no red or green, and by lightness in print.
COLOURS = ("#2563a8", "#e0892b", "#3a9d8f", "#8d6cab", "#c8553d", "#7a8793")
INK = "#010203"  # replaced by currentColor
PAGE_INCHES = 9.4  # the width of the page's 24 columns
ROW_INCHES = 0.36


@dataclass(frozen=True, slots=True)
class Drawing:
    """The <svg> element, and the colour of each name in it: the legend stands in the page, where it can wrap."""

    svg: Markup
    legend: dict[str, str]


class Palette:
    """A name has the same colour in every picture: its own where one is given, else the next."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
        """The names' colours, in order. Up to six names that come together have different ones."""
        return {name: given.get(name) or self._next(name) for name in names}

    def _next(self, name: str) -> str:
        return self._known.setdefault(name, COLOURS[len(self._known) % len(COLOURS)])


def new_figure(columns: int, rows: float, grid: Literal["x", "y"] = "y") -> tuple[Any, Any]:
    """A figure of so many of the page's 24 columns and of a dashboard's rows, and its axes; `grid`: across which."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["font.family"] = "sans-serif"
    mpl.rcParams["svg.hashsalt"] = "headwater"  # the same data give the same file
    figure = Figure(figsize=(PAGE_INCHES * columns / 24, ROW_INCHES * rows), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left" if grid == "y" else "bottom"):
        axes.spines[side].set_visible(False)
    kept = axes.spines["bottom" if grid == "y" else "left"]
    kept.set_color(INK)
    kept.set_alpha(0.35)
    axes.grid(axis=grid, color=INK, alpha=0.12, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=10, length=0)
    axes.margins(x=0.01)
    return figure, axes


def show_days(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter

    axes.xaxis.set_major_locator(AutoDateLocator(minticks=2, maxticks=8))
    axes.xaxis.set_major_formatter(DateFormatter("%-d %b"))


def say(axes: Any, words: str) -> None:
    """A line above the picture: what it is counted in."""
    axes.set_title(words, loc="left", fontsize=10, color=INK, alpha=0.7)


def numbers(unit: str) -> Callable[[float, Any], str]:
    """How an axis writes its numbers."""
    if unit == "percentunit":
        return lambda value, _: f"{value:.0%}"
    return lambda value, _: f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.1f}"


def svg(figure: Any, name: str, description: str) -> Markup:
    """The <svg> element alone, with its description for those who do not see it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = text.replace(INK, "currentColor")
    # Every chart has its own ids, for they share one page.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{name}-", text)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{escape(description, quote=True)}"', 1))
