"""Bars by name: upright or lying, one series or several, stacked or side by side."""

from __future__ import annotations

import math
from typing import Any

from monitoring.charts.canvas import INK, Drawing, Palette, new_figure, numbers, say, svg
from monitoring.pictures import Picture

LETTERS_AN_INCH = 13.0


def draw_bars(picture: Picture, palette: Palette) -> Drawing:
    """The first column names the bars, each other one is a series. Lying ones go from the top down."""
    labels = [str(row[0]) for row in picture.rows]
    names = picture.columns[1:]
    colours = palette.of(names, picture.colours)
    series = [[float(row[place] or 0) for row in picture.rows] for place in range(1, len(picture.columns))]
    lying = picture.lying
    figure, axes = new_figure(picture.width, picture.height, grid="x" if lying else "y")
    places = [float(place) for place in range(len(labels))]
    width = 0.8 if picture.stacked else 0.8 / len(names)
    base = [0.0] * len(labels)
    for number, (colour, values) in enumerate(zip(colours.values(), series, strict=True)):
        shift = 0.0 if picture.stacked else (number - (len(names) - 1) / 2) * width
        at = [place + shift for place in places]
        if lying:
            drawn = axes.barh(at, values, left=base, height=width * 0.94, color=colour, linewidth=0)
        else:
            drawn = axes.bar(at, values, bottom=base, width=width * 0.94, color=colour, linewidth=0)
        if lying and len(names) == 1:
            write = numbers(picture.unit)
            said = [write(value, None) for value in values]
            axes.bar_label(drawn, labels=said, padding=3, color=INK, fontsize=9.5)
            axes.margins(x=0.12)
        if picture.stacked:
            base = [low + value for low, value in zip(base, values, strict=True)]
    _name(axes, labels, lying, picture.width)
    (axes.xaxis if lying else axes.yaxis).set_major_formatter(numbers(picture.unit))
    say(axes, picture.counted_in)
    legend = colours if len(names) > 1 else {}
    return Drawing(svg(figure, picture.name, f"{picture.words} {_spoken(picture)}"), legend)


def _name(axes: Any, labels: list[str], lying: bool, columns: int) -> None:
    """Every bar's name where there is room for it, else every second one's, or third."""
    places = range(len(labels))
    if lying:
        axes.set_yticks(places, labels)
        axes.invert_yaxis()
        axes.locator_params(axis="x", nbins=5)
        return
    room = axes.figure.get_figwidth() * LETTERS_AN_INCH
    step = max(1, math.ceil(sum(len(label) + 1 for label in labels) / room))
    axes.set_xticks(places[::step], labels[::step])


def _spoken(picture: Picture) -> str:
    """The bars themselves: few, and so readable to those who do not see them."""
    shown = [f"{row[0]} {', '.join(picture.text(*cell) for cell in zip(picture.columns[1:], row[1:], strict=True))}"
             for row in picture.rows]  # fmt: skip
    return f"{', '.join(picture.columns[1:])}: {'; '.join(shown)}."
