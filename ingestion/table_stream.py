"""A stream that is a table of a Postgres: windows of its time of change, and the sweep of its keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from ingestion.inventory import Item
from ingestion.postgres import LostConnection, SourceDatabase
from ingestion.source import Context, Page, Record, State, parse_time
from ingestion.sweep import Finding, ListedRow, Sweep, SweepRefused
from ingestion.table_inventory import item_of, listed
from ingestion.tables import KEY, TIME, Options, Table, TableOptions, find_table, in_utc, on, rows, time_of
from ingestion.window import Window, WindowedStream, WindowPage
from settings import HeadwaterError
from warehouse.known import WarehouseLost

PAGE_ROWS = 1_000
PAGE_BYTES = 4_000_000
KEYS_AT_ONCE = 100
TICK = timedelta(microseconds=1)

Found = tuple[list[Record], str]  # with where they came from

log = logging.getLogger(__name__)


class TableStream(WindowedStream):
    """One table; a class of its own for each stream is made of this one, since a stream's name is its class's."""

    settle = timedelta(0)  # the window's end is exact: see SourceDatabase.clock
    options: ClassVar[Options]
    table: ClassVar[TableOptions]

    def __init__(self, context: Context, database: SourceDatabase):
        super().__init__(context)
        self._database = database

    def source_now(self) -> datetime:
        return self._database.clock().bound

    def version_of(self, record: dict[str, Any]) -> datetime:
        """A time without a zone is UTC, as it is where the database is asked in UTC."""
        value = record[self.version_field]
        return parse_time(in_utc(value) if isinstance(value, str) else value, self.version_field)

    def read(self, state: State) -> Iterator[Page]:
        """The sweep, when it is due, before the window: all that raw is to hold by now is then in it."""
        now = self._database.clock().now
        swept, refused = state.get("swept"), None
        if not state:
            swept = now.isoformat()  # the first window reads every row there is
        elif self.options.sweep and state.get("watermark") and self._is_due(swept, now):
            try:
                for records, origin in self._again(lambda: self._sweep(self._next_start(state))):
                    yield Page(records, state, origin, datetime.now(UTC))
            except SweepRefused as error:
                refused = error
            else:
                swept = now.isoformat()
                state = {**state, "swept": swept}
                yield Page([], state, f"the sweep of {self.name}", datetime.now(UTC))
        for page in super().read(state):
            yield replace(page, state={**page.state, "swept": swept})
        if refused:
            raise refused

    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        """The window's rows; after a lost connection it goes on in a new snapshot, behind the last row given."""
        attempt = 0
        while True:
            try:
                for page in self._read(window, cursor):
                    attempt, cursor = 0, page.next_cursor
                    yield page
                return
            except LostConnection as error:
                attempt += 1
                if attempt >= self._database.attempts:
                    raise
                log.warning("%s.%s: %s Trying again.", self.context.source, self.name, error)
                self._database.pause(attempt)

    def _read(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        with self._database.snapshot() as connection:
            table = self._find(connection)
            conditions, values = [on(table, "{row}.{time} <= %s::timestamptz::{time_type}")], [window.end]
            if window.start:
                conditions.append(on(table, "{row}.{time} >= %s::timestamptz::{time_type}"))
                values.append(window.start)
            if cursor:
                conditions.append(on(table, "({row}.{time}, {row}.{key}) > (%s::{time_type}, %s::{key_type})"))
                values += [cursor["at"], cursor["key"]]
            question = sql.SQL("{} where {} {}").format(
                on(table, "select row_to_json({row}), " + KEY + ", " + TIME + " from {table} as {row}"),
                sql.SQL(" and ").join(conditions),
                on(table, "order by {row}.{time}, {row}.{key}"),
            )
            origin = f"{self.name} up to {window.end.isoformat()}"
            place = f", after {cursor['at']} {cursor['key']}" if cursor else ""
            records: list[Record] = []
            size, next_cursor = 0, {"at": "", "key": ""}
            for data, key, at in rows(connection, question, values):
                if len(records) >= PAGE_ROWS or size >= PAGE_BYTES:
                    yield WindowPage(records, next_cursor, origin + place)
                    records, size, place = [], 0, f", after {next_cursor['at']} {next_cursor['key']}"
                records.append(Record(data))
                size += len(data)
                next_cursor = {"at": at.decode(), "key": self._text(key)}
            yield WindowPage(records, None, origin + place)

    def _sweep(self, start: datetime) -> Iterator[Found]:
        assert self.context.known is not None  # a sync lends it
        with (
            self._database.snapshot() as connection,
            Sweep(f"{self.context.source}.{self.name}", self.options.most_vanished) as sweep,
            # Left open by an error it would hold raw's table until the garbage is collected.
            closing(self.context.known.all_versions()) as known,
        ):
            table = self._find(connection)
            row = connection.execute(on(table, "select count(*) from {table}")).fetchone()
            listing = on(
                table,
                "select " + KEY + ", " + TIME + ", coalesce({row}.{time} < %s::timestamptz::{time_type}"
                " or {row}.{time} = 'infinity', true) from {table} as {row} order by " + KEY + ' collate "C"',
            )
            # Left half read by an error it would keep the connection from ending its transaction.
            with closing(rows(connection, listing, [start])) as found:
                listed = (ListedRow(self._text(key), time_of(at), settled) for key, at, settled in found)
                sweep.compare(listed, int(row[0]) if row else 0, known)
            if sweep.gone or sweep.missed:
                log.warning(
                    "%s.%s: the sweep found %s vanished rows and %s that were missed.",
                    *(self.context.source, self.name, sweep.gone, sweep.missed),
                )
            findings = sweep.findings()
            while some := list(islice(findings, KEYS_AT_ONCE)):
                yield self._looked_at(connection, table, some), f"the sweep of {self.name}"

    def _looked_at(self, connection: psycopg.Connection, table: Table, findings: list[Finding]) -> list[Record]:
        """The deleted records of what is gone, and the rows of what was missed, in the sweep's snapshot."""
        assert self.context.known is not None
        gone = self.context.known.documents([each.key for each in findings if each.gone])
        deleted = [Record(data, version + TICK, deleted=True) for _, version, data in gone]
        missed = {each.key: each.beats for each in findings if not each.gone}
        found = []
        for data, key, at in self._rows_of(connection, table, list(missed)) if missed else ():
            beats, version = missed[self._text(key)], time_of(at)
            found.append(Record(data, max(version, beats + TICK) if beats and version else None))
        return deleted + found

    def _rows_of(self, connection: psycopg.Connection, table: Table, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        question = on(
            table,
            "select row_to_json({row}), " + KEY + ", " + TIME + " from {table} as {row}"
            " where {row}.{key} = any(%s::text[]::{key_type}[])",
        )
        return rows(connection, question, [list(keys)])

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item]:
        with self._database.snapshot() as connection:
            yield from listed(connection, self._find(connection), self.table, start)

    def item_of(self, record: bytes) -> Item | None:
        return item_of(record, self.table)

    def refetched(self, keys: Sequence[str], end: datetime) -> Iterator[Record]:
        with self._database.snapshot() as connection:
            for data, _, _ in self._rows_of(connection, self._find(connection), keys):
                yield Record(data)

    def _again(self, read: Callable[[], Iterator[Found]]) -> Iterator[Found]:
        """From its start, after a lost connection: what was given twice changes nothing."""
        for attempt in range(1, self._database.attempts + 1):
            try:
                yield from read()
                return
            except (LostConnection, WarehouseLost) as error:
                if attempt == self._database.attempts:
                    raise
                log.warning("%s.%s: %s Trying again.", self.context.source, self.name, error)
                self._database.pause(attempt)

    def _find(self, connection: psycopg.Connection) -> Table:
        return find_table(connection, self.context, self.name, self.table)

    def _is_due(self, swept: str | None, now: datetime) -> bool:
        return swept is None or now - parse_time(swept, "swept") >= (self.options.sweep or timedelta(0))

    def _next_start(self, state: State) -> datetime:
        """Where the window begins that this run is to read; what lies before it only the sweep will see."""
        if state.get("window"):
            return parse_time(state["window"]["start"], "start")
        return parse_time(state["watermark"], "watermark") - self.context.settings.lookback_of(self.name)

    def _text(self, key: bytes | None) -> str:
        try:
            return key.decode() if key is not None else ""
        except UnicodeDecodeError as error:
            raise HeadwaterError(
                f"{self.context.source}.{self.name} has a key that is not UTF-8 ({key!r}), which cannot name a record."
            ) from error
