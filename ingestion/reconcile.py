"""Reconciliation: what a source says it has against what raw holds, and a new fetch of what is missing.

Records are compared by their keys, by what they say, and by day (the shop's, of their creation) in counts and sums;
what a balance says that they moved is held against what they say themselves (warehouse/balance.py). The window ends at
the stream's watermark, for up to then everything should be in; a record that changes meanwhile belongs to the next
sync and is left out of both sides. What is fetched is written as a sync writes it, except that the bookmark stays.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

from ingestion.catalog import check_names, source_class
from ingestion.inventory import Changed, Item, NotReconcilable
from ingestion.repair import repair_files, repair_records
from ingestion.source import Context, Stream
from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse.inventories import Day, Inventories

MOST_DAYS = 100  # of those that differ, in a report

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Reconciled:
    """What was found of one stream, before anything was repaired.

    `error` is set when it could not be compared, `not_reconcilable` (with it) when it never can be, and why.
    """

    source: str
    stream: str
    start: datetime | None = None
    end: datetime | None = None
    at_source: int = 0
    in_raw: int = 0
    missing: int = 0
    differing: int = 0
    repaired: int = 0
    only_in_raw: int = 0
    in_quarantine: int = 0
    days: list[Day] = field(default_factory=list)
    missing_keys: list[str] = field(default_factory=list)
    differing_keys: list[str] = field(default_factory=list)
    error: str | None = None
    not_reconcilable: str | None = None

    @property
    def left(self) -> int:
        return self.missing + self.differing - self.repaired


def reconcile(
    source: str,
    streams: Iterable[str] | None = None,
    *,
    first_day: date | None = None,
    last_day: date | None = None,
    newest_days: int | None = None,
    repair: bool = True,
    pipeline: Pipeline | None = None,
    url: str | None = None,
) -> list[Reconciled]:
    """Compare the streams of a source over what was created on these days (all; or the last `newest_days`).

    Each stream whatever happens to the others; a row of ops.reconciliations for each that was compared. Raises
    HeadwaterError for a wrong name, and when the warehouse cannot be used.
    """
    pipeline = pipeline or load_pipeline()
    chosen = list(dict.fromkeys(streams or pipeline.source(source).streams))
    check_names(pipeline, source, chosen)
    classes = source_class(pipeline.source(source).type).streams
    # Streams that are about others come first: they tell what those others must have.
    chosen.sort(key=lambda name: not classes[name].about_others if name in classes else True)
    run = _Reconciliation(source, pipeline, url, repair)
    results = []
    try:
        with Inventories(source, url) as inventories:
            if newest_days is not None:
                run.start_before(inventories, chosen, newest_days)
            for name in chosen:
                found = Reconciled(source, name)
                try:
                    run.stream(inventories, found, first_day, last_day)
                except NotReconcilable as error:
                    found.error, found.not_reconcilable = str(error), error.reason
                    run.keep(inventories.connection, found)
                except HeadwaterError as error:
                    found.error = str(error)
                results.append(found)
    except psycopg.Error as error:
        raise HeadwaterError(f"The warehouse failed while {source} was compared: {error}; run again.") from error
    return results


class _Reconciliation:
    def __init__(self, source: str, pipeline: Pipeline, url: str | None, repair: bool):
        self._id = uuid.uuid4()
        self._source, self._pipeline, self._url, self._repair = source, pipeline, url, repair
        self._start: datetime | None = None

    def start_before(self, inventories: Inventories, streams: Iterable[str], days: int) -> None:
        """Let all streams start together: what one of them is about then lies within the others' windows."""
        marks = [mark for name in streams if (mark := inventories.watermark(name))]
        self._start = min(marks) - timedelta(days=days) if marks else None

    def stream(self, inventories: Inventories, found: Reconciled, first: date | None, last: date | None) -> None:
        zone, name = self._pipeline.shop.zone, found.stream
        settings = self._pipeline.source(self._source)
        watermark = inventories.watermark(name)
        if watermark is None:
            raise HeadwaterError(f"{self._source}.{name} was never loaded to its end; run a sync first.")
        end = watermark if last is None else min(watermark, _midnight(last + timedelta(days=1), zone) - _SECOND)
        start = self._start if first is None else _midnight(first, zone)
        found.start, found.end = start, end
        inventories.clear()
        built = source_class(settings.type)(Context(self._source, settings, inventories.known(name)))
        try:
            stream = built.stream(name)
            listed = stream.inventory(start, end)
            inventories.fill("at_source", SOURCE_COLUMNS, (_source_row(item, zone) for item in listed))
            inventories.owe(end)
            held = _held_files(inventories, name, start, end, zone)
            if not stream.in_files:
                held = _held_records(inventories, stream, start, end, zone)
            inventories.fill("in_raw", RAW_COLUMNS, held)
            inventories.forget_held(name)
            if stream.forgets:
                inventories.keep_listed()
            found.missing, found.differing = inventories.find(name, end)
            found.at_source, found.in_raw, found.only_in_raw, found.in_quarantine = inventories.counts()
            found.days = inventories.days()[:MOST_DAYS]
            found.missing_keys, found.differing_keys = inventories.some("missing"), inventories.some("differing")
            if self._repair and found.left:
                log.warning("%s.%s: %s missing, %s different", found.source, name, found.missing, found.differing)
                left = self._repaired(inventories, stream, end, zone)
                found.repaired = found.missing + found.differing - left
        finally:
            built.close()
        self.keep(inventories.connection, found)

    def _repaired(self, inventories: Inventories, stream: Stream, end: datetime, zone: ZoneInfo) -> int:
        """How many are still wrong after the new fetch."""
        if stream.in_files:
            return repair_files(inventories, self._source, stream.name, self._pipeline, self._url)
        left = 0
        for keys in repair_records(inventories, self._source, stream, end, self._pipeline, self._url):
            inventories.connection.execute("delete from in_raw where key = any(%s)", (keys,))
            documents = inventories.documents(stream.name, None, keys)
            rows = (_raw_row(stream.item_of(it.data), zone, it.version, it.deleted, it.key) for it in documents)
            inventories.fill("in_raw", RAW_COLUMNS, rows)
            if stream.forgets:
                inventories.keep_listed()
            left += len(inventories.still_wrong(keys))
        return left

    def keep(self, connection: psycopg.Connection, found: Reconciled) -> None:
        details: dict[str, Any] = {
            "days": [{name: _shown(value) for name, value in day._asdict().items()} for day in found.days],
            "missing": found.missing_keys,
            "differing": found.differing_keys,
        }
        connection.execute(
            "insert into ops.reconciliations (reconciliation_id, source, stream, window_start, window_end, at_source,"
            " in_raw, missing, differing, repaired, only_in_raw, in_quarantine, details, not_reconcilable)"
            " values (%s, %s, %s, %s, coalesce(%s, now()), %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(self._id, found.source, found.stream, found.start, found.end, found.at_source, found.in_raw),
                *(found.missing, found.differing, found.repaired, found.only_in_raw, found.in_quarantine),
                *(Jsonb(details), found.not_reconcilable),
            ),
        )


SOURCE_COLUMNS = (
    "key, day, amount, currency, kind, updated_at, created_at, of_stream, of_key, content, deleted,"
    " moved, moved_currency, moved_unit, moved_rate"
)
RAW_COLUMNS = "key, day, amount, currency, kind, version, deleted, content, moved, moved_currency, moved_unit"
_SECOND = timedelta(seconds=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _shown(value: object) -> object:
    return value if value is None or isinstance(value, int | str) else str(value)


def _day(item: Item, zone: ZoneInfo) -> date:
    return item.day or item.created_at.astimezone(zone).date()


def _source_row(item: Item | Changed, zone: ZoneInfo) -> tuple[Any, ...]:
    if isinstance(item, Changed):
        return (item.key, *[None] * SOURCE_COLUMNS.count(","))
    about, moved = item.source_of or (None, None), item.moved or (None, None, None, None)
    told = (item.key, _day(item, zone), item.amount, item.currency, item.kind, item.updated_at, item.created_at)
    return (*told, *about, item.content, item.deleted, *moved)


def _raw_row(item: Item | None, zone: ZoneInfo, version: datetime, deleted: bool, key: str) -> tuple[Any, ...]:
    if item is None or deleted:
        return (key, None, None, "", "", version, deleted, "", None, None, None)
    # A movement is what the others are held against.
    moved = (None if item.source_of else item.moved) or (None, None, None)
    told = (key, _day(item, zone), item.amount, item.currency, item.kind, version, deleted)
    return (*told, item.content, *moved[:3])


def _held_records(
    inventories: Inventories, stream: Stream, start: datetime | None, end: datetime, zone: ZoneInfo
) -> Iterator[tuple[Any, ...]]:
    """What raw holds of the window; a record is never older than its creation, so older versions need no look."""
    for it in inventories.documents(stream.name, start):
        item = stream.item_of(it.data)
        asked = item and (start is None or item.created_at >= start) and item.created_at <= end
        if it.deleted or stream.forgets or asked:
            yield _raw_row(item, zone, it.version, it.deleted, it.key)


def _held_files(
    inventories: Inventories, name: str, start: datetime | None, end: datetime, zone: ZoneInfo
) -> Iterator[tuple[Any, ...]]:
    for path, size, modified_at in inventories.files(name):
        if (start is None or modified_at >= start) and modified_at <= end:
            yield _raw_row(Item(path, modified_at, size), zone, modified_at, False, path)
