"""A set of keys that may be larger than memory, and which of raw's records are not in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType

from warehouse.known import Known

AT_ONCE = 2_000


class PresentKeys:
    """Kept in a temporary database of SQLite's, which spills to the disk; a context manager that removes it."""

    def __enter__(self) -> PresentKeys:
        # The loop may close what another thread of its began.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("create table present (key text primary key) without rowid")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, keys: Iterable[str]) -> None:
        self._database.execute("begin")
        self._database.executemany("insert or ignore into present values (?)", ((key,) for key in keys))
        self._database.execute("commit")

    def __contains__(self, key: str) -> bool:
        return self._database.execute("select 1 from present where key = ?", (key,)).fetchone() is not None

    def __bool__(self) -> bool:
        return self._database.execute("select 1 from present limit 1").fetchone() is not None

    def missing(self, known: Known, after: str, before: str) -> Iterator[list[str]]:
        """The keys of raw's live records between the two that are not in the set, some at a time."""
        while keys := known.live_keys(after, before, AT_ONCE):
            yield [key for key in keys if key not in self]
            after = keys[-1]
