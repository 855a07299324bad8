"""Numbers over days: stacked bars, or lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup

from monitoring.charts.canvas import COLOURS, Drawing, Palette, new_figure, numbers, say, show_days, svg
from monitoring.pictures import Picture

Points = dict[str, dict[date, float]]


def draw_series(picture: Picture, palette: Palette) -> Drawing:
    """Bars stacked by day, the largest series at the bottom and returns below the line; or a line for each."""
    points = _points(picture)
    by_size = sorted(points, key=lambda name: -sum(points[name].values()))
    colours = palette.of(by_size, picture.colours)
    days = _days(day for series in points.values() for day in series)
    figure, axes = new_figure(picture.width, picture.height)
    if picture.stacked:
        _stack(axes, days, points, colours)
    else:
        for name, colour in colours.items():
            axes.plot(list(points[name]), list(points[name].values()), color=colour, linewidth=1.8)
    axes.yaxis.set_major_formatter(numbers(picture.unit))
    show_days(axes)
    say(axes, picture.counted_in)
    listed = f"{len(days)} days to {days[-1]}: {', '.join(colours)}."
    return Drawing(svg(figure, picture.name, f"{picture.words} {listed}"), colours)


def draw_scores(scores: Sequence[tuple[date, float | None]]) -> Markup:
    """The quality score by day; a day without one is a gap."""
    days = _days(day for day, _ in scores)
    values = dict(scores)
    figure, axes = new_figure(24, 6.5)
    series = [values.get(day) for day in days]
    heights: list[Any] = [float("nan") if value is None else value for value in series]
    axes.plot(days, heights, color=COLOURS[2], linewidth=2, marker="o", markersize=3.5)
    axes.axhspan(95, 100, color=COLOURS[2], alpha=0.10, linewidth=0)
    known = [value for value in series if value is not None]
    # A young platform has few days: not spread over the whole width.
    axes.set_xlim(min(days[0], days[-1] - timedelta(days=13)), days[-1] + timedelta(days=1))
    axes.set_ylim(min([80.0, *known]) - 2, 101)
    show_days(axes)
    say(axes, "0 to 100; 95 and more is good")
    last = f" The last is {known[-1]:.1f}." if known else ""
    return svg(figure, "score", f"Quality score for each of {len(days)} days, from 0 to 100.{last}")


def _points(picture: Picture) -> Points:
    """Each series' values by day: one row a point with its series in `metric`, or one column a series."""
    found: Points = {}
    long = "metric" in picture.columns
    for time, *rest in picture.rows:
        named = [(rest[0], rest[1])] if long else list(zip(picture.columns[1:], rest, strict=True))
        for name, value in named:
            if value is not None:
                found.setdefault(name, {})[time.date()] = float(value)
    return found


def _stack(axes: Any, days: list[date], points: Points, colours: dict[str, str]) -> None:
    above, below = [0.0] * len(days), [0.0] * len(days)
    for name, colour in colours.items():
        series = [points[name].get(day, 0.0) for day in days]
        bottoms = [up if value >= 0 else down for value, up, down in zip(series, above, below, strict=True)]
        axes.bar(days, series, bottom=bottoms, width=0.82, color=colour, linewidth=0)
        above = [up + max(value, 0) for up, value in zip(above, series, strict=True)]
        below = [down + min(value, 0) for down, value in zip(below, series, strict=True)]


def _days(found: Iterable[date]) -> list[date]:
    """Every day from the first to the last: a day without data must show as a gap."""
    known = set(found)
    first, last = min(known), max(known)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
