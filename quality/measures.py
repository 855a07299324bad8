"""What the scorecard measures, read from ops: each function gives metrics, and says `unknown` where nothing was."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

import psycopg

from settings import Pipeline, SourceSettings

Standing = Literal["good", "warning", "bad", "unknown"]
GOOD_VALIDATION, POOR_VALIDATION = 99.0, 95.0  # percent: at least the first is good, below the second is bad


class Metric(NamedTuple):
    """One row of ops.scorecards; `value` is None when nothing was measured, `unit` is percent, seconds or count."""

    metric: str
    subject: str
    value: float | None
    unit: Literal["percent", "seconds", "count"]
    status: Standing
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The shop day that is scored, its newest delivery, and when the first delivery of the day before it opened."""

    day: date
    delivery_id: uuid.UUID | None
    since: datetime | None
    now: datetime


def find_scope(connection: psycopg.Connection, pipeline: Pipeline, delivery_id: uuid.UUID | str | None) -> Scope:
    """The given delivery, else the newest, else yesterday with none."""
    row = connection.execute(
        "select delivery_id, day from ops.deliveries where %(id)s::uuid is null or delivery_id = %(id)s::uuid"
        " order by opened_at desc limit 1",
        {"id": delivery_id and str(delivery_id)},
    ).fetchone()
    now = connection.execute("select now()").fetchone()
    assert now is not None
    found, day = row or (None, now[0].astimezone(pipeline.shop.zone).date() - timedelta(days=1))
    since = connection.execute("select max(opened_at) from ops.deliveries where day < %s", (day,)).fetchone()
    return Scope(day, found, since[0] if since else None, now[0])


def of_sources(connection: psycopg.Connection, pipeline: Pipeline, scope: Scope) -> Iterator[Metric]:
    """Validation of what arrived for this day, freshness against the target, latency, and the open quarantine."""
    loads = connection.execute(
        "select source, sum(received)::bigint, sum(rejected)::bigint from ops.loads"
        " where %(since)s::timestamptz is null or committed_at > %(since)s group by source",
        {"since": scope.since},
    ).fetchall()
    received = {source: (total, rejected) for source, total, rejected in loads}
    marks = connection.execute("select source, stream, watermark, last_record_at from ops.checkpoints").fetchall()
    runs = connection.execute(
        "select distinct on (source, stream) source, stream, status, extract(epoch from finished_at - started_at)"
        " from ops.runs where kind = 'sync' order by source, stream, started_at desc"
    ).fetchall()
    open_rows = connection.execute(
        "select source, count(*) from ops.quarantine where status = 'open' group by source"
    ).fetchall()
    waiting: dict[str, int] = dict(open_rows)
    reconciled = {
        source: _Reconciled(*sums)
        for source, *sums in connection.execute(
            "select source, count(*) filter (where not_reconcilable is null), sum(missing)::bigint,"
            " sum(differing)::bigint, sum(repaired)::bigint, min(not_reconcilable) from ("
            " select distinct on (source, stream) * from ops.reconciliations order by source, stream, finished_at desc"
            ") as newest group by source"
        ).fetchall()
    }
    for name, source in pipeline.enabled_sources.items():
        total, rejected = received.get(name, (0, 0))
        yield _validation(name, total, rejected)
        complete = {stream: mark for owner, stream, mark, _ in marks if owner == name}
        newest = max((last for owner, _, _, last in marks if owner == name and last), default=None)
        last_runs = [(status, seconds) for owner, stream, status, seconds in runs if owner == name]
        failed = any(status == "failed" for status, _ in last_runs)
        yield _freshness(name, source, [complete.get(stream) for stream in source.streams], failed, scope.now)
        age = None if newest is None else max(0.0, (scope.now - newest).total_seconds())
        yield Metric("record_age", name, age, "seconds", "unknown" if age is None else "good")
        finished = [float(seconds) for _, seconds in last_runs if seconds is not None]
        standing: Standing = "bad" if failed else "good" if finished else "unknown"
        yield Metric("run_time", name, sum(finished) if finished else None, "seconds", standing)
        count = waiting.get(name, 0)
        yield Metric("quarantine_open", name, count, "count", "warning" if count else "good")
        yield _reconciled(name, reconciled.get(name))


class _Reconciled(NamedTuple):
    """The newest reconciliations of a source's streams; `why_not`: the reason of one that cannot be compared."""

    compared: int
    missing: int
    differing: int
    repaired: int
    why_not: str | None


def _reconciled(name: str, found: _Reconciled | None) -> Metric:
    """What the newest reconciliations of the source's streams found missing in raw, before they fetched it."""
    if found is None:
        return Metric("reconciliation_missing", name, None, "count", "unknown", "never reconciled")
    cannot = f"cannot be reconciled: {found.why_not}"
    if not found.compared:
        return Metric("reconciliation_missing", name, None, "count", "unknown", cannot)
    left = found.missing + found.differing - found.repaired
    standing: Standing = "bad" if left else "warning" if found.missing + found.differing else "good"
    detail = f"{found.missing} missing, {found.differing} different, {left} still wrong"
    detail += f"; not all streams: {cannot}" if found.why_not else ""
    return Metric("reconciliation_missing", name, found.missing, "count", standing, detail)


def _validation(name: str, received: int, rejected: int) -> Metric:
    if not received:
        return Metric("validation", name, None, "percent", "unknown", "nothing arrived")
    share = 100 * (received - rejected) / received
    standing: Standing = "good" if share >= GOOD_VALIDATION else "warning" if share >= POOR_VALIDATION else "bad"
    return Metric("validation", name, share, "percent", standing, f"{rejected} of {received} rejected")


def _freshness(name: str, source: SourceSettings, marks: list[datetime | None], failed: bool, now: datetime) -> Metric:
    """Age of the least complete stream. Failed outranks stale: the last run of a stream ended badly."""
    known = [mark for mark in marks if mark is not None]
    age = max(0.0, (now - min(known)).total_seconds()) if known and len(known) == len(marks) else None
    if failed:
        return Metric("freshness", name, age, "seconds", "bad", "failed")
    if age is None:
        return Metric("freshness", name, None, "seconds", "unknown", "unknown")
    if age <= source.freshness.total_seconds():
        return Metric("freshness", name, age, "seconds", "good", "fresh")
    return Metric("freshness", name, age, "seconds", "bad" if source.critical else "warning", "stale")


def of_checks(connection: psycopg.Connection, scope: Scope) -> Iterator[Metric]:
    """How many checks of each kind passed, warned and failed, and their share over all; unknown without any."""
    rows = connection.execute(
        "select layer || ': ' || kind, count(*) filter (where status = 'passed'),"
        " count(*) filter (where status = 'warned'), count(*) filter (where status not in ('passed', 'warned'))"
        " from ops.check_results where delivery_id = %s group by 1 order by 1",
        (scope.delivery_id,),
    ).fetchall()
    for kind, passed, warned, failed in rows:
        yield Metric("checks_passed", kind, passed, "count", "good")
        yield Metric("checks_warned", kind, warned, "count", "warning" if warned else "good")
        yield Metric("checks_failed", kind, failed, "count", "bad" if failed else "good")
    passed, warned, failed = (sum(row[column] for row in rows) for column in (1, 2, 3))
    if not rows:
        yield Metric("checks", "", None, "percent", "unknown", "no check has run")
        return
    standing: Standing = "bad" if failed else "warning" if warned else "good"
    share = 100 * passed / (passed + warned + failed)
    yield Metric("checks", "", share, "percent", standing, f"{passed} passed, {warned} warned, {failed} failed")


def of_delivery(connection: psycopg.Connection, pipeline: Pipeline, scope: Scope) -> Iterator[Metric]:
    """`delivered` (1 or 0), and `delivered_on_time`: published before delivery.deadline of the next morning.

    Unknown while it can still be in time, and when nothing was due: the platform first ran after that deadline.
    """
    due = datetime.combine(scope.day + timedelta(days=1), pipeline.delivery.deadline, pipeline.shop.zone)
    row = connection.execute(
        "select (select min(published_at) from ops.deliveries where day = %s),"
        " (select status from ops.deliveries where delivery_id = %s),"
        " (select failed_stage from ops.deliveries where delivery_id = %s),"
        " (select min(started_at) from ops.runs)",
        (scope.day, scope.delivery_id, scope.delivery_id),
    ).fetchone()
    assert row is not None
    published, status, stage, first_run = row
    was_due = first_run is not None and first_run <= due
    if published is not None:
        text = f"published {_clock(published, pipeline)}, due {_clock(due, pipeline)}"
        yield Metric("delivered", "", 1, "count", "good", text)
        if published <= due:
            yield Metric("delivered_on_time", "", 1, "count", "good", text)
        elif was_due:
            yield Metric("delivered_on_time", "", 0, "count", "warning", text)
        else:
            yield Metric("delivered_on_time", "", None, "count", "unknown", f"{text}, before the platform's first run")
    elif status == "failed" or (was_due and scope.now > due):
        text = f"failed at {stage}" if status == "failed" else f"not published; due {_clock(due, pipeline)}"
        yield Metric("delivered", "", 0, "count", "bad", text)
        yield Metric("delivered_on_time", "", 0, "count", "bad", text)
    else:
        yield Metric("delivered", "", None, "count", "unknown", "not published yet")
        yield Metric("delivered_on_time", "", None, "count", "unknown", "not published yet")


def _clock(moment: datetime, pipeline: Pipeline) -> str:
    return f"{moment.astimezone(pipeline.shop.zone):%d %b %H:%M}"
