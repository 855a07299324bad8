"""Streams that come as a daily export: objects of newline-delimited JSON in a bucket, a few for each day.

An object is loaded when it is there (S3 shows none that is half uploaded) and is not known by its name and ETag; it
is fetched to a temporary file and checked whole before its first row is given. A broken one gives nothing, the others
go on, and the run fails at its end with its name.

A day may be exported again, long after. A row's version is its object's time of change; a row that is in raw already
as it is now keeps its version there, so it counts as already there. Once such a day is complete (export_days.py), its
objects are read once more and what they no longer hold is told as deleted: only then, and only when the day's listing
has not moved meanwhile and every row could be read. A day whose objects are gone, or hold no row, deletes nothing.

The bookmark: `file` is the object that a page ended within, and how many of its rows are in; `open` are days with
something left to do (an object that is broken, rows that may have vanished); `listed_at` is when everything was
listed, not only the last days.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO, ClassVar, cast

from ingestion import ndjson_files
from ingestion.contracts import decoded
from ingestion.export_days import Day, days_of, midnight
from ingestion.file_pages import FilePages
from ingestion.files import BrokenFile, FetchFailed, complete_up_to
from ingestion.inventory import Item
from ingestion.ndjson_files import Line
from ingestion.present_keys import PresentKeys
from ingestion.s3 import Changed, S3Folder, S3Object
from ingestion.source import Context, Page, Record, State, Stream
from settings import HeadwaterError, SettingsError
from warehouse.batch import LoadedFile
from warehouse.known import Known

PAGE_ROWS = 1_000
LOOK_UP_AT_ONCE = 500
IN_MEMORY_BYTES = 1_000_000
NAMED_PROBLEMS = 5
OPTIONS = {"relist_days": 10.0, "full_relist_days": 7.0, "settle_hours": 6.0}

log = logging.getLogger(__name__)


class DailyExport(Stream):
    """Derive, set the `prefix` of the days' names, and write `key_of` so that a day's keys begin with its name."""

    prefix: ClassVar[str]
    version_field = "its object's time of change"
    refetch_at_once = 10_000  # each time, the objects of their days are read

    def __init__(self, context: Context, folder: S3Folder):
        super().__init__(context)
        self._folder, self._known = folder, cast(Known, context.known)
        options = _options(context)
        self._relist = timedelta(days=options["relist_days"])
        self._full_relist = timedelta(days=options["full_relist_days"])
        self._settle = timedelta(hours=options["settle_hours"])
        self._state: State = {}
        self._open: set[str] = set()
        self._problems: list[str] = []

    def read(self, state: State) -> Iterator[Page]:
        now = self._folder.clock()
        half, listed_at = state.get("file"), state.get("listed_at")
        self._state, self._open = state, set(state.get("open", ()))
        full = not listed_at or now - datetime.fromisoformat(listed_at) >= self._full_relist
        first = "" if full else min([f"{now - self._relist:%Y%m%d}", *self._open])
        days = days_of(self._folder.listing(self.prefix, f"{self.prefix}{first}"), self.prefix)
        self._open &= days.keys()  # the others' objects are gone: there is nothing left to compare with
        pages = FilePages(half, PAGE_ROWS)
        listed = {shard for day in days.values() for shard in day.shards}
        done: set[S3Object] = set()
        # An object that an earlier run left within its rows comes first.
        name = half["name"] if half else None
        for day in sorted(days.values(), key=lambda day: (all(it.name != name for it in day.shards), day.name)):
            yield from self._day(day, now, pages, done)
        if pages.half:
            log.warning("%s, of which some rows are in, is not there any more as it was.", pages.half["name"])
            pages.half = None
        if full and not self._problems:
            self._state = {**self._state, "listed_at": now.isoformat()}
        markers = [day.marker.modified for day in days.values() if day.marker]
        watermark = complete_up_to([it.modified for it in listed - done], [*(it.modified for it in done), *markers])
        yield from pages.last(self._bookmark(pages), watermark, state)
        if self._problems:
            raise HeadwaterError(
                f"{len(self._problems)} file(s) of {self.context.source}.{self.name} are broken and nothing of them is"
                f" in: {'; '.join(self._problems[:NAMED_PROBLEMS])}. Every other file is; have these sent again."
            )

    def _day(self, day: Day, now: datetime, pages: FilePages, done: set[S3Object]) -> Iterator[Page]:
        """The new objects of a day, then what vanished from it when it is an old day that is complete again."""
        loaded = self._known.objects([it.name for it in day.shards])
        new = [it for it in day.shards if (it.name, it.etag) not in loaded]
        done.update(set(day.shards) - set(new))
        if new and self._known.has_files_under(day.prefix):
            self._open.add(day.name)
        half = pages.half["name"] if pages.half else None
        for shard in sorted(new, key=lambda it: (it.name != half, it.modified, it.name)):
            try:
                yield from self._object(shard, pages)
            except Changed:
                log.info("%s was written anew while it was read: left for the next run.", shard.name)
                self._open.add(day.name)
            except (BrokenFile, FetchFailed) as problem:
                self._problem(day, problem)
            else:
                done.add(shard)
        if day.name in self._open and done.issuperset(day.shards) and day.is_complete(now, self._settle):
            try:
                yield from self._sweep(day, pages)
            except Changed:
                log.info("%s was written to while it was compared: left for the next run.", day.prefix)
            except (BrokenFile, FetchFailed) as problem:
                self._problem(day, problem)

    def _object(self, shard: S3Object, pages: FilePages) -> Iterator[Page]:
        """Fetch, check and give one object; the pages that it fills."""
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as temporary:
            content = cast(BinaryIO, temporary)
            sha256 = self._folder.fetch(shard, content)
            total = ndjson_files.check(content, shard.name)
            done = pages.begin(sha256)
            for record in self._versioned(ndjson_files.lines(content, skip=done), shard):
                done += 1
                if pages.add(record) and done < total:
                    pages.half = {"sha256": sha256, "name": shard.name, "rows": done}
                    yield pages.page(self._bookmark(pages))
        if pages.end(LoadedFile(sha256, shard.name, shard.size, shard.modified, total, shard.etag)):
            yield pages.page(self._bookmark(pages))

    def _versioned(self, lines: Iterator[Line], shard: S3Object) -> Iterator[Record]:
        for some in _batched(lines, LOOK_UP_AT_ONCE):
            versions = self._known.versions([(self._key(line.data), line.data) for line in some], shard.modified)
            for line, version in zip(some, versions, strict=True):
                yield Record(line.data, version, origin=f"{shard.name}, line {line.number}")

    def _sweep(self, day: Day, pages: FilePages) -> Iterator[Page]:
        """The rows of a complete day that none of its objects holds any more, as deleted; then the day is done with."""
        with PresentKeys() as present, tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as temporary:
            content = cast(BinaryIO, temporary)
            for shard in day.shards:
                self._folder.fetch(shard, content)
                ndjson_files.check(content, shard.name)
                present.add(self._key(line.data) for line in ndjson_files.lines(content))
            if days_of(self._folder.listing(day.prefix), self.prefix).get(day.name) != day:
                raise Changed
            if "" in present or not present:
                log.warning("%s: a row cannot be read, or none is left: nothing is told as deleted.", day.prefix)
            else:
                for gone in present.missing(self._known, day.name, f"{day.name}z"):
                    for _, version, data in self._known.documents(gone):
                        version = max(day.changed, version + timedelta(microseconds=1))
                        if pages.add(Record(data, version, True, f"{day.prefix}: not there any more")):
                            yield pages.page(self._bookmark(pages))
        self._open.discard(day.name)

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item]:
        """The rows of every object of these days, each object read whole.

        Of an object that is loaded by its name and ETag the keys are compared, of another one the bytes too. One that
        came after the last sync is the next one's affair.
        """
        watermark = self._known.watermark()
        first = "" if start is None else f"{start:%Y%m%d}"
        for day in days_of(self._folder.listing(self.prefix, f"{self.prefix}{first}"), self.prefix).values():
            when = midnight(day.name)
            if (start and when < start) or when > end:
                continue
            loaded = self._known.objects([it.name for it in day.shards])
            for shard, line in self._rows_of(day):
                is_new = watermark is None or shard.modified > watermark
                content = "" if (shard.name, shard.etag) in loaded else hashlib.sha256(line.data).hexdigest()
                if key := self._key(line.data):
                    came = shard.modified if is_new else None
                    yield Item(key, came or when, updated_at=came, content=content, day=when.date())

    def item_of(self, record: bytes) -> Item | None:
        key = self._key(record)
        if not key:
            return None
        when = midnight(key[:8])
        return Item(key, when, content=hashlib.sha256(record).hexdigest(), day=when.date())

    def refetched(self, keys: Sequence[str], end: datetime) -> Iterator[Record]:
        wanted = set(keys)
        for name in sorted({key[:8] for key in wanted}):
            prefix = f"{self.prefix}{name}"
            for day in days_of(self._folder.listing(prefix), self.prefix).values():
                for shard, line in self._rows_of(day):
                    if self._key(line.data) in wanted:
                        yield Record(line.data, shard.modified, origin=f"{shard.name}, line {line.number}")

    def _rows_of(self, day: Day) -> Iterator[tuple[S3Object, Line]]:
        """In the order in which a sync reads them, so that the last row of a key is the one that stands."""
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as temporary:
            content = cast(BinaryIO, temporary)
            for shard in sorted(day.shards, key=lambda it: (it.modified, it.name)):
                try:
                    self._folder.fetch(shard, content)
                    ndjson_files.check(content, shard.name)
                except Changed:
                    log.info("%s was written anew while it was compared: left out.", shard.name)
                    continue
                for line in ndjson_files.lines(content):
                    yield shard, line

    def _key(self, line: bytes) -> str:
        """The key of a line, as its record will have it; empty when it has none."""
        try:
            document = decoded(line)
        except (ValueError, RecursionError):
            return ""
        return self.key_of(document) if isinstance(document, dict) else ""

    def _problem(self, day: Day, problem: HeadwaterError) -> None:
        log.error("%s", problem)
        self._problems.append(str(problem))
        self._open.add(day.name)

    def _bookmark(self, pages: FilePages) -> State:
        return {**self._state, "file": pages.half, "open": sorted(self._open)}


def _batched(lines: Iterator[Line], size: int) -> Iterator[list[Line]]:
    some: list[Line] = []
    for line in lines:
        some.append(line)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _options(context: Context) -> dict[str, float]:
    place, given = f"pipeline.yml, sources.{context.source}.options", context.settings.options
    if unknown := sorted(given.keys() - OPTIONS.keys()):
        raise SettingsError(f"{place}: there is no option {', '.join(unknown)}; there are {', '.join(OPTIONS)}.")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10_000:
            raise SettingsError(f"{place}.{name}: {value!r} is no number from 0 to 10000.")
    return {**OPTIONS, **given}
