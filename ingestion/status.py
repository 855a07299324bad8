"""How every stream of pipeline.yml stands: how far it has come, how its last run ended, what waits in quarantine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from settings import Pipeline, load_pipeline
from warehouse.batch import Counts
from warehouse.connection import connect

QUERY = """
select c.source, c.stream, c.watermark, r.status, r.started_at, r.error,
  l.received, l.kept, l.already_there, l.rejected, coalesce(q.open, 0),
  coalesce(e.pending, 0), w.missed
from ops.checkpoints c
left join lateral (
  select * from ops.runs where source = c.source and stream = c.stream and kind = 'sync'
  order by started_at desc limit 1
) r on true
left join lateral (
  select coalesce(sum(received), 0)::bigint as received, coalesce(sum(kept), 0)::bigint as kept,
    coalesce(sum(already_there), 0)::bigint as already_there, coalesce(sum(rejected), 0)::bigint as rejected
  from ops.loads where run_id = r.run_id
) l on true
left join (
  select source, stream, count(*) as open from ops.quarantine where status = 'open' group by 1, 2
) q on q.source = c.source and q.stream = c.stream
left join (
  select source, unnest(streams) as stream, count(*) as pending
  from ops.webhook_events where status = 'pending' group by 1, 2
) e on e.source = c.source and e.stream = c.stream
left join ops.webhook_streams w on w.source = c.source and w.stream = c.stream
"""


class StreamStatus(NamedTuple):
    """One stream. `watermark`: everything the source had up to then is in; `last_status` None when it never ran.

    `webhooks_missed`: versions that polling brought before a webhook did; None while no webhook has told of the stream.
    """

    source: str
    stream: str
    watermark: datetime | None
    lag: timedelta | None
    late: bool
    last_status: str | None
    last_started_at: datetime | None
    last_error: str | None
    counts: Counts
    open_quarantine: int
    webhooks_pending: int
    webhooks_missed: int | None


def status(pipeline: Pipeline | None = None, *, url: str | None = None) -> list[StreamStatus]:
    """Every stream of pipeline.yml, in its order; `lag` is by the wall clock, `late` by the freshness target."""
    pipeline = pipeline or load_pipeline()
    with connect("loader", url=url) as connection:
        found: dict[tuple[str, str], tuple[Any, ...]] = {
            (source, stream): tuple(rest) for source, stream, *rest in connection.execute(QUERY).fetchall()
        }
    now = datetime.now(UTC)
    rows = []
    for source, settings in pipeline.sources.items():
        for stream in settings.streams:
            unknown = (None,) * 4 + (0,) * 6 + (None,)
            watermark, last, started, error, *counts, waiting, pending, missed = found.get((source, stream), unknown)
            lag = now - watermark if watermark else None
            late = lag is not None and lag > settings.freshness
            counted = Counts(*counts)
            told = (last, started, error, counted, waiting, pending, missed)
            rows.append(StreamStatus(source, stream, watermark, lag, late, *told))
    return rows
