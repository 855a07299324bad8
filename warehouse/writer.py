"""The one way into raw: a run of a stream that writes batch after batch.

A `StreamWriter` holds the stream's advisory lock (one writer a stream) and a fencing token on its checkpoint:
a run that was paused and resumed after its successor had opened the stream is refused.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, LiteralString, Self, TypeVar

import psycopg
from psycopg import sql

from settings import HeadwaterError
from warehouse.batch import Batch, Counts, Run, prepare, write
from warehouse.connection import connect
from warehouse.fence import check_fence
from warehouse.known import Known

COMMIT_ATTEMPTS = 4
LOCK_SECONDS = 15.0
DEAD_RUN_SECONDS = 1.0  # for the server to notice that a killed run is gone
BURY = (
    "update ops.runs set status = 'failed', finished_at = clock_timestamp(),"
    " error = 'ended without a word; it was killed or lost its connection' where"
)

T = TypeVar("T")

log = logging.getLogger(__name__)


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
        self._ended = False

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
        self._ended = True
        with self._one_at_a_time:
            try:
                if self._connection.closed:
                    self._connection = self._connect(wait=LOCK_SECONDS)
                self._end(self._connection, status, text)
                # Closing lets go of the lock too, but only when the server gets to it: the next run may be there
                # before.
                self._connection.execute("select pg_advisory_unlock_all()")
            except (psycopg.Error, HeadwaterError) as failure:
                if error is None:
                    raise
                log.warning("%s: that its run failed could not be written down: %s", self.lock, failure)
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

        def work(reconnected: bool) -> Counts:
            if reconnected and (found := self._committed(batch.load_id)) is not None:
                return found
            return write(self._connection, self._run, batch)

        with self._one_at_a_time:
            counts = self._persist(work, self._not_written)
            self.state = batch.state
            self.counts = self.counts.plus(counts)
            self.batches += 1
            return counts

    def _persist(self, work: Callable[[bool], T], failed: Callable[[psycopg.Error], HeadwaterError]) -> T:
        """Do `work` under the stream's lock; what may pass (a lost connection, a deadlock) is tried again.

        It is told whether the connection is a new one. When it fails for good, `failed` says what that means.
        """
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                lost = self._connection.closed
                if lost:
                    self._connection = self._connect(wait=LOCK_SECONDS)
                return work(lost)
            except psycopg.errors.DiskFull as error:
                raise HeadwaterError(
                    f"The warehouse's disk is full; nothing of this batch of {self.source}.{self.stream} was kept."
                    " Free some space and run again: it goes on from the last batch."
                ) from error
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable) as error:
                if attempt == COMMIT_ATTEMPTS:
                    raise failed(error) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self._connection.close()
                if attempt == COMMIT_ATTEMPTS:
                    raise failed(error) from error
                time.sleep(0.5 * 2**attempt)
            except psycopg.Error as error:
                raise failed(error) from error
            except HeadwaterError as error:
                restarting = isinstance(error.__cause__, psycopg.OperationalError)
                if not restarting or attempt == COMMIT_ATTEMPTS:
                    raise
                time.sleep(0.5 * 2**attempt)
        raise AssertionError("the last of several attempts returns or raises")

    @property
    def known(self) -> Known:
        """Answers from another thread too, between two batches."""
        return Known(self.source, self.stream, self._ask, self._url)

    def _ask(self, question: LiteralString | sql.Composed, about: dict[str, Any]) -> list[tuple[Any, ...]]:
        """The answer; after a lost connection only if this run still is the stream's newest. Raises Fenced if not."""
        given = {"source": self.source, "stream": self.stream, **about}

        def work(reconnected: bool) -> list[tuple[Any, ...]]:
            if reconnected:
                check_fence(self._connection, self._run)
            return self._connection.execute(question, given).fetchall()

        with self._one_at_a_time:
            if self._ended:  # a reader that was left behind must not take the lock again
                raise HeadwaterError(f"This run of {self.lock} has ended; nothing more can be asked for it.")
            return self._persist(work, self._not_answered)

    def _not_written(self, error: psycopg.Error) -> HeadwaterError:
        return HeadwaterError(
            f"A batch of {self.source}.{self.stream} could not be written: {_reason(error)}. Nothing of it was kept;"
            " the next run goes on from the last batch."
        )

    def _not_answered(self, error: psycopg.Error) -> HeadwaterError:
        return HeadwaterError(
            f"The warehouse cannot be asked what it has loaded of {self.source}.{self.stream}: {_reason(error)};"
            " run again."
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
        try:
            prepare(connection, f"{self.source}_{self.stream}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _committed(self, load_id: uuid.UUID) -> Counts | None:
        row = self._connection.execute(
            "select received, kept, already_there, rejected from ops.loads where load_id = %s", (load_id,)
        ).fetchone()
        return Counts(*row) if row else None

    def _has_webhooks(self, connection: psycopg.Connection) -> bool:
        question = "select 1 from ops.webhook_streams where source = %s and stream = %s"
        return connection.execute(question, (self.source, self.stream)).fetchone() is not None


def _reason(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
