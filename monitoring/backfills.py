"""The backfills that are not finished: for the exporter and for the report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
from prometheus_client.core import GaugeMetricFamily, Metric

QUERY = """
select b.source, b.stream, b.range_start, b.range_end, count(*) filter (where w.status = 'done'),
  count(*) filter (where w.status = 'failed'), count(*) filter (where w.status in ('pending', 'running')),
  max(w.updated_at)
from ops.backfills b join ops.backfill_windows w using (backfill_id)
group by b.backfill_id
having bool_or(w.status <> 'done')
order by b.source, b.stream, b.range_start
"""


class Backfill(NamedTuple):
    """A range of a stream that is read again; `done`, `failed` and `waiting` count its windows."""

    source: str
    stream: str
    start: datetime
    end: datetime
    done: int
    failed: int
    waiting: int
    moved_at: datetime

    @property
    def last(self) -> datetime:
        """Within the range, whose end is not."""
        return self.end - timedelta(seconds=1)

    @property
    def windows(self) -> int:
        return self.done + self.failed + self.waiting


def read_backfills(connection: psycopg.Connection) -> list[Backfill]:
    """Those with a window that is not done, by source and stream."""
    return [Backfill(*row) for row in connection.execute(QUERY.encode())]


def backfill_metrics(found: list[Backfill]) -> Iterator[Metric]:
    """Nothing while no backfill is under way: it has a bookmark of its own and changes no other metric's meaning."""
    windows = GaugeMetricFamily(
        "pipeline_backfill_windows",
        "Windows of the backfills that are not finished, by how far they are.",
        labels=["source", "stream", "status"],
    )
    counts: dict[tuple[str, str, str], int] = {}
    for one in found:
        for status in ("done", "failed", "waiting"):
            key = (one.source, one.stream, status)
            counts[key] = counts.get(key, 0) + getattr(one, status)
    for key, count in counts.items():
        windows.add_metric(key, count)
    yield windows
