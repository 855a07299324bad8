"""Shopify's bulk operations: a query that Shopify runs in the background, and its result record by record.

One operation reads one window. Its id is in the window's bookmark before it is waited for, so a run that was killed
finds it again; one that was begun but not noted yet is known by its query. A file whose lines are not as many as the
operation counted gives nothing. An operation that failed for a reason that may pass, expired, or whose file is not
whole is begun again, three times at most; its partial data is not taken, for nothing tells what it lacks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from ingestion.shopify_api import ShopifyApi
from ingestion.shopify_bulk_file import BulkFile, Counted, FileLost, Shape
from ingestion.source import Record, parse_time
from ingestion.window import BackfillPage
from settings import HeadwaterError

STARTS = 3
FETCHES = 3
PATIENCE_SECONDS = 12 * 3600.0  # Shopify itself gives up after ten days
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
PAGE_RECORDS, PAGE_BYTES = 500, 4_000_000
UNDER_WAY = ("CREATED", "RUNNING")

log = logging.getLogger(__name__)


class _Operation(msgspec.Struct, rename="camel"):
    id: str
    status: str
    created_at: str
    object_count: str
    root_object_count: str
    query: str
    error_code: str | None = None
    url: str | None = None


class _UserError(msgspec.Struct):
    message: str
    code: str | None = None


class _Started(msgspec.Struct, rename="camel"):
    user_errors: list[_UserError]
    bulk_operation: _Operation | None = None


class _Lost(HeadwaterError):
    """This operation brings nothing; another one may."""


class BulkExport:
    """One query's records. `completed` makes a joined record whole; `place` names the stream in errors."""

    def __init__(self, api: ShopifyApi, query: str, shape: Shape, completed: Callable[[bytes], bytes], place: str):
        self._api, self._query, self._shape, self._completed, self._place = api, query, shape, completed, place

    def pages(self, cursor: Any) -> Iterator[BackfillPage]:
        """From `cursor` on: {"operation": its id, "asked_at": when it was begun, "done": records that are in}."""
        resumed = cursor is not None
        for start in range(1, STARTS + 1):
            if cursor is None:
                cursor = self._begin()
                yield BackfillPage([], cursor, f"{cursor['operation']}")
            try:
                yield from self._read(cursor, resumed)
                return
            except (_Lost, FileLost) as lost:
                log.warning("%s: %s of %s", self._place, lost, cursor["operation"])
                reason, cursor, resumed = lost, None, False
                if start == STARTS:
                    raise HeadwaterError(
                        f"{self._place}: {STARTS} bulk operations one after the other brought nothing ({reason}); try"
                        " later, or with more and so smaller windows."
                    ) from lost

    def _read(self, cursor: dict[str, Any], resumed: bool) -> Iterator[BackfillPage]:
        operation = self._finished(cursor["operation"], resumed)
        wanted = Counted(int(operation.object_count), int(operation.root_object_count))
        read_at, done, origin = datetime.fromisoformat(cursor["asked_at"]), cursor["done"], operation.id
        if operation.url is None:
            if wanted.lines:
                raise _Lost(f"{wanted.lines} objects and no file")
            yield BackfillPage([], None, origin, read_at)
            return
        with BulkFile() as file:
            self._fetch(file, operation.url, wanted)
            records: list[Record] = []
            size = 0
            for data in file.records(self._shape, skip=done):
                records.append(Record(self._completed(data), origin=f"{origin}, record {done + len(records) + 1}"))
                size += len(records[-1].data)
                if len(records) >= PAGE_RECORDS or size >= PAGE_BYTES:
                    done += len(records)
                    yield BackfillPage(records, {**cursor, "done": done}, origin, read_at)
                    records, size = [], 0
            yield BackfillPage(records, None, origin, read_at)

    def _fetch(self, file: BulkFile, url: str, wanted: Counted) -> None:
        for attempt in range(1, FETCHES + 1):
            file.fetch(url, self._api.limits, self._api.http.wait)
            try:
                counted = file.count()
                if counted == wanted:
                    return
                reason = f"its file has {counted.lines} lines, {counted.roots} of them records, and not {wanted}"
            except FileLost as lost:
                reason = str(lost)
            if attempt < FETCHES:
                log.warning("%s: %s; fetching it again", self._place, reason)
        raise FileLost(reason)

    def _begin(self) -> dict[str, Any]:
        """The bookmark of an operation with our query: one that is under way, or a new one.

        When the answer to the start is lost it is asked again, and two may run: one is taken, the other ends unread.
        """
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE
        while True:
            if (found := self._under_way()) is not None:
                log.warning("%s: going on with %s, which is under way already", self._place, found.id)
                return self._bookmark(found)
            started = msgspec.json.decode(
                self._api.ask("StartBulkOperation", "bulkOperationRunQuery", query=self._query), type=_Started
            )
            if started.bulk_operation is not None and not started.user_errors:
                return self._bookmark(started.bulk_operation)
            told = "; ".join(f"{error.message}" for error in started.user_errors) or "it said nothing"
            busy = any(error.code in ("OPERATION_IN_PROGRESS", "LIMIT_REACHED") for error in started.user_errors)
            if not busy:
                raise HeadwaterError(f"{self._place}: Shopify refuses the bulk operation: {told}")
            if time.monotonic() + pause >= deadline:
                raise HeadwaterError(f"{self._place}: {told} Others take up every bulk operation; try later.")
            log.warning("%s: %s Trying again in %.0f s", self._place, told, pause)
            self._api.http.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    def _under_way(self) -> _Operation | None:
        answer = self._api.ask("NewestBulkOperations", "bulkOperations", "nodes")
        newest = msgspec.json.decode(answer, type=list[_Operation])
        return next((it for it in newest if it.status in UNDER_WAY and it.query == self._query), None)

    def _bookmark(self, operation: _Operation) -> dict[str, Any]:
        # By our clock, as every reading is dated; the operation's age is told by Shopify's.
        age = self._api.http.server_time() - parse_time(operation.created_at, "createdAt")
        return {"operation": operation.id, "asked_at": (datetime.now(UTC) - age).isoformat(), "done": 0}

    def _finished(self, id: str, resumed: bool) -> _Operation:
        """The operation once it is completed. Raises _Lost when another one is to be begun."""
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE
        while True:
            answer = self._api.ask("BulkOperationById", "bulkOperation", id=id)
            if answer == b"null":
                raise _Lost("Shopify does not know it any more")
            operation = msgspec.json.decode(answer, type=_Operation)
            if operation.status == "COMPLETED":
                return operation
            if operation.status not in (*UNDER_WAY, "CANCELING"):
                raise self._ended(operation, resumed)
            if time.monotonic() + pause >= deadline:
                raise HeadwaterError(f"{self._place}: {id} still runs; run the same command later to go on with it.")
            self._api.http.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    def _ended(self, operation: _Operation, resumed: bool) -> HeadwaterError:
        told = f"{operation.status}{f' ({operation.error_code})' if operation.error_code else ''}"
        if operation.status == "FAILED" and operation.error_code == "ACCESS_DENIED" and not resumed:
            return HeadwaterError(
                f"{self._place}: {operation.id} was denied; give the app of {self._api.token} the scope to read"
                " this, and run again."
            )
        if operation.status == "CANCELED" and not resumed:
            return HeadwaterError(f"{self._place}: somebody canceled {operation.id}; run again to begin another.")
        return _Lost(told)
