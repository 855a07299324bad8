"""The report's two time series, drawn by matplotlib as SVG that stands inside the page.

Text stays text (it can be read out and selected), and colours that the page must decide by light or dark are
`currentColor`. The charts' data are of this installation alone, and every text is escaped by matplotlib.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import date, timedelta
from html import escape
from typing import Any

# Told apart by people who see no red or green, and by lightness in print.
PALETTE = ("#2563a8", "#e0892b", "#3a9d8f", "#8d6cab", "#c8553d", "#7a8793")
INK = "#010203"  # replaced by currentColor


def region_colours(rows: Sequence[tuple[date, str, float]]) -> dict[str, str]:
    """The regions, the largest first, with their colours: the chart's legend stands in the page, where it can wrap."""
    regions = sorted({region for _, region, _ in rows}, key=lambda name: -sum(v for _, r, v in rows if r == name))
    return {region: PALETTE[min(number, len(PALETTE) - 1)] for number, region in enumerate(regions)}


def revenue_chart(rows: Sequence[tuple[date, str, float]], currency: str) -> str:
    """Net sales a day, stacked by region, the largest region at the bottom. Returns follow below the line."""
    colours = region_colours(rows)
    days = _days([day for day, _, _ in rows])
    values = {(day, region): value for day, region, value in rows}
    figure, axes = _figure(9.4, 3.5)
    above, below = [0.0] * len(days), [0.0] * len(days)
    for region, colour in colours.items():
        series = [values.get((day, region), 0.0) for day in days]
        bottoms = [up if value >= 0 else down for value, up, down in zip(series, above, below, strict=True)]
        axes.bar(days, series, bottom=bottoms, width=0.82, color=colour, linewidth=0)
        above = [up + max(value, 0) for up, value in zip(above, series, strict=True)]
        below = [down + min(value, 0) for down, value in zip(below, series, strict=True)]
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title(f"{currency} a day", loc="left", fontsize=10, color=INK, alpha=0.7)
    return _svg(
        figure, "revenue", f"Net sales for each of {len(days)} days in {currency}, stacked by {', '.join(colours)}."
    )


def score_chart(rows: Sequence[tuple[date, float | None]]) -> str:
    """The quality score by day; a day without one is a gap."""
    days = _days([day for day, _ in rows])
    values = dict(rows)
    figure, axes = _figure(9.4, 2.4)
    series = [values.get(day) for day in days]
    numbers: list[Any] = [float("nan") if value is None else value for value in series]
    axes.plot(days, numbers, color=PALETTE[2], linewidth=2, marker="o", markersize=3.5)
    axes.axhspan(95, 100, color=PALETTE[2], alpha=0.10, linewidth=0)
    known = [value for value in series if value is not None]
    # A young platform has few days: not spread over the whole width.
    axes.set_xlim(min(days[0], days[-1] - timedelta(days=13)), days[-1] + timedelta(days=1))
    axes.set_ylim(min([80.0, *known]) - 2, 101)
    axes.set_title("0 to 100; 95 and more is good", loc="left", fontsize=10, color=INK, alpha=0.7)
    last = f" The last is {known[-1]:.1f}." if known else ""
    return _svg(figure, "score", f"Quality score for each of {len(days)} days, from 0 to 100.{last}")


def _days(found: Sequence[date]) -> list[date]:
    """Every day from the first to the last: a day without data must show as a gap."""
    first, last = min(found), max(found)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib as mpl
    from matplotlib.dates import AutoDateLocator, DateFormatter
    from matplotlib.figure import Figure

    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["font.family"] = "sans-serif"
    mpl.rcParams["svg.hashsalt"] = "headwater"  # the same data give the same file
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.spines["bottom"].set_alpha(0.35)
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=10, length=0)
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DateFormatter("%-d %b"))
    axes.margins(x=0.01)
    return figure, axes


def _svg(figure: Any, name: str, description: str) -> str:
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
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(description, quote=True)}"', 1)
