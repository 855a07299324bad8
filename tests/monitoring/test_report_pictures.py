"""The report has the business dashboard's pictures: the same queries, drawn into the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import psycopg
import pytest

from mock_apis.world.world import World
from monitoring.charts import Palette
from monitoring.charts.bars import draw_bars
from monitoring.charts.heat import draw_heat
from monitoring.pictures import DASHBOARD, Picture
from monitoring.report import write_report
from tests.monitoring.published_marts import publish_marts
from tests.monitoring.test_report import Page

PANELS = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] not in ("row", "stat")]


@pytest.fixture(scope="module")
def html(new_warehouse: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    url = new_warehouse("report_pictures")
    publish_marts(url, World(seed=7, size="tiny", today=date(2026, 3, 7)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update marts.product_performance set title = '<i>Mug</i>' where title ~ '^[A-G]'")
    return write_report(tmp_path_factory.mktemp("report") / "index.html", url).read_text()


def test_every_picture_of_the_dashboard_is_there_with_its_title_and_words(html: str) -> None:
    page = Page(html)
    titles = re.findall(r"<h3>(.*?)</h3>", html)
    assert titles == [panel["title"] for panel in PANELS]
    drawn = [panel["title"] for panel in PANELS if panel["type"] != "table" or "color-background" in json.dumps(panel)]
    assert [label.removeprefix("img: ").split(". ")[0] for label in page.labels] == drawn
    assert len(set(page.ids)) == len(page.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(page.ids)


def test_names_of_the_data_are_text_and_nothing_else(html: str) -> None:
    assert "<i>" not in html and "&lt;i&gt;Mug&lt;/i&gt;" in html
    first = html.split("<svg")[1].split("</svg>")[0]
    assert "<text" in first and "EUR" in first


def test_a_name_has_one_colour_in_every_picture_and_shares_it_with_none_beside_it(html: str) -> None:
    colours: dict[str, set[str]] = {}
    for colour, name in re.findall(r'<span style="background: (#\w+)"></span>([^<]+)', html):
        colours.setdefault(name, set()).add(colour)
    assert len(colours["EU"]) == 1 and {"EU", "new", "net sales", "last touch", "dispute"} <= colours.keys()
    assert [name for name, found in colours.items() if len(found) > 1] == []
    for legend in re.findall(r'<ul class="legend">(.*?)</ul>', html):
        inside = re.findall(r"background: (#\w+)", legend)
        assert len(set(inside)) == len(inside), legend


def picture(panel: dict[str, Any], columns: list[str], rows: list[tuple[Any, ...]]) -> Picture:
    whole = {
        "id": 1,
        "title": "One",
        "description": "`this` one",
        "gridPos": {"w": 12, "h": 8},
        "options": {},
        "fieldConfig": {"defaults": {"unit": "none"}, "overrides": []},
    }
    return Picture("Section", whole | panel, columns, rows, "EUR")


def test_bars_are_as_long_as_their_numbers() -> None:
    """Read back out of the drawing: a bar that is twice another is twice as long."""
    panel = {"type": "barchart", "options": {"orientation": "horizontal"}}
    drawn = draw_bars(picture(panel, ["step", "people"], [("a", 40), ("b", 20), ("c", 0)]), Palette())
    bars = re.findall(r'<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+) [^z]+z\n[^>]*fill: #2563a8', drawn.svg)
    first, second, third = (abs(float(end) - float(start)) for start, end in bars)
    assert first == pytest.approx(2 * second, rel=0.01) and third == 0
    assert 'aria-label="One. this one people: a 40; b 20; c 0."' in drawn.svg


def test_a_cell_of_a_heat_map_is_as_strong_as_its_value() -> None:
    heated = {
        "matcher": {"id": "byRegexp", "options": "/^[0-9]+$/"},
        "properties": [
            {"id": "unit", "value": "percentunit"},
            {"id": "custom.cellOptions", "value": {"type": "color-background"}},
        ],
    }
    panel = {"type": "table", "fieldConfig": {"defaults": {"unit": "none"}, "overrides": [heated]}}
    one = picture(
        panel,
        ["cohort", "customers", "0", "1", "2"],
        [("2026-01", 50, 1.0, 0.5, None), ("2026-02", 40, 1.0, None, None)],
    )
    assert one.kind == "heat"
    drawn = draw_heat(one, Palette())
    strengths = [float(value) for value in re.findall(r"fill: #2563a8; opacity: ([\d.]+)", drawn.svg)]
    assert strengths[0] == pytest.approx(2 * strengths[1]) and len(strengths) == 3
    assert all(text in drawn.svg for text in ("2026-01 · 50", "50.0%", "100.0%")) and "nan" not in drawn.svg
    assert re.findall(r">([0-9])</text>", drawn.svg) == ["0", "1"], "a month that nobody has lived"
