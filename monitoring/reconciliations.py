"""The newest reconciliation of each stream: for the exporter and for the report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import psycopg
from prometheus_client.core import GaugeMetricFamily, Metric

from settings import Pipeline

METRICS = {
    "missing": "Records that the newest reconciliation found missing in raw, before it fetched them.",
    "differing": "Records whose amount or version was not the source's, before they were fetched.",
    "repaired": "Those of missing and differing that were right after they had been fetched.",
    "unrepaired": "Records that were still missing or different after the newest reconciliation.",
    "timestamp_seconds": "When the newest reconciliation ended.",
}


class Reconciliation(NamedTuple):
    """What one stream had at its source and in raw, counted before anything was fetched.

    `not_reconcilable` says why the source cannot be compared; nothing was counted then.
    """

    source: str
    stream: str
    at_source: int
    in_raw: int
    missing: int
    differing: int
    repaired: int
    finished_at: datetime
    not_reconcilable: str | None = None

    @property
    def unrepaired(self) -> int:
        return self.missing + self.differing - self.repaired


def read_reconciliations(connection: psycopg.Connection, pipeline: Pipeline) -> list[Reconciliation]:
    """In the order of pipeline.yml; a stream that was never compared has none."""
    rows = connection.execute(
        "select distinct on (source, stream) source, stream, at_source, in_raw, missing, differing, repaired,"
        " finished_at, not_reconcilable from ops.reconciliations order by source, stream, finished_at desc"
    ).fetchall()
    found = {(row[0], row[1]): Reconciliation(*row) for row in rows}
    keys = [(source, stream) for source, block in pipeline.sources.items() for stream in block.streams]
    return [found[key] for key in keys if key in found]


def reconciliation_metrics(found: list[Reconciliation]) -> Iterator[Metric]:
    """Nothing for a stream that was never compared, or cannot be: none is missing only where somebody looked."""
    for name, text in METRICS.items():
        family = GaugeMetricFamily(f"pipeline_reconciliation_{name}", text, labels=["source", "stream"])
        for one in found:
            if one.not_reconcilable:
                continue
            value = one.finished_at.timestamp() if name == "timestamp_seconds" else getattr(one, name)
            family.add_metric([one.source, one.stream], value)
        yield family
