"""What the warehouse knows already of one stream: its loaded files, and the rows that stand for its records now.

For sources that tell a change only by comparison: a day that is exported again, a row that is not there any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from settings import HeadwaterError
from warehouse.connection import connect

Ask = Callable[[sql.Composed, dict[str, Any]], list[tuple[Any, ...]]]

AT_ONCE = 5_000
# Of the rows of a record the current one comes first: the newest version, then the last loaded, then the higher hash.
# dbt/macros/current_versions.sql has the same order.
NEWEST = "record_version desc, _load_timestamp desc, content_hash desc"
_NEWEST = sql.SQL(f"record_key, {NEWEST}")
_MINE = sql.SQL("source = %(source)s and stream = %(stream)s")


class WarehouseLost(HeadwaterError):
    """The warehouse was there and went away, or is starting: it may be asked again."""


class CurrentRow(NamedTuple):
    """The row that stands for a record now, by the SHA-256 of its bytes."""

    version: datetime
    content_hash: bytes
    deleted: bool


class CurrentVersion(NamedTuple):
    """The version that stands for a record now."""

    key: str
    version: datetime
    deleted: bool


class Known:
    """Questions about what is committed; `ask` runs one of them with the source's and the stream's name.

    `url` is the warehouse's, for what is read on a connection of its own. Raises HeadwaterError when it cannot be
    asked.
    """

    def __init__(self, source: str, stream: str, ask: Ask, url: str | None = None):
        self._ask, self._url, self._name = ask, url, f"{source}_{stream}"
        self._table = sql.Identifier("raw", self._name)

    def objects(self, names: Sequence[str]) -> set[tuple[str, str]]:
        """The (name, ETag) of these objects as each was loaded last; what it once was is not what it is."""
        question = sql.SQL(
            "select distinct on (name) name, etag from ops.files where {} and name = any(%(names)s)"
            " order by name, loaded_at desc, modified_at desc"
        ).format(_MINE)
        return {(name, etag) for name, etag in self._ask(question, {"names": list(names)})}

    def has_content(self, sha256: str) -> bool:
        """Whether a file of this content was loaded whole already."""
        question = sql.SQL("select 1 from ops.files where {} and sha256 = %(sha256)s").format(_MINE)
        return bool(self._ask(question, {"sha256": sha256}))

    def loaded_files(self, names: Sequence[str]) -> set[tuple[str, int, datetime]]:
        """The (name, size, time of change) under which files of these names were loaded."""
        question = sql.SQL("select name, size, modified_at from ops.files where {} and name = any(%(names)s)").format(
            _MINE
        )
        return {(name, size, at) for name, size, at in self._ask(question, {"names": list(names)})}

    def has_files_under(self, prefix: str) -> bool:
        """Whether any file was loaded whose name begins so."""
        question = sql.SQL("select 1 from ops.files where {} and starts_with(name, %(prefix)s) limit 1").format(_MINE)
        return bool(self._ask(question, {"prefix": prefix}))

    def current(self, keys: Sequence[str]) -> dict[str, CurrentRow]:
        """The current rows of those of the records that are there."""
        columns = "record_key, record_version, content_hash, _deleted"
        question = sql.SQL(
            f"select distinct on (record_key) {columns} from {{}} where record_key = any(%(keys)s) order by {{}}"
        ).format(self._table, _NEWEST)
        return {key: CurrentRow(*row) for key, *row in self._ask(question, {"keys": list(keys)})}

    def versions(self, records: Sequence[tuple[str, bytes]], said_at: datetime) -> list[datetime]:
        """The version of each record (key, bytes) that the source said at `said_at`, in a source that dates files.

        A record that stands as it is keeps the version it has, so that it is not stored again.
        """
        current, found = self.current([key for key, _ in records]), []
        for key, data in records:
            row, version = current.get(key), said_at
            if row and row.content_hash == hashlib.sha256(data).digest():
                if not row.deleted:
                    version = row.version
                elif row.version == said_at:  # told as deleted and sent again within one tick of the source's clock
                    version = said_at + timedelta(microseconds=1)
            found.append(version)
        return found

    def bookmark(self) -> dict[str, Any]:
        """The state that the next run goes on from; empty before the first."""
        question = sql.SQL("select state from ops.checkpoints where {}").format(_MINE)
        return next((state for (state,) in self._ask(question, {})), {})

    def watermark(self) -> datetime | None:
        """Up to when all is in, by the source's clock; None as long as no sync has come to its end."""
        question = sql.SQL("select watermark from ops.checkpoints where {}").format(_MINE)
        return next((watermark for (watermark,) in self._ask(question, {})), None)

    def live_keys(self, after: str, before: str, limit: int) -> list[str]:
        """The first `limit` keys between the two, in the warehouse's order, whose records are not deleted."""
        question = sql.SQL(
            "select record_key from (select distinct on (record_key) record_key, _deleted from {} where record_key >"
            " %(after)s and record_key < %(before)s order by {}) as newest where not _deleted limit %(limit)s"
        ).format(self._table, _NEWEST)
        return [key for (key,) in self._ask(question, {"after": after, "before": before, "limit": limit})]

    def documents(self, keys: Sequence[str]) -> list[tuple[str, datetime, bytes]]:
        """(key, version, bytes) of the current rows of these records."""
        question = sql.SQL(
            "select distinct on (record_key) record_key, record_version, source_data::text from {}"
            " where record_key = any(%(keys)s) order by {}"
        ).format(self._table, _NEWEST)
        return [(key, version, text.encode()) for key, version, text in self._ask(question, {"keys": list(keys)})]

    def all_versions(self) -> Generator[CurrentVersion]:
        """Every key with its current version, the keys in the order of their bytes; of one moment. Close it.

        Raises WarehouseLost when the connection is lost or refused on the way.
        """
        question = sql.SQL(
            'select distinct on (record_key collate "C") record_key, record_version, _deleted from {}'
            f' order by record_key collate "C", {NEWEST}'
        ).format(self._table)
        try:
            with (
                connect("loader", url=self._url, application=f"headwater {self._name} keys") as connection,
                connection.transaction(),
                connection.cursor(name="keys") as cursor,
            ):
                cursor.itersize = AT_ONCE
                for row in cursor.execute(question):
                    yield CurrentVersion(*row)
        except (psycopg.Error, HeadwaterError) as error:
            cause = error.__cause__ if isinstance(error, HeadwaterError) else error
            lost = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
            raise (WarehouseLost if lost else HeadwaterError)(
                f"The warehouse cannot be asked for the records of raw.{self._name}: {error}; run again."
            ) from error
