"""What the exporter reads from ops, in one read-only snapshot. Times are Unix seconds; None is `not known`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import psycopg

from monitoring.backfills import Backfill, read_backfills
from monitoring.reconciliations import Reconciliation, read_reconciliations
from monitoring.webhooks import Key, Webhooks, read_webhooks
from settings import Pipeline

NEWEST_CHECKED = "(select delivery_id from ops.check_results order by result_id desc limit 1)"
NEWEST_PUBLISHED = (
    "(select delivery_id from ops.deliveries where status = 'published' order by published_at desc limit 1)"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`records` counts kept, already there, rejected. `checks` rows: layer, kind, status, declared, executed."""

    checkpoints: list[tuple[str, str, float | None, float | None]]
    records: dict[Key, tuple[int, int, int]]
    runs: dict[tuple[str, str, str], int]
    durations: dict[Key, float]
    quarantine: dict[Key, int]
    webhooks: Webhooks
    delivery_status: str | None
    stale_sources: int
    published_at: float | None
    published_day: float | None
    due_day: float | None
    on_time: float | None
    mart_rows: list[tuple[str, int]]
    checks: list[tuple[str, str, str, int, int]]
    quality_score: float | None
    reconciliations: list[Reconciliation]
    backfills: list[Backfill]


def read_snapshot(connection: psycopg.Connection, pipeline: Pipeline) -> Snapshot:
    """Read everything at one instant of the database."""
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        checkpoints = connection.execute(
            "select source, stream, extract(epoch from watermark)::float8, extract(epoch from last_record_at)::float8"
            " from ops.checkpoints"
        ).fetchall()
        records = connection.execute(
            "select source, stream, sum(kept)::bigint, sum(already_there)::bigint, sum(rejected)::bigint from ("
            " select source, stream, kept, already_there, rejected from ops.loads"
            " union all select source, stream, kept, already_there, rejected from ops.pruned"
            ") as ever group by source, stream"
        ).fetchall()
        runs = connection.execute(
            "select source, stream, status, sum(count)::bigint from ("
            " select source, stream, status, count(*) from ops.runs where kind = 'sync' group by source, stream, status"
            " union all select source, stream, 'succeeded', succeeded from ops.pruned"
            " union all select source, stream, 'failed', failed from ops.pruned"
            ") as ever group by source, stream, status"
        ).fetchall()
        durations = connection.execute(
            "select distinct on (source, stream) source, stream, extract(epoch from finished_at - started_at)::float8"
            " from ops.runs where finished_at is not null and kind = 'sync' order by source, stream, started_at desc"
        ).fetchall()
        quarantine = connection.execute(
            "select source, stream, count(*) from ops.quarantine where status = 'open' group by source, stream"
        ).fetchall()
        webhooks = read_webhooks(connection)
        delivery = connection.execute(
            "select status, cardinality(stale_sources) from ops.deliveries order by opened_at desc limit 1"
        ).fetchone()
        published = connection.execute(
            f"select published_at, day from ops.deliveries where delivery_id = {NEWEST_PUBLISHED}".encode()
        ).fetchone()
        mart_rows = connection.execute(
            f"select mart, row_count from ops.publications where delivery_id = {NEWEST_PUBLISHED}".encode()
        ).fetchall()
        checks = connection.execute(
            "select layer, kind, status, count(*), count(*) filter (where executed) from ops.check_results"
            f" where delivery_id = {NEWEST_CHECKED} group by layer, kind, status".encode()
        ).fetchall()
        scored = connection.execute(
            "select metric, value from ops.scorecards where metric in ('delivered_on_time', 'quality_score')"
            " and day = (select day from ops.scorecards order by measured_at desc, day desc limit 1)"
        ).fetchall()
        reconciliations = read_reconciliations(connection, pipeline)
        backfills = read_backfills(connection)
        clock = connection.execute("select now(), min(started_at) from ops.runs").fetchone()
    assert clock is not None
    scores: dict[str, float | None] = dict(scored)
    return Snapshot(
        checkpoints=checkpoints,
        records={(source, stream): tuple(counts) for source, stream, *counts in records},
        runs={(source, stream, status): count for source, stream, status, count in runs},
        durations={(source, stream): seconds for source, stream, seconds in durations},
        quarantine={(source, stream): count for source, stream, count in quarantine},
        webhooks=webhooks,
        delivery_status=delivery[0] if delivery else None,
        stale_sources=delivery[1] if delivery else 0,
        published_at=published[0].timestamp() if published else None,
        published_day=_midnight(published[1], pipeline) if published else None,
        due_day=_due_day(pipeline, *clock),
        on_time=scores.get("delivered_on_time"),
        mart_rows=mart_rows,
        checks=checks,
        quality_score=scores.get("quality_score"),
        reconciliations=reconciliations,
        backfills=backfills,
    )


def _midnight(day: date, pipeline: Pipeline) -> float:
    return datetime.combine(day, time(), pipeline.shop.zone).timestamp()


def _due_day(pipeline: Pipeline, now: datetime, first_run: datetime | None) -> float | None:
    """The day before the last deadline that has passed; None while nothing was due since the first run."""
    local = now.astimezone(pipeline.shop.zone)
    deadline = datetime.combine(local.date(), pipeline.delivery.deadline, pipeline.shop.zone)
    if local < deadline:
        deadline = datetime.combine(local.date() - timedelta(days=1), pipeline.delivery.deadline, pipeline.shop.zone)
    if first_run is None or first_run > deadline:
        return None
    return _midnight(deadline.date() - timedelta(days=1), pipeline)
