"""Retention: what ops no longer needs is deleted, in small transactions that hold nobody up.

Open quarantined records are never deleted, only counted: somebody has to decide. The manifest of files stays whole,
with the loads and runs that it names: a file that were forgotten would be loaded again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse.connection import connect

AT_ONCE = 2_000
WEBHOOKS_KEPT = timedelta(days=30)  # senders give up after three days: until then an event is known again

WEBHOOKS = """
with gone as (
  delete from ops.webhook_events where (source, event_id) in (
    select source, event_id from ops.webhook_events
    where status <> 'pending' and finished_at < %(before)s limit %(limit)s
  ) returning 1
) select count(*) from gone
"""
QUARANTINE = """
with gone as (
  delete from ops.quarantine where quarantine_id in (
    select quarantine_id from ops.quarantine
    where status <> 'open' and resolved_at < %(before)s order by quarantine_id limit %(limit)s
  ) returning 1
) select count(*) from gone
"""
RECONCILIATIONS = """
with gone as (
  delete from ops.reconciliations where (reconciliation_id, stream) in (
    select reconciliation_id, stream from ops.reconciliations r
    where finished_at < %(before)s and exists (
      select from ops.reconciliations n
      where n.source = r.source and n.stream = r.stream and n.finished_at > r.finished_at
    ) limit %(limit)s
  ) returning 1
) select count(*) from gone
"""
LOADS = """
with gone as (
  delete from ops.loads where load_id in (
    select load_id from ops.loads l
    where committed_at < %(before)s
      and not exists (select from ops.files f where f.load_id = l.load_id)
      and not exists (select from ops.quarantine q where q.load_id = l.load_id)
      and not exists (select from ops.quarantine q where q.resolved_load_id = l.load_id)
    order by committed_at limit %(limit)s
  ) returning source, stream, kept, already_there, rejected
), counted as (
  insert into ops.pruned as p (source, stream, kept, already_there, rejected)
  select source, stream, sum(kept), sum(already_there), sum(rejected) from gone group by source, stream
  on conflict (source, stream) do update set kept = p.kept + excluded.kept,
    already_there = p.already_there + excluded.already_there, rejected = p.rejected + excluded.rejected
) select count(*) from gone
"""
RUNS = """
with gone as (
  delete from ops.runs where run_id in (
    select run_id from ops.runs r
    where started_at < %(before)s and not exists (select from ops.loads l where l.run_id = r.run_id) limit %(limit)s
  ) returning source, stream, kind, status
), counted as (
  insert into ops.pruned as p (source, stream, succeeded, failed)
  select source, stream, count(*) filter (where status = 'succeeded'), count(*) filter (where status = 'failed')
  from gone where kind = 'sync' group by source, stream
  on conflict (source, stream) do update set succeeded = p.succeeded + excluded.succeeded,
    failed = p.failed + excluded.failed
) select count(*) from gone
"""
# What readers see, and what the newest delivery was, stays whatever its age. The scores of old days stay too.
DELIVERIES = """
with old as materialized (
  select delivery_id from ops.deliveries
  where opened_at < %(before)s
    and delivery_id is distinct from (select delivery_id from ops.deliveries order by opened_at desc limit 1)
    and delivery_id is distinct from (
      select delivery_id from ops.deliveries where status = 'published' order by published_at desc limit 1
    )
  order by opened_at limit least(%(limit)s, 100)
), checks as (
  delete from ops.check_results where delivery_id in (select delivery_id from old)
), complete as (
  delete from ops.delivery_sources where delivery_id in (select delivery_id from old)
), lineage as (
  delete from ops.mart_sources where delivery_id in (select delivery_id from old)
), marts as (
  delete from ops.publications where delivery_id in (select delivery_id from old)
), scores as (
  update ops.scorecards set delivery_id = null where delivery_id in (select delivery_id from old)
), gone as (
  delete from ops.deliveries where delivery_id in (select delivery_id from old) returning 1
) select count(*) from gone
"""
OLD_OPEN = """
select source || '.' || stream, count(*) from ops.quarantine
where status = 'open' and quarantined_at < %s group by 1 order by 1
"""


@dataclass(slots=True)
class Pruned:
    """`deleted`: rows by table of ops. `old_open`: open quarantined records older than their retention, by stream."""

    deleted: dict[str, int] = field(default_factory=dict)
    old_open: dict[str, int] = field(default_factory=dict)


def prune(pipeline: Pipeline | None = None, url: str | None = None) -> Pruned:
    """Delete what is older than pipeline.yml's `retention` (all is kept that it does not name), and old webhooks.

    Raises HeadwaterError when the warehouse fails; what was deleted until then stays deleted.
    """
    retention = (pipeline or load_pipeline()).retention
    now = datetime.now(UTC)
    done = Pruned()
    with connect(url=url, application="headwater prune") as connection:
        try:
            done.deleted["webhook_events"] = _delete(connection, WEBHOOKS, now - WEBHOOKS_KEPT)
            if (kept := retention.get("quarantine")) is not None:
                done.deleted["quarantine"] = _delete(connection, QUARANTINE, now - kept)
                done.old_open = dict(connection.execute(OLD_OPEN.encode(), (now - kept,)).fetchall())
            if (kept := retention.get("loads")) is not None:
                tables = {
                    "reconciliations": RECONCILIATIONS, "loads": LOADS, "runs": RUNS, "deliveries": DELIVERIES
                }  # fmt: skip
                for table, statement in tables.items():
                    done.deleted[table] = _delete(connection, statement, now - kept)
        except psycopg.Error as error:
            raise HeadwaterError(f"The warehouse failed while old rows were deleted: {error}; run again.") from error
    return done


def _delete(connection: psycopg.Connection[Any], statement: str, before: datetime) -> int:
    """Batch by batch until there is nothing left; each is a transaction of its own."""
    total = 0
    while True:
        row = connection.execute(statement.encode(), {"before": before, "limit": AT_ONCE}).fetchone()
        if row is None or row[0] == 0:
            return total
        total += row[0]
