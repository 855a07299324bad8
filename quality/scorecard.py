"""The scorecard: how well the day went, kept for each day in ops.scorecards and shown in the terminal."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from quality.measures import Metric, Standing, find_scope, of_checks, of_delivery, of_sources
from settings import Pipeline, load_pipeline
from warehouse import connect

COLOURS: dict[str, str] = {"good": "green", "warning": "yellow", "bad": "red", "unknown": "dim"}


def write_scorecard(
    delivery_id: uuid.UUID | str | None = None, url: str | None = None, pipeline: Pipeline | None = None
) -> list[Metric]:
    """Measure the delivery's day (the newest delivery's without one) and keep it; return what was written.

    Written again, it replaces the day's earlier scorecard.
    """
    pipeline = pipeline or load_pipeline()
    with connect("checker", url=url, application="headwater scorecard") as connection, connection.transaction():
        scope = find_scope(connection, pipeline, delivery_id)
        metrics = [
            *of_sources(connection, pipeline, scope),
            *of_checks(connection, scope),
            *of_delivery(connection, pipeline, scope),
        ]
        metrics.append(quality_score(metrics))
        connection.execute("delete from ops.scorecards where day = %s", (scope.day,))
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.scorecards (day, delivery_id, metric, subject, value, unit, status, detail)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s)",
                [(scope.day, scope.delivery_id, *metric) for metric in metrics],
            )
    return metrics


def quality_score(metrics: Iterable[Metric]) -> Metric:
    """One number from 0 to 100: the plain mean of four parts, each from 0 to 100.

    - validation: the share of received records that kept their contract, the mean over the sources
    - freshness: the share of sources that are within their target
    - checks: the share of the delivery's checks that passed
    - delivery: 100 published in time (or when nothing was due), 50 published late, 0 failed

    A part that was not measured is left out and named. Without checks there is no score: it would say nothing of
    the numbers that readers see.
    """
    metrics = list(metrics)
    one = {metric.metric: metric for metric in metrics if not metric.subject}
    valid = [metric.value for metric in metrics if metric.metric == "validation" and metric.value is not None]
    fresh = [
        metric.status == "good" for metric in metrics if metric.metric == "freshness" and metric.status != "unknown"
    ]
    parts: dict[str, float | None] = {
        "validation": sum(valid) / len(valid) if valid else None,
        "freshness": 100 * sum(fresh) / len(fresh) if fresh else None,
        "checks": one["checks"].value,
        "delivery": _delivery_part(one["delivered"], one["delivered_on_time"]),
    }
    known = {name: value for name, value in parts.items() if value is not None}
    detail = ", ".join(f"{name} {'unknown' if (v := parts[name]) is None else int(v)}" for name in parts)
    if parts["checks"] is None:
        return Metric("quality_score", "", None, "percent", "unknown", detail)
    score = sum(known.values()) / len(known)
    standing: Standing = "good" if score >= 95 else "warning" if score >= 80 else "bad"
    return Metric("quality_score", "", score, "percent", standing, detail)


def _delivery_part(delivered: Metric, on_time: Metric) -> float | None:
    if delivered.value is None:
        return None
    return 0.0 if not delivered.value else 50.0 if on_time.value == 0 else 100.0


def render(url: str | None = None) -> Group:
    """The newest scorecard for `rich.console.Console().print`; a line that says so when there is none."""
    with connect("monitor", url=url, application="headwater scorecard") as connection:
        rows = connection.execute(
            "select day, metric, subject, value, unit, status, detail from ops.scorecards"
            " where day = (select day from ops.scorecards order by measured_at desc, day desc limit 1)"
            " order by metric, subject"
        ).fetchall()
    if not rows:
        return Group(Text("No scorecard yet: nothing was delivered.", style="dim"))
    found = {(metric, subject): Metric(metric, subject, *rest) for _, metric, subject, *rest in rows}
    score = found["quality_score", ""]
    words, colour, detail = _verdict(found["delivered", ""], found["delivered_on_time", ""])
    headline = Text.assemble(
        (f"Scorecard of {rows[0][0]:%A, %d %B %Y}\n", "bold"),
        "Quality score  ",
        (_amount(score), f"bold {COLOURS[score.status]}"),
        (f"  ({score.detail})\n", "dim"),
        "Delivery       ",
        (words, f"bold {colour}"),
        (f"  ({detail})", "dim"),
    )
    return Group(headline, _sources_table(found), _checks_table(found))


def _verdict(delivered: Metric, on_time: Metric) -> tuple[str, str, str]:
    """Words, their colour, and the detail."""
    if not delivered.value or on_time.value is None:
        words = "unknown" if delivered.value is None else "delivered" if delivered.value else "not delivered"
        return words, COLOURS[delivered.status], on_time.detail or ""
    return ("on time" if on_time.value else "late"), COLOURS[on_time.status], on_time.detail or ""


def _sources_table(found: dict[tuple[str, str], Metric]) -> Table:
    table = Table("source", "status", title="Sources", title_justify="left")
    shown = {
        "freshness": "complete up to",
        "record_age": "newest record",
        "run_time": "last run",
        "validation": "valid",
        "quarantine_open": "quarantine",
        "reconciliation_missing": "was missing",
    }
    for title in shown.values():
        table.add_column(title, justify="right")
    for source in dict.fromkeys(subject for metric, subject in found if metric == "freshness"):
        freshness = found["freshness", source]
        cells: list[Any] = [source, Text(freshness.detail or "", style=COLOURS[freshness.status])]
        for metric in shown:
            one = found.get((metric, source)) or Metric(metric, source, None, "count", "unknown")
            ago = " ago" if metric in ("freshness", "record_age") and one.value is not None else ""
            words = one.detail if metric == "reconciliation_missing" and one.value is None else None
            cells.append(Text(words or _amount(one) + ago, style=COLOURS[one.status]))
        table.add_row(*cells)
    return table


def _checks_table(found: dict[tuple[str, str], Metric]) -> Table:
    table = Table("kind of check", title="Checks", title_justify="left")
    for title in ("passed", "warned", "failed"):
        table.add_column(title, justify="right")
    kinds = [subject for metric, subject in found if metric == "checks_passed"]
    for kind in kinds:
        cells = [Text(kind)]
        for metric in ("checks_passed", "checks_warned", "checks_failed"):
            one = found[metric, kind]
            cells.append(Text(_amount(one), style=COLOURS[one.status] if one.value else "dim"))
        table.add_row(*cells)
    if not kinds:
        table.add_row("no check has run", "unknown", "unknown", "unknown")
    return table


def _amount(metric: Metric) -> str:
    if metric.value is None:
        return "unknown"
    if metric.unit == "percent":
        # Cut, not rounded: 99.96 % is not 100 %.
        return f"{int(metric.value * 10) / 10:g} %"
    return duration(metric.value) if metric.unit == "seconds" else f"{metric.value:,.0f}"


def duration(seconds: float) -> str:
    """A length of time as a person says it: 0.8 s, 12 min, 3.5 h, 2.1 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
