"""The one way into raw: a run of a stream that writes batch after batch.

A `StreamWriter` holds the stream's advisory lock (one writer a stream) and a fencing token on its checkpoint:
a run that was paused and resumed after its successor had opened the stream is refused.
"""

from __future__ import annotations

import threading
import time
import uuid
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql

from settings import HeadwaterError
from warehouse.batch import Batch, Counts, Run, write
from warehouse.connection import connect
from warehouse.known import Known

COMMIT_ATTEMPTS = 4
LOCK_SECONDS = 15.0
DEAD_RUN_SECONDS = 1.0  # for the server to notice that a killed run is gone
BURY = (
    "update ops.runs set status = 'failed', finished_at = clock_timestamp(),"
    " error = 'ended without a word; it was killed or lost its connection' where"
)


class StreamBusy(HeadwaterError):
    """Another run holds the stream."""


class StreamWriter:
    """Opens a stream for one run; a context manager that records how the run ended.

    `kind` tells in ops.runs what writes, `wait` is how many seconds another run is waited for.
    Raises StreamBusy when another run holds the stream, HeadwaterError when its raw table is not there.
    """

    def __init__(
        self,
        source: str,
        stream: str,
        url: str | None = None,
        *,
        kind: str = "sync",
        wait: float = DEAD_RUN_SECONDS,
    ):
        self.source, self.stream, self._url = source, stream, url
        self._kind, self._wait = kind, max(wait, DEAD_RUN_SECONDS)
        self.run_id = uuid.uuid4()
        self.state: dict[str, Any] = {}
        self.fence = 0
        self.counts = Counts()
        self.batches = 0
        self._one_at_a_time = threading.RLock()  # the reader asks for files while a batch is written

    def __enter__(self) -> Self:
        self._connection = self._connect(wait=self._wait)
        try:
            with self._connection.transaction():
                self.state, self.fence = self._open(self._connection)
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
            self._end(self._connection, status, text)
            # Closing lets go of the lock too, but only when the server gets to it: the next run may be there before.
            self._connection.execute("select pg_advisory_unlock_all()")
        except (psycopg.Error, HeadwaterError):
            if error is None:
                raise
        finally:
            self._connection.close()

    @property
    def lock(self) -> str:
        """What only one run may hold at a time."""
        return f"{self.source}.{self.stream}"

    @property
    def _run(self) -> Run:
        return Run(self.run_id, self.source, self.stream, self.fence)

    def _open(self, connection: psycopg.Connection) -> tuple[dict[str, Any], int]:
        """Take the next fence; the bookmark and the fence. Runs that held the lock before are dead."""
        row = connection.execute(
            "insert into ops.checkpoints as c (source, stream, fence) values (%s, %s, 1)"
            " on conflict (source, stream) do update set fence = c.fence + 1 returning state, fence",
            (self.source, self.stream),
        ).fetchone()
        assert row is not None
        connection.execute(
            f"{BURY} source = %s and stream = %s and backfill_id is null and status = 'running'",
            (self.source, self.stream),
        )
        connection.execute(
            "insert into ops.runs (run_id, source, stream, kind) values (%s, %s, %s, %s)",
            (self.run_id, self.source, self.stream, self._kind),
        )
        return row[0], row[1]

    def _end(self, connection: psycopg.Connection, status: str, error: str | None) -> None:
        connection.execute(
            "update ops.runs set status = %s, error = %s, finished_at = clock_timestamp()"
            " where run_id = %s and status = 'running'",
            (status, error, self.run_id),
        )

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
                counts = write(self._connection, self._run, batch)
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

    @property
    def known(self) -> Known:
        """Answers from another thread too, between two batches."""
        return Known(self.source, self.stream, self._ask, self._url)

    def _ask(self, question: LiteralString | sql.Composed, about: dict[str, Any]) -> list[tuple[Any, ...]]:
        given = {"source": self.source, "stream": self.stream, **about}
        with self._one_at_a_time:
            try:
                return self._connection.execute(question, given).fetchall()
            except psycopg.Error as error:
                raise HeadwaterError(
                    f"The warehouse cannot be asked what it has loaded: {error}; run again."
                ) from error

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
        while True:
            row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (self.lock,)).fetchone()
            if row and row[0]:
                break
            late = time.monotonic() >= deadline
            if late and wait < LOCK_SECONDS and self._has_webhooks(connection):
                # It may be held by those who apply them, for seconds only.
                deadline, wait, late = deadline + LOCK_SECONDS - wait, LOCK_SECONDS, False
            if late:
                connection.close()
                raise StreamBusy(f"{self.lock} is being loaded by another run; wait for it to end, then run again.")
            time.sleep(0.1)
        table = f"raw.{self.source}_{self.stream}"
        row = connection.execute("select relkind from pg_class where oid = to_regclass(%s)", (table,)).fetchone()
        if not row or row[0] != "p":
            connection.close()
            lack = "is not split into months yet" if row else "is not there"
            raise HeadwaterError(f"The table {table} {lack}; run `python -m warehouse migrate` (or `make migrate`).")
        # A client whose machine is gone says no goodbye: the server asks after it, or the lock would be held for hours.
        connection.execute(
            "set lock_timeout = '10s'; set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10;"
            " set tcp_keepalives_count = 3"
        )
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

    def _has_webhooks(self, connection: psycopg.Connection) -> bool:
        question = "select 1 from ops.webhook_streams where source = %s and stream = %s"
        return connection.execute(question, (self.source, self.stream)).fetchone() is not None
