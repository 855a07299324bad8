"""Publish: one transaction swaps marts_candidate in as marts.

Readers never see an error or a mixed day. A reader that uses any table of the old day keeps all of them until its
transaction ends: the swap first locks every old table, and gives its locks back at once when one is in use, so that
it can neither deadlock with a reader nor keep readers waiting.
"""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass

import psycopg
from psycopg import sql

from settings import HeadwaterError
from warehouse.connection import connect

SWAP_SECONDS = 300.0
# What stands in marts beside the marts: about the delivery (one row), and about each mart's sources.
ABOUT = ("delivery", "freshness")
# The streams were this complete before dbt began to read them, so a mart holds at least that much.
FRESHNESS = """
create table marts.freshness as
select mart, source, stream, complete_to, run_id as sync_run_id, dbt_invocation_id, delivery_id
from ops.mart_sources
join ops.deliveries using (delivery_id)
left join ops.delivery_sources using (delivery_id, source, stream)
where delivery_id = %s
order by mart, complete_to nulls first, source, stream
"""


@dataclass(frozen=True, slots=True)
class Publication:
    """Rows of each mart that readers see now."""

    delivery_id: uuid.UUID
    rows: dict[str, int]


def publish(delivery_id: uuid.UUID | str, url: str | None = None, patience: float = SWAP_SECONDS) -> Publication:
    """Make the checked candidate of this delivery what readers see.

    Raises HeadwaterError, leaving marts as it was, when the delivery has not passed its checks, when there is no
    candidate, or when readers held the old tables for longer than `patience` seconds.
    """
    delivery_id = uuid.UUID(str(delivery_id))
    with connect(url=url, application="headwater publish") as connection:
        deadline = time.monotonic() + patience
        while True:
            try:
                return _swap(connection, delivery_id)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
                if time.monotonic() > deadline:
                    raise HeadwaterError(
                        f"Not published: readers held tables of marts for {patience:.0f} s. End the long query"
                        " (pg_stat_activity names it), then run the publish task again."
                    ) from error
                time.sleep(random.uniform(0.02, 0.2))


def _swap(connection: psycopg.Connection, delivery_id: uuid.UUID) -> Publication:
    with connection.transaction():
        # Shorter than deadlock_timeout (1 s): on a collision it is the swap that lets go, never the reader.
        connection.execute("set local lock_timeout = '200ms'")
        row = connection.execute(
            "select status, day, as_of, stale_sources from ops.deliveries where delivery_id = %s for update",
            (delivery_id,),
        ).fetchone()
        if row is None or row[0] != "passed":
            state = row[0] if row else "unknown"
            raise HeadwaterError(f"Not published: delivery {delivery_id} has not passed its checks (it is {state}).")
        candidates = _tables(connection, "marts_candidate")
        if not candidates:
            raise HeadwaterError("Not published: marts_candidate is empty; the dbt stage has not run.")
        retired = _tables(connection, "marts")
        if retired:
            names = sql.SQL(", ").join(sql.Identifier("marts", name) for name in retired)
            connection.execute(sql.SQL("lock table {} in access exclusive mode").format(names))
            connection.execute(sql.SQL("drop table {}").format(names))
        rows = {}
        for name in candidates:
            table = sql.Identifier("marts_candidate", name)
            count = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
            rows[name] = int(count[0]) if count else 0
            connection.execute(sql.SQL("alter table {} set schema marts").format(table))
        connection.execute(
            "create table marts.delivery as select %s::uuid as delivery_id, %s::date as day, %s::timestamptz as as_of,"
            " %s::text[] as stale_sources, clock_timestamp() as published_at",
            (delivery_id, *row[1:]),
        )
        connection.execute(FRESHNESS.encode(), (delivery_id,))
        connection.execute("grant select on all tables in schema marts to reporter, checker")
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.publications (delivery_id, mart, row_count) values (%s, %s, %s)",
                [(delivery_id, name, count) for name, count in rows.items()],
            )
        connection.execute(
            "update ops.deliveries set status = 'published', published_at = clock_timestamp(),"
            " finished_at = clock_timestamp() where delivery_id = %s",
            (delivery_id,),
        )
    return Publication(delivery_id, rows)


def _tables(connection: psycopg.Connection, schema: str) -> list[str]:
    rows = connection.execute("select tablename from pg_tables where schemaname = %s order by 1", (schema,)).fetchall()
    return [str(name) for (name,) in rows]
