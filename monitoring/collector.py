"""The ops tables as Prometheus metrics, read anew at every scrape.

Nothing is kept between scrapes: when the warehouse is away the metrics are absent and `pipeline_warehouse_up` is 0,
so no graph goes on showing the last good value. A restart loses nothing, for the ops tables are the memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitoring.backfills import backfill_metrics
from monitoring.queries import Snapshot, read_snapshot
from monitoring.reconciliations import reconciliation_metrics
from monitoring.webhooks import webhook_metrics
from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse import connect

STATEMENT_TIMEOUT = "5s"
DELIVERY_STATES = ("open", "passed", "failed", "published")

log = logging.getLogger(__name__)


class OpsCollector(Collector):
    """One short connection as the role `monitor` for each scrape, one scrape at a time."""

    def __init__(self, url: str | None = None):
        self._url = url
        self._errors = 0
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing: so that registering does not read the warehouse."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            started = time.monotonic()
            metrics: list[Metric] = []
            try:
                pipeline = load_pipeline()
                metrics = list(_families(self._read(pipeline), pipeline))
            except (HeadwaterError, psycopg.Error) as error:
                self._errors += 1
                log.warning("The warehouse could not be read: %s", error)
            yield GaugeMetricFamily(
                "pipeline_warehouse_up", "Whether the ops tables could be read for this scrape.", bool(metrics)
            )
            yield CounterMetricFamily(
                "pipeline_exporter_scrape_errors", "Scrapes in which the warehouse could not be read.", self._errors
            )
            yield GaugeMetricFamily(
                "pipeline_exporter_scrape_duration_seconds",
                "How long reading the warehouse took.",
                time.monotonic() - started,
            )
            yield from metrics

    def _read(self, pipeline: Pipeline) -> Snapshot:
        with connect("monitor", url=self._url, application="headwater exporter") as connection:
            connection.execute(f"set statement_timeout = '{STATEMENT_TIMEOUT}'".encode())
            return read_snapshot(connection, pipeline)


def _families(ops: Snapshot, pipeline: Pipeline) -> Iterator[Metric]:
    yield from _streams(ops, pipeline)
    yield from webhook_metrics(ops.webhooks, pipeline)
    yield from reconciliation_metrics(ops.reconciliations)
    yield from backfill_metrics(ops.backfills)
    yield from _delivery(ops)
    yield from _quality(ops)


def _streams(ops: Snapshot, pipeline: Pipeline) -> Iterator[Metric]:
    stream = ["source", "stream"]
    last = GaugeMetricFamily(
        "pipeline_last_record_processed_timestamp_seconds",
        "The newest record that was processed, by its source's clock.",
        labels=stream,
    )
    watermark = GaugeMetricFamily(
        "pipeline_watermark_timestamp_seconds", "Everything the source had up to this time is here.", labels=stream
    )
    for source, name, mark, newest in ops.checkpoints:
        if newest is not None:
            last.add_metric([source, name], newest)
        if mark is not None:
            watermark.add_metric([source, name], mark)
    records = CounterMetricFamily(
        "pipeline_records", "Records received, by what became of them.", labels=[*stream, "result"]
    )
    runs = CounterMetricFamily("pipeline_runs", "Syncs that ended, by how.", labels=[*stream, "status"])
    duration = GaugeMetricFamily(
        "pipeline_run_duration_seconds", "How long the last finished sync took.", labels=stream
    )
    quarantine = GaugeMetricFamily("pipeline_quarantine_open", "Rejected records nobody has dealt with.", labels=stream)
    # A configured stream starts at 0, or Prometheus could not see its first increase.
    for source, block in pipeline.enabled_sources.items():
        for name in block.streams:
            key = (source, name)
            for result, count in zip(
                ("kept", "already_there", "rejected"), ops.records.get(key, (0, 0, 0)), strict=True
            ):
                records.add_metric([*key, result], count)
            for status in ("succeeded", "failed"):
                runs.add_metric([*key, status], ops.runs.get((*key, status), 0))
            if key in ops.durations:
                duration.add_metric(key, ops.durations[key])
            quarantine.add_metric(key, ops.quarantine.get(key, 0))
    target = GaugeMetricFamily(
        "pipeline_freshness_target_seconds", "How old the source may be, by pipeline.yml.", labels=["source"]
    )
    critical = GaugeMetricFamily(
        "pipeline_source_critical", "1 when the day is not delivered without this source.", labels=["source"]
    )
    for source, block in pipeline.enabled_sources.items():
        target.add_metric([source], block.freshness.total_seconds())
        critical.add_metric([source], block.critical)
    yield from (last, watermark, records, runs, duration, quarantine, target, critical)


def _delivery(ops: Snapshot) -> Iterator[Metric]:
    if ops.delivery_status is not None:
        status = GaugeMetricFamily(
            "pipeline_delivery_status", "1 for the state the newest delivery is in.", labels=["status"]
        )
        for state in DELIVERY_STATES:
            status.add_metric([state], state == ops.delivery_status)
        yield status
        yield GaugeMetricFamily(
            "pipeline_delivery_stale_sources", "Stale sources in the newest delivery.", ops.stale_sources
        )
    for name, text, value in (
        ("published_timestamp_seconds", "When the newest delivery was published.", ops.published_at),
        ("day_timestamp_seconds", "Midnight (shop time) of the day that readers see.", ops.published_day),
        ("due_day_timestamp_seconds", "Midnight (shop time) of the day that readers should see by now.", ops.due_day),
        ("on_time", "1 when the last scored day was published before its deadline, 0 when not.", ops.on_time),
    ):
        if value is not None:
            yield GaugeMetricFamily(f"pipeline_delivery_{name}", text, value)
    rows = GaugeMetricFamily("pipeline_mart_rows", "Rows of each published mart.", labels=["mart"])
    for mart, count in ops.mart_rows:
        rows.add_metric([mart], count)
    yield rows


def _quality(ops: Snapshot) -> Iterator[Metric]:
    if ops.checks:
        checks = GaugeMetricFamily(
            "pipeline_checks", "Checks of the newest checked delivery.", labels=["layer", "check", "status"]
        )
        for layer, kind, status, declared, _ in ops.checks:
            checks.add_metric([layer, kind, status], declared)
        yield checks
        for name, count in (
            ("declared", sum(declared for *_, declared, _ in ops.checks)),
            ("executed", sum(executed for *_, executed in ops.checks)),
        ):
            yield GaugeMetricFamily(
                f"pipeline_delivery_checks_{name}", f"Checks {name} for the newest checked delivery.", count
            )
    if ops.quality_score is not None:
        yield GaugeMetricFamily(
            "pipeline_quality_score", "The last scorecard's quality score, 0 to 100.", ops.quality_score
        )
