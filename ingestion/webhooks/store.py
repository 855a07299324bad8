"""ops.webhook_events: events put in once, taken out by stream, and ticked off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

GIVE_UP = "3 days"


class Told(NamedTuple):
    """One event as it arrived. `streams` are those that have to fetch what it tells of; none for what nobody reads."""

    source: str
    event_id: str
    topic: str
    occurred_at: datetime
    purpose: str
    body: bytes
    headers: dict[str, str]
    streams: list[str]
    error: str | None = None


class Waiting(NamedTuple):
    """An event that a stream has still to apply."""

    event_id: str
    topic: str
    occurred_at: datetime
    body: bytes


def store(connection: psycopg.Connection[Any], told: Told) -> bool:
    """Keep the event, committed when this returns; False when it was there already."""
    waits = told.purpose == "privacy" or told.streams
    status = "failed" if told.error else "pending" if waits else "processed"
    row = connection.execute(
        "insert into ops.webhook_events as e (source, event_id, topic, occurred_at, purpose, body, headers, streams,"
        " status, error, finished_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, case when %s = 'pending' then null else now() end)"
        " on conflict (source, event_id) do update set deliveries = e.deliveries + 1 returning deliveries",
        (*told[:6], Jsonb(told.headers), told.streams, status, told.error, status),
    ).fetchone()
    return row is not None and row[0] == 1


def streams_waiting(connection: psycopg.Connection[Any], *, due_only: bool = False) -> list[tuple[str, str]]:
    """The (source, stream) pairs with events to apply; `due_only` leaves out those that are to be tried later."""
    rows = connection.execute(
        "select distinct source, unnest(streams) from ops.webhook_events where status = 'pending'"
        " and (not %s or try_after <= clock_timestamp()) order by 1, 2",
        (due_only,),
    ).fetchall()
    return [(source, stream) for source, stream in rows]


def waiting(connection: psycopg.Connection[Any], source: str, stream: str, limit: int) -> list[Waiting]:
    """The stream's oldest events that are still to be applied."""
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "select event_id, topic, occurred_at, body from ops.webhook_events where source = %s and status = 'pending'"
            " and %s = any(streams) order by try_after, occurred_at, event_id limit %s",
            (source, stream, limit),
        ).fetchall()


def tick_off(connection: psycopg.Connection[Any], source: str, stream: str, events: Sequence[Waiting]) -> None:
    """The stream has what these told of; an event is processed when every stream has."""
    if not events:
        return
    with connection.transaction():
        connection.execute(
            "insert into ops.webhook_streams (source, stream, since) values (%s, %s, %s) on conflict do nothing",
            (source, stream, min(event.occurred_at for event in events)),
        )
        connection.execute(
            "update ops.webhook_events set streams = array_remove(streams, %(stream)s),"
            " status = case when streams = array[%(stream)s] then 'processed' else status end,"
            " finished_at = case when streams = array[%(stream)s] then clock_timestamp() end, error = null"
            " where source = %(source)s and event_id = any(%(ids)s)",
            {"source": source, "stream": stream, "ids": [event.event_id for event in events]},
        )


def postpone(connection: psycopg.Connection[Any], source: str, events: Sequence[Waiting], error: str) -> None:
    """They could not be applied: later and later, and after three days no more (polling brings what they told of)."""
    connection.execute(
        f"update ops.webhook_events set attempts = attempts + 1, error = %s,"
        f" status = case when received_at < clock_timestamp() - interval '{GIVE_UP}' then 'failed' else status end,"
        f" finished_at = case when received_at < clock_timestamp() - interval '{GIVE_UP}' then clock_timestamp() end,"
        " try_after = clock_timestamp() + least(interval '5 seconds' * 2 ^ least(attempts, 10), interval '1 hour')"
        " where source = %s and event_id = any(%s)".encode(),
        (error[:2000], source, [event.event_id for event in events]),
    )
