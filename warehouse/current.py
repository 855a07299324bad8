"""What raw holds as the current records of one stream, read in the order of their keys."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg import sql

from settings import HeadwaterError
from warehouse.connection import connect

AT_ONCE = 5_000
NEWEST = "record_version desc, _load_timestamp desc, content_hash desc"


class CurrentVersion(NamedTuple):
    """The newest version of a record, by the source's own time."""

    key: str
    version: datetime
    deleted: bool


class CurrentRecords:
    """The current records of raw.<source>_<stream>. Raises HeadwaterError when the warehouse cannot be asked."""

    def __init__(self, source: str, stream: str, url: str | None = None):
        self._name, self._url = f"{source}_{stream}", url
        self._table = sql.Identifier("raw", self._name)

    def versions(self) -> Generator[CurrentVersion]:
        """Every key with its current version, the keys in the order of their bytes; of one moment. Close it."""
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
        except psycopg.Error as error:
            raise self._failed(error) from error

    def data(self, keys: Sequence[str]) -> dict[str, tuple[datetime, bytes]]:
        """The version and the exact bytes of the current records of these keys."""
        question = sql.SQL(
            "select distinct on (record_key) record_key, record_version, source_data::text from {}"
            f" where record_key = any(%s) order by record_key, {NEWEST}"
        ).format(self._table)
        try:
            with connect("loader", url=self._url, application=f"headwater {self._name} keys") as connection:
                rows = connection.execute(question, (list(keys),)).fetchall()
        except psycopg.Error as error:
            raise self._failed(error) from error
        return {key: (version, text.encode()) for key, version, text in rows}

    def _failed(self, error: psycopg.Error) -> HeadwaterError:
        return HeadwaterError(f"The warehouse cannot be asked for the records of raw.{self._name}: {error}; run again.")
