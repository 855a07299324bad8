"""The report: one HTML file for people, with pictures, that needs neither a server nor anything from the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from monitoring.charts import Drawing, Palette, draw_bars, draw_heat, draw_scores, draw_series
from monitoring.pages import put
from monitoring.pictures import Picture
from monitoring.report_data import Freshness, ReportData, read_report
from monitoring.words import amount, cell, duration
from settings import Pipeline, load_pipeline

TEMPLATES = Path(__file__).with_name("templates")
DRAW = {"timeseries": draw_series, "barchart": draw_bars, "heat": draw_heat}
SHOWN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """A word, and which of good, warning, bad, unknown it is."""

    word: str
    level: str


def write_report(
    out: Path = Path("reports/index.html"), url: str | None = None, pipeline: Pipeline | None = None
) -> Path:
    """Write the report and return where it is. Raises HeadwaterError when it cannot be written or nothing read."""
    pipeline = pipeline or load_pipeline()
    docs = out.parent / "docs" / "index.html"
    return put(out, render_report(read_report(pipeline, url), pipeline, "docs/index.html" if docs.exists() else None))


def render_report(data: ReportData, pipeline: Pipeline, docs: str | None = None) -> str:
    """The page. Everything that is not a chart of ours is escaped. `docs`: the address of dbt's documentation."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    zone = pipeline.shop.zone
    environment.filters.update(duration=duration, cell=cell, amount=amount, terms=terms)
    return environment.get_template("report.html.j2").render(
        shop=pipeline.shop,
        docs=docs,
        data=data,
        now=data.now.astimezone(zone),
        published_at=data.published and data.published.published_at and data.published.published_at.astimezone(zone),
        zone=zone,
        delivery=delivery_standing(data),
        day=_of_day(data),
        card={(metric, subject): row for metric, subject, *row in data.card},
        checks=sorted({subject for metric, subject, *_ in data.card if metric == "checks_passed"}),
        freshness=[(one, freshness_standing(one)) for one in data.freshness],
        most_quarantined=max((row.records for row in data.quarantine), default=1),
        sections=list(drawn_sections(data.pictures)),
        scores=draw_scores(data.scores) if any(value is not None for _, value in data.scores) else None,
        is_number=is_number,
        mart_text=lambda _, value: cell(value),
        shown_rows=SHOWN_ROWS,
    )


def drawn_sections(pictures: list[Picture]) -> Iterator[tuple[str, list[tuple[Picture, Drawing | None]]]]:
    """The dashboard's rows with their pictures; a table is not drawn, the page has it as a table."""
    palette = Palette()
    for section, group in groupby(pictures, key=lambda picture: picture.section):
        yield section, [(one, DRAW[one.kind](one, palette) if one.kind in DRAW else None) for one in group]


def terms(text: str) -> Markup:
    """A description with the names between backticks as code."""
    return Markup(re.sub(r"`(\w+)`", r"<code>\1</code>", str(escape(text))))


def is_number(rows: list[tuple[Any, ...]], place: int) -> bool:
    """Whether a column of a table stands to the right."""
    return not any(isinstance(row[place], str | bool) for row in rows)


def delivery_standing(data: ReportData) -> Standing:
    """Of the newest delivery: what readers see may be older than it."""
    if data.newest is None:
        return Standing("nothing delivered yet", "unknown")
    words = {
        "published": Standing("delivered", "good"),
        "failed": Standing("failed", "bad"),
        "passed": Standing("checked, not published yet", "warning"),
        "open": Standing("under way", "unknown"),
    }
    return words[data.newest.status]


def freshness_standing(one: Freshness) -> Standing:
    if one.age is None:
        return Standing("never arrived", "unknown")
    if one.age <= one.target:
        return Standing("fresh", "good")
    return Standing("stale", "bad" if one.critical else "warning")


def _of_day(data: ReportData) -> dict[str, Any]:
    """Net sales of the published day, and of the same weekday a week before."""
    if data.published is None:
        return {"net": None, "change": None}
    day, before = data.published.day, data.published.day - timedelta(days=7)
    net = sum(value for found, _, value in data.revenue if found == day)
    then = sum(value for found, _, value in data.revenue if found == before)
    return {"net": net, "change": (net - then) / then if then > 0 else None}
