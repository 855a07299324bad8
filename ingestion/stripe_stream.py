"""How a stream of Stripe is read: by a list of what was created, and by the events that tell what changed since."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from ingestion.cut import at, members
from ingestion.inventory import Changed, Item
from ingestion.refetch import Change, Refetching
from ingestion.side_by_side import side_by_side
from ingestion.source import Context, Record
from ingestion.stripe_api import StripeApi, newest_changes
from ingestion.stripe_inventory import Told
from ingestion.window import BackfillPage, Window, WindowedStream, WindowPage
from settings import HeadwaterError, SettingsError

# Stripe keeps 30 days of events; an hour less, so that none falls out while they are read.
EVENTS_REACH_BACK = timedelta(days=30) - timedelta(hours=1)
REFETCH_WORKERS, MOST_WORKERS = 8, 32  # Stripe takes 100 reads a second from a live account, 25 in test mode

log = logging.getLogger(__name__)


class StripeStream(WindowedStream):
    """`path` is the collection's name in the API."""

    path: ClassVar[str]
    version_field = "created"
    told: ClassVar[Told] = Told()
    """What a reconciliation compares of its objects."""

    def __init__(self, context: Context, api: StripeApi):
        super().__init__(context)
        self._api = api
        self._workers = _refetch_workers(context)

    def source_now(self) -> datetime:
        return self._api.now(self.path)

    def is_deleted(self, record: dict[str, Any]) -> bool:
        return record.get("deleted") is True

    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        yield from self._listed(window.start, window, cursor)

    def backfill(self, window: Window, cursor: Any, as_of: datetime) -> Iterator[BackfillPage]:
        """What was created within the window, as it is now; nothing tells of what was deleted meanwhile."""
        for records, next_cursor, origin in self._listed(window.start, window, cursor, why=" (backfill)"):
            yield BackfillPage(self._dated(records, as_of), next_cursor, origin)

    def _dated(self, records: list[Record], as_of: datetime) -> list[Record]:
        """The records of a backfill, each with its version where its own time does not tell it."""
        return records

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item | Changed]:
        for objects, _ in self._api.list(self.path, start, end, None):
            yield from filter(None, map(self.item_of, objects))

    def item_of(self, record: bytes) -> Item | None:
        return self.told.item_of(record)

    def refetched(self, keys: Sequence[str], end: datetime) -> Iterator[Record]:
        for body in side_by_side(lambda key: self._api.retrieve(self.path, key), keys, self._workers):
            if body is not None:
                yield Record(body, self._version_of_refetched(end))

    def _version_of_refetched(self, end: datetime) -> datetime | None:
        """As when everything is listed anew: later changes have events, and those are newer than `end`."""
        return end

    def _listed(
        self, start: datetime | None, window: Window, cursor: Any, version: datetime | None = None, why: str = ""
    ) -> Iterator[WindowPage]:
        after = cursor["after"] if cursor else "the start"
        for objects, next_cursor in self._api.list(self.path, start, window.end, cursor):
            origin = f"v1/{self.path} created up to {window.end:%Y-%m-%dT%H:%M:%SZ}, after {after}{why}"
            yield WindowPage([Record(each, version) for each in objects], next_cursor, origin)
            after = next_cursor["after"] if next_cursor else after


class EventedStream(StripeStream, Refetching):
    """`noun` is what Stripe calls the object, `topics` are the types of event (20 at most) that tell of its changes."""

    noun: ClassVar[str]

    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        if window.start is None:
            yield from self._listed(None, window, cursor)
            return
        oldest_event = self.source_now() - EVENTS_REACH_BACK
        if (cursor and "step" in cursor) or window.start < oldest_event:
            yield from self._relisted(window, oldest_event, cursor if cursor and "step" in cursor else {"step": "list"})
        else:
            yield from self._changed(self.topics, window.start, window.end, cursor)

    def _relisted(self, window: Window, oldest_event: datetime, cursor: Any) -> Iterator[WindowPage]:
        """Everything, then (no list tells of them) what the events that are left say was deleted."""
        why = f" (everything listed again: read up to {window.start:%Y-%m-%d} only, and events reach back 30 days)"
        deletions = tuple(each for each in self.topics if each.endswith(".deleted"))
        step, after = cursor["step"], cursor if "after" in cursor else None
        if step == "list":
            log.warning("%s.%s: %s.", self.context.source, self.name, why.strip(" ()"))
            for records, next_cursor, origin in self._listed(None, window, after, version=window.end, why=why):
                if next_cursor is not None:
                    next_cursor = {"step": "list", **next_cursor}
                elif deletions:
                    next_cursor = {"step": "deletions"}
                yield WindowPage(records, next_cursor, origin)
            after = None
        if deletions and oldest_event < window.end:
            for records, next_cursor, origin in self._changed(deletions, oldest_event, window.end, after):
                yield WindowPage(records, next_cursor and {"step": "deletions", **next_cursor}, origin)

    def _changed(self, types: tuple[str, ...], start: datetime, end: datetime, cursor: Any) -> Iterator[WindowPage]:
        after = cursor["after"] if cursor else "the start"
        for events, next_cursor in self._api.list("events", start, end, cursor, types):
            origin = f"v1/{self.path} by events up to {end:%Y-%m-%dT%H:%M:%SZ}, after {after}"
            records = side_by_side(self.fetched, newest_changes(events, self.noun), self._workers)
            yield WindowPage(records, next_cursor, origin)
            after = next_cursor["after"] if next_cursor else after

    def _dated(self, records: list[Record], as_of: datetime) -> list[Record]:
        """A record that raw has as it is keeps its version there; one that raw lacks has its time of creation.

        One that raw has otherwise is dated `as_of`, which lies 60 s behind Stripe's clock when the window was begun:
        what was fetched since then includes every event up to it, so it wins over all that was known then. A later
        change has an event with a later time, and the daily sync, which follows it, wins. The first sync lists without
        events: until it has, there is nothing that would win, so a record that raw has otherwise is refused.
        """
        assert self.context.known is not None  # a backfill lends it
        keys = [_id(record.data) for record in records]
        current = self.context.known.current([key for key in keys if key])
        synced = self.context.known.watermark() is not None
        found = []
        for key, record in zip(keys, records, strict=True):
            row = current.get(key)
            if row is not None:
                same = not row.deleted and row.content_hash == hashlib.sha256(record.data).digest()
                if not same and not synced:
                    raise HeadwaterError(
                        f"{self.context.source}.{self.name} was backfilled before, {key} has changed since, and only"
                        " the first sync can bring that in its order: run a sync first."
                    )
                record = record._replace(version=row.version if same else as_of)
            found.append(record)
        return found

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item | Changed]:
        """Then what changed after `end`, which the list shows already and only the next sync brings."""
        yield from super().inventory(start, end)
        for events, _ in self._api.list("events", end, self.source_now(), None, self.topics):
            changes = newest_changes(events, self.noun)
            yield from (Changed(change.object_id) for change in changes if change.changed_at > end)

    @classmethod
    def change_of(cls, topic: str, event: bytes, occurred_at: datetime) -> Change | None:
        found = newest_changes([event], cls.noun) if topic in cls.topics else []
        return found[0] if found else None

    def fetched(self, change: Change) -> Record:
        body = self._api.retrieve(self.path, change.object_id)
        if body is not None:
            return Record(body, change.changed_at, origin=f"v1/{self.path}/{change.object_id}")
        log.warning("%s.%s: %s is gone without a word.", self.context.source, self.name, change.object_id)
        return Record(at(change.event, "data", "object"), change.changed_at, deleted=True)


def _id(data: bytes) -> str:
    """The object's id; empty when its bytes do not tell, which its contract will say."""
    try:
        return msgspec.json.decode(members(data)["id"], type=str)
    except (ValueError, KeyError, RecursionError):
        return ""


def _refetch_workers(context: Context) -> int:
    place, options = f"pipeline.yml, sources.{context.source}.options", context.settings.options
    if unknown := sorted(options.keys() - {"refetch_workers"}):
        raise SettingsError(f"{place}: there is no option {', '.join(unknown)}; there is refetch_workers.")
    value = options.get("refetch_workers", REFETCH_WORKERS)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_WORKERS:
        raise SettingsError(f"{place}.refetch_workers: {value!r} is no number from 1 to {MOST_WORKERS}.")
    return value
