"""One delivery: from the moment that the sources are complete to the marts that readers see."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse.connection import connect


class CriticalSourceStale(HeadwaterError):
    """A critical source is older than its freshness target: the day must not be delivered."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`as_of`: every critical source is complete up to this time. `day`: the last whole shop day before it."""

    delivery_id: uuid.UUID
    day: date
    as_of: datetime
    stale_sources: list[str]


def open_delivery(url: str | None = None, pipeline: Pipeline | None = None) -> Delivery:
    """Record a new delivery and what it will hold.

    Raises CriticalSourceStale, with the delivery recorded as failed, when a critical source is older than its target;
    HeadwaterError when a critical source never arrived. Other stale sources are named in the delivery, which goes on.
    """
    pipeline = pipeline or load_pipeline()
    with connect("checker", url=url, application="headwater deliver") as connection:
        marks = connection.execute("select source, stream, watermark from ops.checkpoints").fetchall()
        watermarks = {(source, stream): mark for source, stream, mark in marks}
        never = [
            f"{name}.{stream}"
            for name in pipeline.critical_sources
            for stream in pipeline.sources[name].streams
            if watermarks.get((name, stream)) is None
        ]
        if never:
            raise HeadwaterError(
                f"Nothing to deliver yet: {', '.join(never)} never arrived; run `python -m ingestion sync` first."
            )
        complete = {
            name: min((watermarks.get((name, stream)) for stream in source.streams), key=_none_first)
            for name, source in pipeline.enabled_sources.items()
        }
        row = connection.execute("select now()").fetchone()
        assert row is not None
        stale = [
            name
            for name, source in pipeline.enabled_sources.items()
            if (mark := complete[name]) is None or row[0] - mark > source.freshness
        ]
        as_of = min(mark for name in (pipeline.critical_sources or complete) if (mark := complete[name]))
        day = as_of.astimezone(pipeline.shop.zone).date() - timedelta(days=1)
        delivery = Delivery(uuid.uuid4(), day, as_of, stale)
        connection.execute(
            "insert into ops.deliveries (delivery_id, day, as_of, stale_sources) values (%s, %s, %s, %s)",
            (delivery.delivery_id, day, as_of, stale),
        )
        connection.execute(
            "insert into ops.delivery_sources (delivery_id, source, stream, complete_to, run_id)"
            " select %s, c.source, c.stream, c.watermark, ("
            "  select run_id from ops.runs r where r.source = c.source and r.stream = c.stream and r.kind = 'sync'"
            "  and r.status = 'succeeded' order by started_at desc limit 1"
            " ) from ops.checkpoints c",
            (delivery.delivery_id,),
        )
    critical = [name for name in stale if name in pipeline.critical_sources]
    if critical:
        reason = f"critical source {', '.join(critical)} is older than its freshness target in pipeline.yml"
        fail_delivery(delivery.delivery_id, "sources", reason, url)
        raise CriticalSourceStale(f"Not delivered: {reason}. Readers keep the last published day.")
    return delivery


def settings_changed(delivery_id: uuid.UUID | str, settings: dict[str, Any], url: str | None = None) -> bool:
    """Note what this delivery's models are built with; whether the last one that was delivered had it otherwise.

    Rows that were built with the old settings would otherwise stay beside new ones until they happen to change.
    """
    with connect("checker", url=url, application="headwater deliver") as connection:
        last = connection.execute(
            "select settings from ops.deliveries where published_at is not null and settings is not null"
            " order by published_at desc limit 1"
        ).fetchone()
        connection.execute(
            "update ops.deliveries set settings = %s where delivery_id = %s", (Jsonb(settings), delivery_id)
        )
    return last is not None and last[0] != settings


def fail_delivery(delivery_id: uuid.UUID | str, stage: str, error: str, url: str | None = None) -> None:
    """Record where and why a delivery ended. A published delivery stays published, and the first reason is kept."""
    with connect("checker", url=url, application="headwater deliver") as connection:
        connection.execute(
            "update ops.deliveries set status = 'failed', failed_stage = coalesce(failed_stage, %s),"
            " error = coalesce(error, %s), finished_at = coalesce(finished_at, clock_timestamp())"
            " where delivery_id = %s and status <> 'published'",
            (stage, error[:2000], delivery_id),
        )


def pass_delivery(delivery_id: uuid.UUID | str, declared: int, executed: int, url: str | None = None) -> None:
    """Record that every declared check ran and none that blocks failed: it may be published.

    Raises HeadwaterError when `executed` is not `declared` (what ran is what was declared), or when it failed before.
    """
    with connect("checker", url=url, application="headwater deliver") as connection:
        connection.execute(
            "update ops.deliveries set checks_declared = %s, checks_executed = %s where delivery_id = %s",
            (declared, executed, delivery_id),
        )
        if executed != declared:
            reason = f"{declared} checks are declared but {executed} ran"
            fail_delivery(delivery_id, "checks", reason, url)
            raise HeadwaterError(f"Not delivered: {reason}. Readers keep the last published day.")
        passed = connection.execute(
            "update ops.deliveries set status = 'passed' where delivery_id = %s and status = 'open'", (delivery_id,)
        )
        if passed.rowcount != 1:
            raise HeadwaterError(f"Delivery {delivery_id} is not open: it failed, or was delivered before.")


def _none_first(mark: datetime | None) -> tuple[bool, datetime]:
    return (mark is not None, mark or datetime.min)


def is_delivered(url: str | None = None, pipeline: Pipeline | None = None) -> bool:
    """Whether the shop's last whole day is published already."""
    pipeline = pipeline or load_pipeline()
    with connect("checker", url=url, application="headwater deliver") as connection:
        row = connection.execute(
            "select coalesce(max(day) >= (now() at time zone %s)::date - 1, false)"
            " from ops.deliveries where status = 'published'",
            (pipeline.shop.timezone,),
        ).fetchone()
    return bool(row and row[0])
