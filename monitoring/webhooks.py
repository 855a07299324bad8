"""The webhooks' metrics: what came, what waits and since when, what was given up, what only polling brought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from settings import Pipeline

Key = tuple[str, str]  # source, stream


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`inboxes`: received and wrongly signed by source. `pending`: how many, and since when (Unix seconds)."""

    inboxes: dict[str, tuple[int, int]]
    dead: dict[str, int]
    pending: dict[Key, tuple[int, float]]
    missed: dict[Key, int]


def read_webhooks(connection: psycopg.Connection) -> Webhooks:
    """An event that several streams wait for counts for each; a privacy request waits for no stream."""
    inboxes = connection.execute("select source, received, signatures_rejected from ops.webhook_inboxes").fetchall()
    dead = connection.execute(
        "select source, count(*) from ops.webhook_events where status = 'failed' group by source"
    ).fetchall()
    pending = connection.execute(
        "select source, unnest(streams) as stream, count(*), extract(epoch from min(received_at))::float8"
        " from ops.webhook_events where status = 'pending' group by 1, 2"
    ).fetchall()
    missed = connection.execute("select source, stream, missed from ops.webhook_streams").fetchall()
    return Webhooks(
        inboxes={source: (received, rejected) for source, received, rejected in inboxes},
        dead=dict(dead),
        pending={(source, stream): (count, since) for source, stream, count, since in pending},
        missed={(source, stream): count for source, stream, count in missed},
    )


def webhook_metrics(found: Webhooks, pipeline: Pipeline) -> Iterator[Metric]:
    """A source is shown once a receiver took webhooks for it, a stream once one told of it."""
    source, stream = ["source"], ["source", "stream"]
    received = CounterMetricFamily("pipeline_webhook_received", "Webhooks that were signed and stored.", labels=source)
    rejected = CounterMetricFamily(
        "pipeline_webhook_signatures_rejected", "Deliveries that none of the secrets had signed.", labels=source
    )
    dead = GaugeMetricFamily(
        "pipeline_webhook_dead_letters", "Webhooks of the last 30 days that were given up.", labels=source
    )
    pending = GaugeMetricFamily(
        "pipeline_webhook_pending", "Webhooks that are stored and not yet applied.", labels=stream
    )
    oldest = GaugeMetricFamily(
        "pipeline_webhook_oldest_pending_timestamp_seconds",
        "When the oldest webhook arrived that is not yet applied.",
        labels=stream,
    )
    missed = CounterMetricFamily(
        "pipeline_webhook_missed", "Versions that polling brought before a webhook did.", labels=stream
    )
    for name, block in pipeline.enabled_sources.items():
        if name in found.inboxes:
            for family, count in zip((received, rejected), found.inboxes[name], strict=True):
                family.add_metric([name], count)
        if name in found.inboxes or name in found.dead:
            dead.add_metric([name], found.dead.get(name, 0))
        for key in ((name, each) for each in block.streams):
            if key in found.missed:
                missed.add_metric(key, found.missed[key])
            if key in found.missed or key in found.pending:
                pending.add_metric(key, found.pending.get(key, (0, 0.0))[0])
            if key in found.pending:
                oldest.add_metric(key, found.pending[key][1])
    yield from (received, rejected, dead, pending, oldest, missed)
