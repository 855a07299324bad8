"""Stored events to raw: each object that they tell of is fetched as it is now and written as polling would write it.

An event's own snapshot is never written. The state that is fetched includes everything up to the event, so it may
carry the event's time: late, repeated and same-second events come out right whatever their order. All is done under
the stream's lock, so that of two states with the same time the later fetched is the later written. The bookmark of
polling stays where it is. Until the first sync has listed the stream its events wait: that list's versions are older.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from ingestion.catalog import check_names, contract_of, source_class
from ingestion.contracts import Contract
from ingestion.records import Intake, Policy
from ingestion.refetch import Change, Refetching
from ingestion.source import Context, Record, Stream
from ingestion.webhooks import store
from ingestion.webhooks.senders import told_of
from settings import HeadwaterError, Pipeline, SourceSettings, load_pipeline
from settings.pipeline import Http
from warehouse.connection import connect
from warehouse.writer import LOCK_SECONDS, StreamBusy, StreamWriter

EVENTS_AT_ONCE = 500
HOLD_SECONDS = 3.0  # then the lock is let go, for a sync that waits ...
BREATHER_SECONDS = 0.3  # ... and looks for it ten times a second
# A source that is away must not keep the lock: the events wait, and polling has more patience.
IMPATIENT = Http(attempts=2, timeout=timedelta(seconds=5), deadline=timedelta(seconds=8))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done for a stream: events applied, versions new to raw; `left` says why others were left pending."""

    source: str
    stream: str
    events: int = 0
    kept: int = 0
    left: str | None = None


def apply_pending(
    *, pipeline: Pipeline | None = None, url: str | None = None, due_only: bool = False, wait: float = LOCK_SECONDS
) -> list[Applied]:
    """Apply what is pending, stream by stream; one that cannot be applied now is left, with the reason.

    `wait`: how many seconds a running sync is waited for. Raises HeadwaterError when the warehouse is away.
    """
    pipeline = pipeline or load_pipeline()
    with connect("loader", url=url) as connection:
        pairs = store.streams_waiting(connection, due_only=due_only)
    results = []
    for source, stream in pairs:
        try:
            check_names(pipeline, source, [stream])
            results.append(_apply(source, stream, pipeline.source(source), url, wait))
        except HeadwaterError as error:
            results.append(Applied(source, stream, left=str(error)))
    return results


def apply_before_sync(source: str, stream: str, *, pipeline: Pipeline, url: str | None = None) -> None:
    """What webhooks left for this stream; a failure is no reason not to sync, which brings the same objects."""
    settings = pipeline.source(source)
    if not told_of(settings.type, stream):
        return
    with connect("loader", url=url) as connection:
        if not store.waiting(connection, source, stream, 1):
            return
    try:
        _apply(source, stream, settings, url, wait=0.0)
    except HeadwaterError as error:
        log.warning("%s.%s: webhooks are left pending: %s", source, stream, error)


def _apply(source: str, stream: str, settings: SourceSettings, url: str | None, wait: float) -> Applied:
    built = source_class(settings.type)(Context(source, settings.model_copy(update={"http": IMPATIENT})))
    contract = contract_of(source, settings.type, stream)
    events = kept = 0
    try:
        reader = built.stream(stream)
        while True:
            try:
                with StreamWriter(source, stream, url, kind="webhooks", wait=wait) as writer:
                    if not writer.state.get("watermark"):
                        return Applied(source, stream, events, kept, "its first sync has yet to be done")
                    with connect("loader", url=url) as connection:
                        step = _Step(writer, connection, reader, contract, settings.stream(stream).on_reject)
                        done, more = step.run()
                    events, kept = events + done, kept + writer.counts.kept
            except StreamBusy as busy:
                return Applied(source, stream, events, kept, str(busy))
            if not more:
                return Applied(source, stream, events, kept)
            time.sleep(BREATHER_SECONDS)
    finally:
        built.close()


class _Step:
    """What is done under one hold of the lock, in one transaction of raw."""

    def __init__(
        self,
        writer: StreamWriter,
        connection: psycopg.Connection[Any],
        reader: Stream,
        contract: Contract,
        policy: Policy,
    ):
        self._writer, self._connection, self._reader = writer, connection, reader
        self._intake = Intake(reader, contract, policy)

    def run(self) -> tuple[int, bool]:
        """How many events were applied, and whether there may be more."""
        writer = self._writer
        events = store.waiting(self._connection, writer.source, writer.stream, EVENTS_AT_ONCE)
        newest, by_object = self._changes(events)
        known = writer.known.current(list(newest))
        done: list[store.Waiting] = []
        until = time.monotonic() + HOLD_SECONDS
        failure: HeadwaterError | None = None
        for object_id, change in newest.items():
            # A newer version was fetched after this event: it includes it.
            if object_id not in known or known[object_id].version <= change.changed_at:
                try:
                    record = self._record(change)
                    if record is not None:
                        self._intake.add(record, datetime.now(UTC), f"webhook about {object_id}")
                except HeadwaterError as error:
                    failure = error
                    store.postpone(self._connection, writer.source, by_object[object_id], str(error))
                    break
            done += by_object[object_id]
            if time.monotonic() > until:
                break
        if self._intake:
            writer.commit(self._intake.batch(writer.state, f"webhooks: {len(done)} events"))
        store.tick_off(self._connection, writer.source, writer.stream, done)
        if failure:
            raise failure
        return len(done), len(done) < len(events) or len(events) == EVENTS_AT_ONCE

    def _changes(self, events: list[store.Waiting]) -> tuple[dict[str, Change], dict[str, list[store.Waiting]]]:
        """The newest change of each object, and the events that told of it."""
        reader = self._reader
        assert isinstance(reader, Refetching)
        newest: dict[str, Change] = {}
        by_object: dict[str, list[store.Waiting]] = {}
        for event in events:
            change = reader.change_of(event.topic, event.body, event.occurred_at)
            if change is None:  # the stream's topics have changed since it was stored
                store.tick_off(self._connection, self._writer.source, self._writer.stream, [event])
                continue
            by_object.setdefault(change.object_id, []).append(event)
            if change.object_id not in newest or change.changed_at >= newest[change.object_id].changed_at:
                newest[change.object_id] = change
        return newest, by_object

    def _record(self, change: Change) -> Record | None:
        """The object as it is; as raw last saw it, deleted, when the event says so and the source has it no more."""
        reader = self._reader
        assert isinstance(reader, Refetching)
        found = reader.fetched(change)
        if found is not None or not change.deletes:
            return found
        last_seen = self._writer.known.documents([change.object_id])
        return Record(last_seen[0][2], change.changed_at, deleted=True) if last_seen else None
