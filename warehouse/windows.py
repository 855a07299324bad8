"""Backfills: a range of a stream cut into windows, each with a bookmark, a lock and a fence of its own.

The stream's checkpoint, its lock and its watermark are not touched: the daily sync runs meanwhile. What a window
received is the sum of the loads of its runs, so it balances because each load does.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from settings import HeadwaterError
from warehouse.batch import Counts, Run
from warehouse.connection import connect
from warehouse.writer import BURY, StreamWriter

PROGRESS = """
select w.number, w.window_start, w.window_end, w.status, w.error,
  coalesce(sum(l.received), 0)::bigint, coalesce(sum(l.kept), 0)::bigint,
  coalesce(sum(l.already_there), 0)::bigint, coalesce(sum(l.rejected), 0)::bigint
from ops.backfill_windows w
left join ops.runs r on r.backfill_id = w.backfill_id and r.window_number = w.number
left join ops.loads l on l.run_id = r.run_id
where w.backfill_id = %s
group by w.backfill_id, w.number
order by w.number
"""


class WindowProgress(NamedTuple):
    """One window: `status` is pending, running, done or failed; `counts` are those of all its runs."""

    number: int
    start: datetime
    end: datetime
    status: str
    error: str | None
    counts: Counts


def open_backfill(
    source: str, stream: str, bounds: Sequence[datetime], *, again: bool = False, url: str | None = None
) -> uuid.UUID:
    """The backfill whose windows lie between these bounds, made when it is not there.

    `again`: every window is to be read anew. Raises HeadwaterError when the warehouse cannot be used.
    """
    windows = len(bounds) - 1
    try:
        with connect("loader", url=url) as connection, connection.transaction():
            whole = (source, stream, bounds[0], bounds[-1], windows)
            connection.execute(
                "insert into ops.backfills (source, stream, range_start, range_end, windows)"
                " values (%s, %s, %s, %s, %s) on conflict do nothing",
                whole,
            )
            row = connection.execute(
                "select backfill_id from ops.backfills where source = %s and stream = %s and range_start = %s"
                " and range_end = %s and windows = %s",
                whole,
            ).fetchone()
            assert row is not None
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into ops.backfill_windows (backfill_id, number, window_start, window_end)"
                    " values (%s, %s, %s, %s) on conflict do nothing",
                    [(row[0], place + 1, bounds[place], bounds[place + 1]) for place in range(windows)],
                )
            if again:
                # A higher fence: a run that is still at work on a window may not call it done.
                connection.execute(
                    "update ops.backfill_windows set status = 'pending', state = '{}', fence = fence + 1, error = null,"
                    " finished_at = null where backfill_id = %s",
                    (row[0],),
                )
    except psycopg.Error as error:
        raise HeadwaterError(f"The backfill cannot be written down: {error}; run again.") from error
    backfill_id: uuid.UUID = row[0]
    return backfill_id


def progress(backfill_id: uuid.UUID, url: str | None = None) -> list[WindowProgress]:
    """Every window in its order. Raises HeadwaterError when the warehouse cannot be asked."""
    try:
        with connect("loader", url=url) as connection:
            rows = connection.execute(PROGRESS, (backfill_id,)).fetchall()
    except psycopg.Error as error:
        raise HeadwaterError(f"The warehouse cannot be asked how the backfill stands: {error}; run again.") from error
    return [
        WindowProgress(number, start, end, status, said, Counts(*counts))
        for number, start, end, status, said, *counts in rows
    ]


class WindowWriter(StreamWriter):
    """Opens one window for one run, as a StreamWriter does a stream. Raises StreamBusy when another run holds it."""

    def __init__(self, source: str, stream: str, backfill_id: uuid.UUID, number: int, url: str | None = None):
        super().__init__(source, stream, url, kind="backfill")
        self.window = (backfill_id, number)
        self.bounds: tuple[datetime, datetime]

    @property
    def lock(self) -> str:
        return f"{self.source}.{self.stream}, window {self.window[1]} of backfill {self.window[0]}"

    @property
    def _run(self) -> Run:
        return Run(self.run_id, self.source, self.stream, self.fence, self.window)

    def _open(self, connection: psycopg.Connection) -> tuple[dict[str, Any], int]:
        row = connection.execute(
            "update ops.backfill_windows set fence = fence + 1, error = null, updated_at = clock_timestamp(),"
            " status = case when status = 'done' then 'done' else 'running' end"
            " where backfill_id = %s and number = %s returning state, fence, window_start, window_end",
            self.window,
        ).fetchone()
        if row is None:
            raise HeadwaterError(f"There is no window {self.window[1]} in backfill {self.window[0]}.")
        self.bounds = (row[2], row[3])
        connection.execute(f"{BURY} backfill_id = %s and window_number = %s and status = 'running'", self.window)
        connection.execute(
            "insert into ops.runs (run_id, source, stream, kind, backfill_id, window_number)"
            " values (%s, %s, %s, %s, %s, %s)",
            (self.run_id, self.source, self.stream, self._kind, *self.window),
        )
        return row[0], row[1]

    def _has_webhooks(self, connection: psycopg.Connection) -> bool:
        return False  # they take the stream's lock, not a window's

    def _end(self, connection: psycopg.Connection, status: str, error: str | None) -> None:
        with connection.transaction():
            super()._end(connection, status, error)
            if error:
                connection.execute(
                    "update ops.backfill_windows set status = 'failed', error = %s, updated_at = clock_timestamp()"
                    " where backfill_id = %s and number = %s and fence = %s and status = 'running'",
                    (error, *self.window, self.fence),
                )
