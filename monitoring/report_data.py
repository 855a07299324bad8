"""What the report shows, read as the roles that may: `monitor` reads ops, `reporter` reads marts and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from monitoring.backfills import Backfill, read_backfills
from monitoring.pictures import Picture, read_pictures
from monitoring.reconciliations import Reconciliation, read_reconciliations
from settings import Pipeline
from warehouse import connect
from warehouse.publish import ABOUT
from warehouse.readers import reading

FIRST_ROWS = 5
REVENUE_DAYS = 60
SCORE_DAYS = 60


class Freshness(NamedTuple):
    """Ages in seconds; `age` is None when a stream of the source never arrived whole."""

    source: str
    age: float | None
    target: float
    critical: bool


class Quarantined(NamedTuple):
    stream: str
    error: str
    records: int


class MartRows(NamedTuple):
    """The first rows of a mart; `total` counts all of them."""

    name: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    total: int


class LastDelivery(NamedTuple):
    day: date
    as_of: datetime
    status: str
    stale_sources: list[str]
    published_at: datetime | None
    failed_stage: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ReportData:
    """`revenue`: day, region, net sales. `scores`: day and score, None on a day without one.
    `card`: metric, subject, value, unit, status, detail of the newest scorecard."""

    now: datetime
    newest: LastDelivery | None
    published: LastDelivery | None
    revenue: list[tuple[date, str, float]]
    scores: list[tuple[date, float | None]]
    card_day: date | None
    card: list[tuple[str, str, float | None, str, str, str | None]]
    freshness: list[Freshness]
    quarantine: list[Quarantined]
    reconciliations: list[Reconciliation]
    backfills: list[Backfill]
    pictures: list[Picture]
    marts: list[MartRows]


def read_report(pipeline: Pipeline, url: str | None = None) -> ReportData:
    """Read everything; what is not there yet is empty or None. Raises HeadwaterError without a warehouse."""
    with connect("monitor", url=url, application="headwater report") as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        now = connection.execute("select now()").fetchone()
        assert now is not None
        card = connection.execute(
            "select day, metric, subject, value, unit, status, detail from ops.scorecards"
            " where day = (select day from ops.scorecards order by measured_at desc, day desc limit 1)"
            " order by metric, subject"
        ).fetchall()
        scores = connection.execute(
            "select day, value from ops.scorecards where metric = 'quality_score' order by day desc limit %s",
            (SCORE_DAYS,),
        ).fetchall()
        quarantine = connection.execute(
            "select source || '.' || stream, error, count(*) from ops.quarantine, unnest(errors) as error"
            " where status = 'open' group by 1, 2 order by 3 desc, 1, 2 limit 15"
        ).fetchall()
        newest = _delivery(connection, "true order by opened_at desc")
        published = _delivery(connection, "status = 'published' order by published_at desc")
        freshness = _freshness(connection, pipeline, now[0])
        reconciliations = read_reconciliations(connection, pipeline)
        backfills = read_backfills(connection)
    with reading(url, application="headwater report") as connection:
        marts = _marts(connection)
        there = any(mart.name == "daily_sales_by_region" for mart in marts)
        revenue = _revenue(connection, published.day) if published and there else []
        pictures = read_pictures(connection, published.day) if published else []
    return ReportData(
        now=now[0],
        newest=newest,
        published=published,
        revenue=revenue,
        scores=scores[::-1],
        card_day=card[0][0] if card else None,
        card=[row[1:] for row in card],
        freshness=freshness,
        quarantine=[Quarantined(*row) for row in quarantine],
        reconciliations=reconciliations,
        backfills=backfills,
        pictures=pictures,
        marts=marts,
    )


def _delivery(connection: psycopg.Connection, which: str) -> LastDelivery | None:
    row = connection.execute(
        "select day, as_of, status, stale_sources, published_at, failed_stage, error from ops.deliveries"
        f" where {which} limit 1".encode()
    ).fetchone()
    return LastDelivery(*row) if row else None


def _freshness(connection: psycopg.Connection, pipeline: Pipeline, now: datetime) -> list[Freshness]:
    marks = {
        (source, stream): mark
        for source, stream, mark in connection.execute("select source, stream, watermark from ops.checkpoints")
    }
    found = []
    for name, source in pipeline.enabled_sources.items():
        known = [marks.get((name, stream)) for stream in source.streams]
        oldest = None if None in known else min(mark for mark in known if mark)
        age = max(0.0, (now - oldest).total_seconds()) if oldest else None
        found.append(Freshness(name, age, source.freshness.total_seconds(), source.critical))
    return found


def _revenue(connection: psycopg.Connection, last: date) -> list[tuple[date, str, float]]:
    """Up to the delivered day: what the mart has of a later one is only its beginning."""
    return connection.execute(
        "select day, region, net_sales::float8 from marts.daily_sales_by_region"
        " where day > %(last)s::date - %(days)s and day <= %(last)s order by day, region",
        {"last": last, "days": REVENUE_DAYS},
    ).fetchall()


def _marts(connection: psycopg.Connection) -> list[MartRows]:
    """Each mart but `delivery`, its newest or largest rows first: by its first day or money column."""
    names = connection.execute(
        "select tablename from pg_tables where schemaname = 'marts' and tablename <> all(%s)"
        " order by tablename <> 'daily_sales_by_region', 1",
        (list(ABOUT),),
    ).fetchall()
    found = []
    for (name,) in names:
        table = sql.Identifier("marts", name)
        columns = connection.execute(sql.SQL("select * from {} limit 0").format(table)).description or []
        order = next(
            (column.name for wanted in ("day", "sent_day", "net_sales") for column in columns if column.name == wanted),
            None,
        )
        ordered = sql.SQL(" order by {} desc nulls last").format(sql.Identifier(order)) if order else sql.SQL("")
        query = sql.SQL("select * from {}{} limit {}").format(table, ordered, sql.Literal(FIRST_ROWS))
        rows = connection.execute(query).fetchall()
        total = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
        found.append(MartRows(name, [column.name for column in columns], rows, total[0] if total else 0))
    return found
