"""The report's pictures, drawn by matplotlib as SVG that stands inside the page.

Text stays text (it can be read out and selected), and colours that the page must decide by light or dark are
`currentColor`. The data are of this installation alone, and every text is escaped by matplotlib.
"""

from monitoring.charts.bars import draw_bars
from monitoring.charts.canvas import Drawing, Palette
from monitoring.charts.heat import draw_heat
from monitoring.charts.series import draw_scores, draw_series

__all__ = ["Drawing", "Palette", "draw_bars", "draw_heat", "draw_scores", "draw_series"]
