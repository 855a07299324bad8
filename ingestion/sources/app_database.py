"""The team's own database: tables of a Postgres, read by their time of change, without a line of Python for a table.

A stream is a table: its name under `streams` in pipeline.yml and a contract in ingestion/contracts/app_database. Where
the table or its columns are named otherwise, `options: {tables: {STREAM: {table: billing.accounts, key: uuid,
updated_at: changed_at}}}` says so. The key must be unique, never null, and a whole number, a uuid or a text.

A run reads one snapshot (repeatable read, read only) in the order of (updated_at, key). Its window ends at the
database's own time, held back to the start of the oldest transaction that is open there, so that what commits later
lies in a later window; the login must be a member of pg_read_all_stats to see it. What the login cannot see, or what
sets its time by another clock, is caught by the lookback: it must be longer than the longest such transaction. A row
comes as the JSON text that the database makes of it (numerics and times keep every digit), its times in UTC.

Promised: a row whose updated_at moved is read again, in whatever order the transactions commit. A row that vanished is
found by the sweep (`options: {sweep: 24h}`, at the next run that is due): it is written again as it was last known,
deleted, with a version of a microsecond after its last one, so the same deletion is the same record whenever it is
found. The sweep also brings rows that were missed, and rows that came back. A table that lost more than half of its
rows at once (`most_vanished: 0.5`) is refused, and so is a listing that is not whole.

A reconciliation lists keys, times and a hash of each row (the database makes it), so it also finds a change that did
not move updated_at. `options.tables` may name columns for its report: `created_at`, whose days it counts by, and
`amount` and `currency`, which it sums.

What cannot be known: versions between two runs, of which only the last is seen; when a row was deleted; a change that
does not move updated_at; rows that a view hides from the login. A row with the time `infinity` or none comes by the
sweep and goes to the quarantine. Transactions prepared for two-phase commit are covered by the lookback only. A
replica is read up to what it has replayed.

Settings: <SOURCE>_DATABASE_URL (APP_DATABASE_URL for the source `app`): a login that may SELECT and need nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from ingestion.postgres import SourceDatabase
from ingestion.source import BaseSource, Context, Stream
from ingestion.table_stream import TableStream
from ingestion.tables import TableOptions, options_of
from settings import SourceSettings


class _AnyName(dict[str, type[Stream]]):
    """pipeline.yml names the streams: each of them is a table."""

    def __missing__(self, name: str) -> type[Stream]:
        return TableStream


class Source(BaseSource):
    streams: ClassVar[dict[str, type[Stream]]] = _AnyName()

    def __init__(self, context: Context):
        super().__init__(context)
        self._options = options_of(context)
        self._database = SourceDatabase(f"{context.source.upper()}_DATABASE_URL", context.settings.http, context.source)

    @classmethod
    def stream_names(cls, settings: SourceSettings) -> Collection[str]:
        return settings.streams

    def stream(self, name: str) -> Stream:
        table = self._options.tables.get(name) or TableOptions()
        about = {"name": name, "key": table.key, "version_field": table.updated_at}
        made = type(name, (TableStream,), {**about, "options": self._options, "table": table})
        return made(self.context, self._database)

    def close(self) -> None:
        self._database.close()
