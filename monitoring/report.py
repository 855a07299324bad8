"""The report: one HTML file for people, with pictures, that needs neither a server nor anything from the network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from monitoring.charts import region_colours, revenue_chart, score_chart
from monitoring.report_data import Freshness, ReportData, read_report
from settings import HeadwaterError, Pipeline, load_pipeline

TEMPLATES = Path(__file__).with_name("templates")
TEXT_COLUMNS = {"region", "title", "name", "currency", "customer_key", "product_id", "campaign_id"}


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
    page = render_report(read_report(pipeline, url), pipeline)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = out.with_suffix(".part")
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(out)
    except OSError as error:
        raise HeadwaterError(f"The report cannot be written to {out}: {error.strerror}.") from error
    return out


def render_report(data: ReportData, pipeline: Pipeline) -> str:
    """The page. Everything that is not a chart of ours is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    zone = pipeline.shop.zone
    environment.filters.update(duration=duration, cell=cell, amount=amount)
    return environment.get_template("report.html.j2").render(
        shop=pipeline.shop,
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
        revenue=Markup(revenue_chart(data.revenue, pipeline.shop.currency)) if data.revenue else None,
        regions=region_colours(data.revenue),
        scores=Markup(score_chart(data.scores)) if any(value is not None for _, value in data.scores) else None,
        text_columns=TEXT_COLUMNS,
    )


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


def duration(seconds: float) -> str:
    """A length of time as a person says it: 45 s, 12 min, 3.5 h, 2.1 days."""
    for size, unit in ((172_800, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / (86_400 if unit == 'days' else size):.1f} {unit}".replace(".0 ", " ")
    return f"{seconds:.0f} s"


def amount(row: list[Any]) -> str:
    """The value of a scorecard's row (value, unit, status, detail); `unknown` where nothing was measured."""
    value, unit = row[0], row[1]
    if value is None:
        return "unknown"
    if unit == "percent":
        return f"{int(value * 10) / 10:g} %"  # cut, not rounded: 99.96 % is not 100 %
    return duration(value) if unit == "seconds" else f"{value:,.0f}"


def cell(value: Any) -> str:
    """One value of a mart as text."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | Decimal) else str(value)
