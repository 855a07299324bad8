"""A base for plain REST sources: a list that may be filtered by its time of change and comes in pages.

A stream is a class of declarations and no code: mypy and the editor know its names, its docstring says what the API
promises, and an API that is odd in one place overrides that one method. pipeline.yml keeps what an operator changes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal
from urllib.parse import urljoin

import msgspec

from ingestion.contracts import decoded
from ingestion.cut import at, elements
from ingestion.http import HttpClient, HttpError
from ingestion.inventory import Item, fingerprint
from ingestion.paging import Answer, Cursor, Moved, Paging
from ingestion.source import BaseSource, Context, Record, Stream
from ingestion.window import Window, WindowedStream, WindowPage
from settings import HeadwaterError, secret, setting

READS = 5

log = logging.getLogger(__name__)


class RestStream(WindowedStream):
    """Derive, and set the names below. Raises HeadwaterError for pages that repeat or never stand still."""

    path: ClassVar[str]
    records_at: ClassVar[tuple[str, ...]] = ("data",)
    """Where in an answer the list of records is; () when the answer is the list."""
    paging: ClassVar[Paging] = Cursor()
    size_param: ClassVar[str] = "limit"
    """The query's name for the number of records a page; "" when the API has none."""
    page_size: ClassVar[int] = 100
    since_param: ClassVar[str] = ""
    """The query's name for the lower bound of a record's time of change; "": the whole list is read every time."""
    until_param: ClassVar[str] = ""
    """The same for the upper bound, which keeps a list still while it is read; "" when the API has none."""
    times: ClassVar[Literal["iso", "unix"]] = "iso"
    """How these bounds are written."""
    fixed: ClassVar[Mapping[str, Any]] = {}
    """What every query has, such as the order: a list should be sorted by what changes last, or by id."""
    clock_path: ClassVar[str] = ""
    """A cheap address to ask for the server's clock (the Date header); the list itself when there is none."""
    refetch_at_once = 10_000  # each time, the list is read

    def __init__(self, context: Context, http: HttpClient):
        super().__init__(context)
        self.http = http
        self._compared_from: datetime | None = None

    def params(self, window: Window) -> Mapping[str, Any]:
        """The query of a window, without what says which page."""
        found = dict(self.fixed)
        if self.since_param and window.start:
            found[self.since_param] = self._time(window.start)
        if self.until_param:
            found[self.until_param] = self._time(window.end)
        if self.size_param:
            found[self.size_param] = self.page_size
        return found

    @property
    def no_backfill(self) -> str:  # type: ignore[override]  # what is declared decides
        can = self.since_param and self.until_param
        return "" if can else "its API cannot be asked for what changed between two times (since_param, until_param)"

    def source_now(self) -> datetime:
        self.http.get_json(self.clock_path or self.path)
        return self.http.server_time()

    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        for _ in range(READS):
            try:
                yield from self._pages(window, cursor)
                return
            except Moved:
                # What was read twice changes nothing: it is there already.
                log.warning("%s: the list moved while it was read; reading its window from the start", self._place)
                cursor = None
        raise HeadwaterError(
            f"{self._place} moved each of the {READS} times that it was read: run again when less changes, or"
            " declare an order and an upper bound (until_param) that keep it still."
        )

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item]:
        """The list once more: what changed from `start` on, counted by the day of its change, and what it says."""
        self._compared_from = start
        for page in self.pages(Window(start, self.source_now()), None):
            for record in page.records:
                if (item := self.item_of(record.data)) and (start is None or item.created_at >= start):
                    yield item

    def item_of(self, record: bytes) -> Item | None:
        try:
            document = decoded(record)
            key, version = self.key_of(document), self.version_of(document)
            gone = self.is_deleted(document)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return None
        return Item(key, version, updated_at=version, content=fingerprint(document), deleted=gone) if key else None

    def refetched(self, keys: Sequence[str], end: datetime) -> Iterator[Record]:
        """Out of the list again, since nothing says how the API gives one record alone."""
        wanted = set(keys)
        for page in self.pages(Window(self._compared_from, self.source_now()), None):
            yield from (record for record in page.records if self._key(record.data) in wanted)

    def _pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        loop, before = _Loop(), None
        while True:
            answer, origin = self._ask(window, cursor)
            following = self.paging.next_cursor(cursor, answer, self._key)
            outline = self._outline(answer)
            if following is not None and (loop.closes(following) or (outline and outline == before)):
                raise HeadwaterError(
                    f"{self._place}: a page comes again and again ({origin}); is what the stream declares as its"
                    " paging what the API does?"
                )
            new = self.paging.new(cursor, answer, self._key, lambda other: self._ask(window, other)[0])
            yield WindowPage([Record(data) for data in new], following, origin)
            if following is None:
                return
            cursor, before = following, outline

    def _ask(self, window: Window, cursor: Any) -> tuple[Answer, str]:
        path, params = self.path, {**self.params(window), **self.paging.params(cursor)}
        if url := self.paging.url(cursor):
            path, params = self._own(url), {}
        origin = f"GET {path} {params}"
        try:
            answer = self.http.get_json(path, params)
        except HttpError as error:
            if self.paging.is_past_end(cursor, error.status):
                return Answer((), b"", {}), origin
            raise
        try:
            records = elements(at(answer.body, *self.records_at))
        except ValueError as error:
            raise HeadwaterError(f"{self.context.source}: GET {path} gave no list of records: {error}.") from error
        return Answer(records, answer.body, answer.headers), origin

    def _own(self, url: str) -> str:
        """The path of a next URL; the key is not sent to another server than the one it was given for."""
        base = f"{self.http.base_url}/"
        whole = urljoin(f"{base}{self.path.lstrip('/')}", url)
        if not whole.startswith(base):
            raise HeadwaterError(
                f"{self.context.source}: the next page is on another server ({url}), which gets no key."
            )
        return whole.removeprefix(base)

    def _outline(self, answer: Answer) -> tuple[int, str, str] | None:
        """What makes a page another one than the page before, also when its records tell the time of day."""
        records = answer.records
        if len(records) < 2:
            return (1, "", hashlib.sha256(records[0]).hexdigest()) if records else None
        return len(records), self._key(records[0]), self._key(records[-1])

    def _key(self, data: bytes) -> str:
        """What a bookmark calls the record: its key, or a hash of one that has none that could be kept."""
        try:
            document = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            document = None
        key = self.key_of(document) if isinstance(document, dict) else ""
        return key if key.isprintable() and key else hashlib.sha256(data).hexdigest()

    def _time(self, moment: datetime) -> str | int:
        return moment.isoformat() if self.times == "iso" else int(moment.timestamp())

    @property
    def _place(self) -> str:
        return f"{self.context.source}.{self.name}"


class _Loop:
    """Notices that cursors go round, with one of them remembered (Brent's way), however long the round is."""

    def __init__(self) -> None:
        self._mark: Any = None
        self._steps, self._power = 0, 1

    def closes(self, cursor: Any) -> bool:
        if cursor == self._mark:
            return True
        self._steps += 1
        if self._steps == self._power:
            self._mark, self._steps, self._power = cursor, 0, self._power * 2
        return False


class RestSource(BaseSource):
    """Derive, and set `streams` and the names of the two settings that the API's address and its key come from."""

    address: ClassVar[str]
    credential: ClassVar[str]

    def __init__(self, context: Context):
        super().__init__(context)
        headers = self.headers(secret(self.credential))
        self.http = HttpClient(
            setting(self.address), headers, context.settings.http, context.source, self.credential, self.address
        )

    def headers(self, key: str) -> Mapping[str, str]:
        """The headers that carry the key."""
        return {"Authorization": f"Bearer {key}"}

    def stream(self, name: str) -> Stream:
        found = self.streams[name]
        assert issubclass(found, RestStream)  # the streams of a REST source are such
        return found(self.context, self.http)

    def close(self) -> None:
        self.http.close()
