"""The one way into raw: a batch of a stream, with its rejects, its bookmark and its counts, in one transaction.

A `StreamWriter` holds the stream's advisory lock (one writer a stream) and a fencing token on its checkpoint:
a run that was paused and resumed after its successor had opened the stream is refused.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from settings import HeadwaterError
from warehouse.connection import connect

COMMIT_ATTEMPTS = 4
LOCK_SECONDS = 15.0
DEAD_RUN_SECONDS = 1.0  # for the server to notice that a killed run is gone


class StreamBusy(HeadwaterError):
    """Another run holds the stream."""


class Fenced(HeadwaterError):
    """A newer run has opened the stream since: this one may not write any more."""


class RawRow(NamedTuple):
    """One version of one record, its bytes as the source sent them."""

    key: str
    version: datetime
    data: bytes
    extracted_at: datetime
    deleted: bool = False


class Reject(NamedTuple):
    """A record that broke its contract, with every error it has; `origin` where the batch's is not exact enough.

    `version` and `deleted` are kept for the replay where the source tells them beside the record's bytes.
    """

    key: str | None
    data: bytes
    errors: list[str]
    origin: str = ""
    version: datetime | None = None
    deleted: bool = False


class LoadedFile(NamedTuple):
    """A file whose last record is in this batch."""

    sha256: str
    name: str
    size: int
    modified_at: datetime
    records: int


@dataclass(slots=True)
class Batch:
    """What one transaction holds. `state` is the whole bookmark after it.

    `skipped` counts rejects of a stream whose policy is `skip`: they are counted, not stored.
    `watermark` is given with the batch that ends a window, `files` with the one that ends them. `replayed` names
    quarantine rows that this batch resolves.
    """

    rows: Sequence[RawRow]
    state: dict[str, Any]
    origin: str
    rejects: Sequence[Reject] = ()
    skipped: int = 0
    watermark: datetime | None = None
    files: Sequence[LoadedFile] = ()
    replayed: Sequence[int] = ()
    load_id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def received(self) -> int:
        return len(self.rows) + len(self.rejects) + self.skipped


class Counts(NamedTuple):
    """`kept + already_there + rejected = received`, for one batch or a run."""

    received: int = 0
    kept: int = 0
    already_there: int = 0
    rejected: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*(mine + others for mine, others in zip(self, other, strict=True)))


class StreamWriter:
    """Opens a stream for one run; a context manager that records how the run ended.

    Raises StreamBusy when another run holds the stream, HeadwaterError when its raw table is not there.
    """

    def __init__(self, source: str, stream: str, url: str | None = None):
        self.source, self.stream, self._url = source, stream, url
        self.run_id = uuid.uuid4()
        self.state: dict[str, Any] = {}
        self.fence = 0
        self.counts = Counts()
        self.batches = 0
        self._one_at_a_time = threading.RLock()  # the reader asks for files while a batch is written

    def __enter__(self) -> StreamWriter:
        self._connection = self._connect(wait=DEAD_RUN_SECONDS)
        try:
            with self._connection.transaction():
                row = self._connection.execute(
                    "insert into ops.checkpoints as c (source, stream, fence) values (%s, %s, 1)"
                    " on conflict (source, stream) do update set fence = c.fence + 1 returning state, fence",
                    (self.source, self.stream),
                ).fetchone()
                assert row is not None
                self.state, self.fence = row
                self._connection.execute(
                    "update ops.runs set status = 'failed', finished_at = clock_timestamp(),"
                    " error = 'ended without a word; it was killed or lost its connection'"
                    " where source = %s and stream = %s and status = 'running'",
                    (self.source, self.stream),
                )
                self._connection.execute(
                    "insert into ops.runs (run_id, source, stream) values (%s, %s, %s)",
                    (self.run_id, self.source, self.stream),
                )
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status, text = ("failed", f"{error}"[:2000] or repr(error)) if error else ("succeeded", None)
        try:
            if self._connection.closed:
                self._connection = self._connect(wait=LOCK_SECONDS)
            self._connection.execute(
                "update ops.runs set status = %s, error = %s, finished_at = clock_timestamp()"
                " where run_id = %s and status = 'running'",
                (status, text, self.run_id),
            )
            # Closing lets go of the lock too, but only when the server gets to it: the next run may be there before.
            self._connection.execute("select pg_advisory_unlock_all()")
        except (psycopg.Error, HeadwaterError):
            if error is None:
                raise
        finally:
            self._connection.close()

    def commit(self, batch: Batch) -> Counts:
        """Write the batch; return its counts. Nothing of it stays when this raises.

        After a lost connection the manifest is read first: the COMMIT may have been done and only its reply lost.
        """
        with self._one_at_a_time:
            return self._commit(batch)

    def _commit(self, batch: Batch) -> Counts:
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                if self._connection.closed:
                    self._connection = self._connect(wait=LOCK_SECONDS)
                    if (found := self._committed(batch.load_id)) is not None:
                        counts = found
                        break
                counts = self._write(batch)
                break
            except psycopg.errors.DiskFull as error:
                raise HeadwaterError(
                    f"The warehouse's disk is full; nothing of this batch of {self.source}.{self.stream} was kept."
                    " Free some space and run again: it goes on from the last batch."
                ) from error
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable) as error:
                if attempt == COMMIT_ATTEMPTS:
                    raise self._failed(error) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self._connection.close()
                if attempt == COMMIT_ATTEMPTS:
                    raise self._failed(error) from error
                time.sleep(0.5 * 2**attempt)
            except psycopg.Error as error:
                raise self._failed(error) from error
            except HeadwaterError as error:
                restarting = isinstance(error.__cause__, psycopg.OperationalError)
                if not restarting or attempt == COMMIT_ATTEMPTS:
                    raise
                time.sleep(0.5 * 2**attempt)
        self.state = batch.state
        self.counts = self.counts.plus(counts)
        self.batches += 1
        return counts

    def knows_file(self, sha256: str) -> bool:
        """Whether a file of this content was loaded whole already."""
        return bool(self._ask("select 1 from ops.files where source = %s and stream = %s and sha256 = %s", sha256))

    def loaded_files(self, names: Sequence[str]) -> set[tuple[str, int, datetime]]:
        """The (name, size, time of change) under which files of these names were loaded."""
        question = "select name, size, modified_at from ops.files where source = %s and stream = %s and name = any(%s)"
        return {(name, size, modified_at) for name, size, modified_at in self._ask(question, list(names))}

    def _ask(self, question: LiteralString, about: object) -> list[tuple[Any, ...]]:
        with self._one_at_a_time:
            try:
                return self._connection.execute(question, (self.source, self.stream, about)).fetchall()
            except psycopg.Error as error:
                raise HeadwaterError(f"The warehouse cannot be asked for loaded files: {error}; run again.") from error

    def _failed(self, error: psycopg.Error) -> HeadwaterError:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return HeadwaterError(
            f"A batch of {self.source}.{self.stream} could not be written: {reason}. Nothing of it was kept;"
            " the next run goes on from the last batch."
        )

    def _connect(self, wait: float) -> psycopg.Connection:
        """A connection that holds the stream's lock; `wait` seconds for a lost session of ours to let go of it."""
        connection = connect("loader", url=self._url, application=f"headwater {self.source}.{self.stream}")
        deadline = time.monotonic() + wait
        lock = f"{self.source}.{self.stream}"
        while True:
            row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (lock,)).fetchone()
            if row and row[0]:
                break
            if time.monotonic() >= deadline:
                connection.close()
                raise StreamBusy(f"{lock} is being loaded by another run; wait for it to end, then run again.")
            time.sleep(0.1)
        table = f"raw.{self.source}_{self.stream}"
        row = connection.execute("select to_regclass(%s)", (table,)).fetchone()
        if not row or row[0] is None:
            connection.close()
            raise HeadwaterError(f"There is no table {table}; run `python -m warehouse migrate` (or `make migrate`).")
        connection.execute("set lock_timeout = '10s'")
        connection.execute(
            "create temporary table incoming (record_key text, record_version timestamptz, content_hash bytea,"
            " source_data json, _extracted_at timestamptz, _deleted boolean) on commit delete rows"
        )
        return connection

    def _committed(self, load_id: uuid.UUID) -> Counts | None:
        row = self._connection.execute(
            "select received, kept, already_there, rejected from ops.loads where load_id = %s", (load_id,)
        ).fetchone()
        return Counts(*row) if row else None

    def _write(self, batch: Batch) -> Counts:
        connection = self._connection
        with connection.transaction():
            self._move_bookmark(batch)
            kept = self._insert_rows(batch) if batch.rows else 0
            counts = Counts(
                received=batch.received,
                kept=kept,
                already_there=len(batch.rows) - kept,
                rejected=len(batch.rejects) + batch.skipped,
            )
            size = sum(len(row.data) for row in batch.rows) + sum(len(reject.data) for reject in batch.rejects)
            connection.execute(
                "insert into ops.loads (load_id, run_id, source, stream, received, kept, already_there, rejected,"
                " skipped, bytes, origin) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    batch.load_id,
                    self.run_id,
                    self.source,
                    self.stream,
                    *counts,
                    batch.skipped,
                    size,
                    batch.origin,
                ),
            )
            if batch.rejects:
                self._quarantine(batch)
            if batch.replayed:
                connection.execute(
                    "update ops.quarantine set status = 'replayed', resolved_at = clock_timestamp(),"
                    " resolved_load_id = %s where quarantine_id = any(%s)",
                    (batch.load_id, list(batch.replayed)),
                )
            if batch.files:
                with connection.cursor() as cursor:
                    cursor.executemany(
                        "insert into ops.files (source, stream, sha256, name, size, modified_at, records, load_id)"
                        " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
                        [(self.source, self.stream, *file, batch.load_id) for file in batch.files],
                    )
        return counts

    def _move_bookmark(self, batch: Batch) -> None:
        newest = max((row.version for row in batch.rows), default=None)
        moved = self._connection.execute(
            "update ops.checkpoints set state = %s, watermark = greatest(watermark, %s),"
            " last_record_at = greatest(last_record_at, %s), updated_at = clock_timestamp()"
            " where source = %s and stream = %s and fence = %s",
            (Jsonb(batch.state), batch.watermark, newest, self.source, self.stream, self.fence),
        )
        if moved.rowcount != 1:
            raise Fenced(
                f"A newer run has opened {self.source}.{self.stream} since this one began; this one stops here."
                " Nothing is lost: the newer run goes on from the last batch."
            )

    def _insert_rows(self, batch: Batch) -> int:
        connection = self._connection
        columns = "record_key, record_version, content_hash, source_data, _extracted_at, _deleted"
        with connection.cursor() as cursor:
            with cursor.copy(f"copy incoming ({columns}) from stdin (format binary)".encode()) as copy:
                copy.set_types(["text", "timestamptz", "bytea", "text", "timestamptz", "bool"])
                for row in batch.rows:
                    digest = hashlib.sha256(row.data).digest()
                    # Sent as text: psycopg would dump a str for `json` as one more JSON string.
                    text = row.data.decode()
                    copy.write_row((row.key, row.version, digest, text, row.extracted_at, row.deleted))
            cursor.execute(
                sql.SQL(
                    f"insert into raw.{{}} ({columns}, _load_id) select {columns}, %s from incoming"
                    " on conflict do nothing"
                ).format(sql.Identifier(f"{self.source}_{self.stream}")),
                (batch.load_id,),
            )
            return cursor.rowcount

    def _quarantine(self, batch: Batch) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.quarantine (source, stream, load_id, record_key, record, content_hash, errors, origin,"
                " record_version, deleted) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
                [
                    (
                        *(self.source, self.stream, batch.load_id, reject.key, reject.data),
                        *(hashlib.sha256(reject.data).digest(), reject.errors, reject.origin or batch.origin),
                        *(reject.version, reject.deleted),
                    )
                    for reject in batch.rejects
                ],
            )
