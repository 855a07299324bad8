"""What the warehouse holds of one stream, read at once."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from warehouse.known import NEWEST


class Row(NamedTuple):
    """One row of raw."""

    key: str
    version: datetime
    data: bytes
    deleted: bool


class Found(NamedTuple):
    """`current` is what production calls current; `loads` the sums of received, kept, already there and rejected.

    `waiting` is `quarantine` with the version of each, None where it is the record's own.
    """

    rows: set[Row]
    current: dict[str, Row]
    quarantine: set[tuple[str, bytes]]
    waiting: set[tuple[str, bytes, datetime | None]]
    resolved: set[tuple[str, bytes]]
    watermark: datetime | None
    state: dict[str, Any]
    loads: tuple[int, int, int, int]
    events: dict[str, str]
    running: int


class Warehouse:
    """Looks at raw.<source>_<stream> and ops over a connection of its own; can empty everything."""

    def __init__(self, url: str, source: str, stream: str):
        self.url, self.table = url, f"raw.{source}_{stream}"
        self._connection = psycopg.connect(url, autocommit=True)
        tables = self._all(
            "select relnamespace::regnamespace::text, relname from pg_class where relkind in ('r', 'p')"
            " and not relispartition and relnamespace in ('raw'::regnamespace, 'ops'::regnamespace)"
            " and relname <> 'migrations' order by 1, 2"
        )
        self._tables = [sql.Identifier(*names) for names in tables]

    def close(self) -> None:
        self._connection.close()

    def empty(self) -> None:
        """Delete is quicker than truncate for tables as small as these."""
        deletes = (sql.SQL("delete from {};").format(table) for table in self._tables)
        self._connection.execute(
            sql.SQL("begin; set local session_replication_role = replica; {} commit").format(sql.SQL("").join(deletes))
        )

    def forget(self, key: str) -> int:
        """Take a record out of raw behind everybody's back; how many versions it had."""
        return self._connection.execute(f"delete from {self.table} where record_key = %s".encode(), (key,)).rowcount

    def found(self) -> Found:
        rows = [
            Row(key, version, text.encode(), deleted)
            for key, version, text, deleted in self._all(
                f"select record_key, record_version, source_data::text, _deleted from {self.table}"
                f" order by record_key, {NEWEST}"
            )
        ]
        quarantine = self._all("select status, coalesce(record_key, ''), record, record_version from ops.quarantine")
        checkpoint = self._all("select watermark, state from ops.checkpoints")
        [loads] = self._all(
            "select coalesce(sum(received), 0)::int, coalesce(sum(kept), 0)::int, coalesce(sum(already_there), 0)::int,"
            " coalesce(sum(rejected), 0)::int from ops.loads"
        )
        [(running,)] = self._all("select count(*) from ops.runs where status = 'running'")
        return Found(
            rows=set(rows),
            current={row.key: row for row in reversed(rows)},
            quarantine={(key, data) for status, key, data, _ in quarantine if status == "open"},
            waiting={tuple(each) for status, *each in quarantine if status == "open"},
            resolved={(key, data) for status, key, data, _ in quarantine if status != "open"},
            watermark=checkpoint[0][0] if checkpoint else None,
            state=checkpoint[0][1] if checkpoint else {},
            loads=loads,
            events=dict(self._all("select event_id, status from ops.webhook_events")),
            running=running,
        )

    def _all(self, question: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(question.encode()).fetchall()


def shown(found: Found) -> str:
    """For the message of a failure."""
    current = {
        key: (f"{row.version:%d.%H:%M:%S}", json.loads(row.data), row.deleted) for key, row in found.current.items()
    }
    return f"current: {current}\nquarantine: {found.quarantine}\nstate: {found.state}"
