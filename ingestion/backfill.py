"""Backfill: read a range of a stream again, cut into windows that are read side by side and each go on after a stop.

A window commits each batch with its own bookmark (ops.backfill_windows), under its own lock and fence. The stream's
checkpoint, watermark and lock stay the daily sync's, which may run meanwhile; both write by the one way into raw, so
what both bring is there once. Which version a record gets is the stream's affair: see Stream.backfill.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from ingestion.backfill_range import cut
from ingestion.catalog import check_names, contract_of, source_class
from ingestion.source import Context, Page, Stream
from ingestion.sync import Progress, RunResult, copy_pages
from ingestion.window import Window, WindowedStream
from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse.windows import WindowProgress, WindowWriter, open_backfill, progress

log = logging.getLogger(__name__)


class Stopped(HeadwaterError):
    """Somebody asked the backfill to stop; what was committed stays, and the same command goes on after it."""


class Stop:
    """Tell the windows at work to stop; they do between two pages, and whoever waits for a source is woken."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._wake: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()
        with self._lock:
            for wake in self._wake:
                wake()

    def watch(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wake.add(wake)

    def forget(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wake.discard(wake)


def plan_backfill(
    source: str,
    stream: str,
    start: datetime,
    end: datetime,
    windows: int = 1,
    *,
    again: bool = False,
    pipeline: Pipeline | None = None,
    url: str | None = None,
) -> uuid.UUID:
    """Write the windows down, if this backfill is not there yet, and give its id. `again`: all are to be read anew.

    Raises HeadwaterError for a stream that cannot be backfilled, and for a range that is empty, too short for so
    many windows, or not over yet by the source's clock.
    """
    pipeline = pipeline or load_pipeline()
    check_names(pipeline, source, [stream])
    bounds = cut(start, end, windows)
    settings = pipeline.source(source)
    built = source_class(settings.type)(Context(source, settings))
    try:
        reader = built.stream(stream)
        if reader.no_backfill:
            raise HeadwaterError(f"{source}.{stream} cannot be backfilled: {reader.no_backfill}.")
        now = _as_of(reader)
    finally:
        built.close()
    if end > now:
        raise HeadwaterError(
            f"The range ends after {now:%Y-%m-%d %H:%M:%SZ}, up to which {source} can be read now; end it earlier:"
            " the daily sync brings what comes after."
        )
    return open_backfill(source, stream, bounds, again=again, url=url)


def unfinished(backfill_id: uuid.UUID, url: str | None = None) -> list[WindowProgress]:
    """The windows that are still to be read."""
    return [window for window in progress(backfill_id, url) if window.status != "done"]


def run_window(
    source: str,
    stream: str,
    backfill_id: uuid.UUID,
    number: int,
    *,
    pipeline: Pipeline | None = None,
    url: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
) -> RunResult:
    """Read one window from where it was left to its end; nothing when it is done.

    Raises what sync_stream raises (StreamBusy when another run reads the window), and Stopped.
    """
    pipeline, stop = pipeline or load_pipeline(), stop or Stop()
    settings = pipeline.source(source)
    contract = contract_of(source, settings.type, stream)
    with WindowWriter(source, stream, backfill_id, number, url) as writer:
        if writer.state.get("done"):
            return RunResult(source, stream)
        built = source_class(settings.type)(Context(source, settings, known=writer.known))
        stop.watch(built.close)
        try:
            reader = built.stream(stream)
            pages = _pages(reader, Window(*writer.bounds), writer.state, stop)
            policy = settings.stream(stream).on_reject
            result = copy_pages(pages, reader, writer, contract, policy, on_progress)
        except HeadwaterError as error:
            # A source that was closed to wake it says so in its own words.
            raise (Stopped("Stopped; run the same command to go on.") if stop else error) from error
        finally:
            stop.forget(built.close)
            built.close()
    log.info("%s.%s, window %s: %s in %.1f s", source, stream, number, result.counts, result.seconds)
    return result


def _pages(stream: Stream, window: Window, state: dict[str, Any], stop: Stop) -> Iterator[Page]:
    as_of = datetime.fromisoformat(state["as_of"]) if "as_of" in state else _as_of(stream)
    origin = f"backfill of {stream.name} up to {window.end.isoformat()}"
    for records, cursor, origin, read_at in stream.backfill(window, state.get("cursor"), as_of):
        if stop:
            raise Stopped("Stopped; run the same command to go on.")
        extracted_at = read_at or datetime.now(UTC)
        if cursor is None:
            yield Page(records, {"done": True}, origin, extracted_at)
            return
        yield Page(records, {"as_of": as_of.isoformat(), "cursor": cursor}, origin, extracted_at)
    yield Page([], {"done": True}, origin, datetime.now(UTC))


def _as_of(stream: Stream) -> datetime:
    """The source's clock less what it may take to list a change."""
    if not isinstance(stream, WindowedStream):
        raise TypeError(f"{stream.name} has a backfill and no clock: derive it from WindowedStream")
    return (stream.source_now() - stream.settle).astimezone(UTC).replace(microsecond=0)
