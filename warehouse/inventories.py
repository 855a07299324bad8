"""What a source has and what raw has, side by side in temporary tables: memory does not grow with either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from psycopg import sql

from warehouse.balance import Balance
from warehouse.comparison import CHANGED, DAYS, DIFFERS, HELD, MOVING, NEW, REJECTED, TABLES, TWICE
from warehouse.connection import connect
from warehouse.known import NEWEST, Known

AT_ONCE = 2_000
SHOWN = 20


class Day(NamedTuple):
    """A day on which counts or sums are not the same; amounts are None where there are none."""

    day: date
    kind: str
    currency: str
    source_records: int
    source_amount: Decimal | None
    raw_records: int
    raw_amount: Decimal | None


class RawDocument(NamedTuple):
    """The current version of a record as raw holds it."""

    key: str
    version: datetime
    deleted: bool
    data: bytes


class Inventories:
    """A context manager; one stream after the other is compared on its connection."""

    def __init__(self, source: str, url: str | None = None):
        self._source, self._url = source, url
        self._rejected = 0

    def __enter__(self) -> Inventories:
        self.connection = connect("loader", url=self._url, application=f"headwater reconcile {self._source}")
        self.connection.execute(TABLES)
        self.balance = Balance(self.connection)
        return self

    def __exit__(self, *_error: object) -> None:
        self.connection.close()

    def clear(self) -> None:
        """Make room for the next stream; what earlier ones are owed stays."""
        self.connection.execute("truncate at_source, changed, in_raw, wanted")

    def fill(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        """Copy rows in steps, so that no transaction waits for a slow source."""
        copying = sql.SQL(f"copy {table} ({columns}) from stdin")
        rows = iter(rows)
        while some := list(islice(rows, AT_ONCE)):
            with self.connection.cursor() as cursor, cursor.copy(copying) as copy:
                for row in some:
                    copy.write_row(row)

    def watermark(self, stream: str) -> datetime | None:
        row = self.connection.execute(
            "select watermark from ops.checkpoints where source = %s and stream = %s", (self._source, stream)
        ).fetchone()
        return row[0] if row else None

    def known(self, stream: str) -> Known:
        def ask(question: sql.Composed, about: dict[str, Any]) -> list[tuple[Any, ...]]:
            return self.connection.execute(question, {"source": self._source, "stream": stream, **about}).fetchall()

        return Known(self._source, stream, ask, self._url)

    def documents(
        self, stream: str, since: datetime | None, keys: Sequence[str] | None = None
    ) -> Iterator[RawDocument]:
        """The current records of versions from `since` on (of these keys), streamed from one snapshot."""
        question = sql.SQL(
            "select distinct on (record_key) record_key, record_version, _deleted, source_data::text from {}"
            " where (%(since)s::timestamptz is null or record_version >= %(since)s)"
            " and (%(keys)s::text[] is null or record_key = any(%(keys)s))"
            f" order by record_key desc, {NEWEST}"
        ).format(sql.Identifier("raw", f"{self._source}_{stream}"))
        with (
            connect("loader", url=self._url, application=f"headwater reconcile {self._source}.{stream}") as reading,
            reading.transaction(),
            reading.cursor(name="documents") as cursor,
        ):
            cursor.itersize = 500
            given = {"since": since, "keys": list(keys) if keys is not None else None}
            for key, version, deleted, text in cursor.execute(question, given):
                yield RawDocument(key, version, deleted, text.encode())

    def files(self, stream: str) -> list[tuple[str, int, datetime]]:
        """(name, size, time of change) of every loaded file, each name as it was loaded last."""
        return self.connection.execute(
            "select distinct on (name) name, size, modified_at from ops.files where source = %s and stream = %s"
            " order by name, modified_at desc",
            (self._source, stream),
        ).fetchall()

    def find(self, stream: str, end: datetime) -> tuple[int, int]:
        """Note the keys that must be fetched; return how many are missing and how many differ."""
        about = {"source": self._source, "stream": stream, "end": end}
        self.connection.execute("analyze at_source; analyze in_raw")
        self.connection.execute(MOVING, about)
        self.connection.execute(NEW, about)
        self.connection.execute(
            f"insert into wanted select key, 'missing' from at_source s where not {HELD} union"
            " select key, 'missing' from owed where stream = %(stream)s and created_at <= %(end)s".encode(),
            about,
        )
        self.connection.execute(
            "insert into wanted select s.key, 'differing' from at_source s join in_raw r on r.key = s.key"
            f" and r.deleted = s.deleted where {DIFFERS} on conflict do nothing".encode()
        )
        self.balance.find(stream, end)
        rejected = sql.SQL(REJECTED).format(sql.Identifier("raw", f"{self._source}_{stream}"))
        self._rejected = self.connection.execute(rejected, about).rowcount
        found: dict[str, int] = dict(
            self.connection.execute("select what, count(*) from wanted group by what").fetchall()
        )
        return found.get("missing", 0), found.get("differing", 0)

    def owe(self, end: datetime) -> None:
        """Note which records of other streams the listed ones (up to `end`) are about, and what these moved."""
        self.connection.execute(CHANGED)
        self.connection.execute("analyze at_source")
        self.connection.execute(TWICE)
        self.connection.execute(
            "insert into owed select of_stream, of_key, min(created_at) from at_source where of_key is not null"
            " group by 1, 2 on conflict do nothing"
        )
        self.balance.note(end)

    def keep_listed(self) -> None:
        """For a source that forgets: compare what it still lists, on the day and of the kind that it tells."""
        self.connection.execute("delete from in_raw r where not exists (select from at_source s where s.key = r.key)")
        self.connection.execute("update in_raw r set day = s.day, kind = s.kind from at_source s where s.key = r.key")

    def forget_held(self, stream: str) -> None:
        """Strike what raw has from what this stream is owed; a record that was deleted there was had."""
        self.connection.execute(
            sql.SQL(
                "delete from owed where stream = %s and exists (select from {} where record_key = owed.key)"
            ).format(sql.Identifier("raw", f"{self._source}_{stream}")),
            (stream,),
        )

    def still_wrong(self, keys: Sequence[str]) -> list[str]:
        """Those of the wanted keys that are missing or differ by what in_raw says now."""
        rows = self.connection.execute(
            "select w.key from wanted w left join at_source s on s.key = w.key left join in_raw r on r.key = w.key"
            " and r.deleted = coalesce(s.deleted, false) where w.key = any(%s)"
            f" and (r.key is null or (s.key is not null and {DIFFERS}))".encode(),
            (list(keys),),
        ).fetchall()
        return list({*(key for (key,) in rows), *self.balance.still_off(keys)})

    def deletions(self, keys: Sequence[str]) -> dict[str, datetime]:
        """The versions of those of the records that raw holds as deleted."""
        question = "select key, version from in_raw where deleted and key = any(%s)"
        return dict(self.connection.execute(question, (list(keys),)).fetchall())

    def wanted(self, after: str, limit: int) -> list[str]:
        rows = self.connection.execute(
            "select key from wanted where key > %s order by key limit %s", (after, limit)
        ).fetchall()
        return [key for (key,) in rows]

    def counts(self) -> tuple[int, int, int, int]:
        """At the source, in raw, only in raw, in quarantine."""
        row = self.connection.execute(
            "select (select count(*) from at_source where not deleted), count(*),"
            " count(*) filter (where not exists (select from at_source where key = r.key))"
            " from in_raw r where not deleted"
        ).fetchone()
        assert row is not None
        return row[0], row[1], row[2], self._rejected

    def days(self) -> list[Day]:
        """On which counts or sums differ; then those on which the balance moved otherwise than raw's records say."""
        return [Day(*row) for row in [*self.connection.execute(DAYS).fetchall(), *self.balance.days()]]

    def some(self, what: str) -> list[str]:
        rows = self.connection.execute("select key from wanted where what = %s order by key limit %s", (what, SHOWN))
        return [key for (key,) in rows.fetchall()]
