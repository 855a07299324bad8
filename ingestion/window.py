"""Streams read in frozen windows of the source's own time (the bookmark moves only when a window is read to its end).

A run fixes the upper bound before it reads, a little behind the source's clock, and pages to it by the source's
cursor; what changes meanwhile gets a later time and belongs to the next window. Windows overlap by the lookback.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from ingestion.source import Page, Record, State, Stream, parse_time
from settings import HeadwaterError

log = logging.getLogger(__name__)


class Window(NamedTuple):
    """From `start` (None: the beginning of time) to `end`, both included."""

    start: datetime | None
    end: datetime


class WindowPage(NamedTuple):
    """`next_cursor` (anything JSON can hold) is where to go on after these records; None on the window's last page."""

    records: list[Record]
    next_cursor: Any
    origin: str


class BackfillPage(NamedTuple):
    """A page of a backfill; `read_at` is when the source read the records, by our clock, if that was not now."""

    records: list[Record]
    next_cursor: Any
    origin: str
    read_at: datetime | None = None


class CursorRefused(HeadwaterError):
    """The source no longer takes a cursor that it gave; `pages` raises it, and the window is read from its start."""


class WindowedStream(Stream):
    """Derive, and write `source_now` and `pages`. `settle` is how long the source may take to list a change."""

    settle: ClassVar[timedelta] = timedelta(seconds=60)
    no_backfill = ""

    @abstractmethod
    def source_now(self) -> datetime:
        """The time by the source's clock; never the worker's."""

    @abstractmethod
    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        """The records that changed within `window`, from `cursor` (None: from its start) on, in a stable order."""

    def read(self, state: State) -> Iterator[Page]:
        """End the window that an earlier run left half-read, then read one up to now, if the clock has moved on."""
        watermark = state.get("watermark")
        if half := state.get("window"):
            yield from self._window(half, watermark)
            watermark = half["end"]
        end = (self.source_now() - self.settle).astimezone(UTC).replace(microsecond=0)
        if watermark and end <= parse_time(watermark, "watermark"):
            return
        start = None
        if watermark:
            start = parse_time(watermark, "watermark") - self.context.settings.lookback_of(self.name)
        yield from self._window(
            {"start": start.isoformat() if start else None, "end": end.isoformat(), "cursor": None}, watermark
        )

    def backfill(self, window: Window, cursor: Any, as_of: datetime) -> Iterator[BackfillPage]:
        """What changed last within the window; its own time of change is its version.

        A record that changes meanwhile leaves the window for a later time, of which the daily sync learns.
        """
        for page in self._from(window, cursor):
            yield BackfillPage(*page)

    def _window(self, window: dict[str, Any], watermark: str | None) -> Iterator[Page]:
        end = parse_time(window["end"], "end")
        start = parse_time(window["start"], "start") if window["start"] else None
        origin = f"{self.name} up to {window['end']}"
        for records, cursor, origin in self._from(Window(start, end), window["cursor"]):
            if cursor is None:
                yield self._last(records, end, origin)
                return
            state = {"watermark": watermark, "window": {**window, "cursor": cursor}}
            yield Page(records, state, origin, datetime.now(UTC))
        yield self._last([], end, origin)

    def _from(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        try:
            yield from self.pages(window, cursor)
        except CursorRefused as error:
            if cursor is None:
                raise
            # What was read twice changes nothing: it is there already.
            log.warning("%s: %s; reading its window from the start", self.name, error)
            yield from self.pages(window, None)

    def _last(self, records: list[Record], end: datetime, origin: str) -> Page:
        state = {"watermark": end.isoformat(), "window": None}
        return Page(records, state, origin, datetime.now(UTC), watermark=end)
