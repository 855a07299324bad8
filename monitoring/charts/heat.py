"""A table whose cells are coloured by their value: cohorts by the months since."""

from __future__ import annotations

from monitoring.charts.canvas import COLOURS, INK, Drawing, Palette, new_figure, svg
from monitoring.pictures import Picture

STRONGEST = 0.62  # of the colour: text on it must stay readable by light and dark


def draw_heat(picture: Picture, palette: Palette) -> Drawing:
    """A row of cells for each row; columns that are not coloured stand beside its name. An empty cell has no colour."""
    from matplotlib.patches import Rectangle

    rows = [dict(zip(picture.columns, row, strict=True)) for row in picture.rows]
    heated = picture.heated
    while len(heated) > 1 and all(row[heated[-1]] is None for row in rows):
        heated = heated[:-1]  # months that no cohort has lived yet
    beside = [name for name in picture.columns[1:] if name not in picture.heated]
    figure, axes = new_figure(picture.width, 2 + 0.9 * len(rows), grid="y")
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    for y, row in enumerate(rows):
        for x, name in enumerate(heated):
            if (value := row[name]) is None:
                continue
            strength = STRONGEST * min(1.0, max(0.0, float(value)))
            axes.add_patch(Rectangle((x, y), 0.96, 0.92, color=COLOURS[0], alpha=strength, linewidth=0))
            axes.text(x + 0.48, y + 0.46, picture.text(name, value), ha="center", va="center", fontsize=9, color=INK)
    labels = [" · ".join([str(row[picture.columns[0]]), *(f"{row[name]:,}" for name in beside)]) for row in rows]
    axes.set_yticks([y + 0.46 for y in range(len(rows))], labels)
    axes.set_xticks([x + 0.48 for x in range(len(heated))], heated)
    axes.xaxis.tick_top()
    axes.set_xlim(0, len(heated))
    axes.set_ylim(len(rows), 0)
    listed = f"{len(rows)} rows from {rows[0][picture.columns[0]]} to {rows[-1][picture.columns[0]]}."
    return Drawing(svg(figure, picture.name, f"{picture.words} {listed}"), {})
