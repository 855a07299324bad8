"""A Postgres that data are read from: read-only snapshots, its clock, and its errors in one line each.

Everything that the reads lean on is set within their transaction, so that they also work behind a pooler that gives
each transaction another session.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import conninfo
from psycopg.adapt import Loader

from settings import HeadwaterError, setting
from settings.pipeline import Http

CONNECT_SECONDS = 10
LONGEST_PAUSE = 10.0
# No second try makes these right. libpq hands over the server's words only, not its code.
FINAL = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied", "not permitted to")

log = logging.getLogger(__name__)


class LostConnection(HeadwaterError):
    """The server was there and went away, or ended what we were reading: the read may be tried again."""


class Clock(NamedTuple):
    """`now` by the server; `bound`: every transaction that began before it has ended, as far as the login can see."""

    now: datetime
    bound: datetime


class Exact(Loader):
    """A value's text as the bytes that the server sent."""

    def load(self, data: Any) -> bytes:
        return bytes(data)


class SourceDatabase:
    """One connection at a time to the database that the setting `address` names; opened when it is first needed."""

    def __init__(self, address: str, http: Http, source: str):
        self._name, self._http, self._source = address, http, source
        self._url = setting(address)
        self.application = f"headwater {source}"
        self._connection: psycopg.Connection | None = None
        self._closed = threading.Event()
        try:
            self._parts = conninfo.conninfo_to_dict(self._url)
        except psycopg.ProgrammingError as error:
            raise HeadwaterError(
                f"{address} cannot be read; write it as postgresql://user:password@host:port/database."
            ) from error

    @property
    def attempts(self) -> int:
        return self._http.attempts

    def pause(self, attempt: int) -> None:
        """Wait before the next attempt, but not past `close`."""
        self._closed.wait(min(0.25 * 2**attempt, LONGEST_PAUSE))

    def clock(self) -> Clock:
        """The server's time, and how far back its oldest open transaction reaches.

        The clock is asked first: a transaction that begins between the two questions is then later than `now`.
        Other people's transactions are only shown to members of pg_read_all_stats; without it `bound` is `now`.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                with self._told():
                    return self._clock()
            except LostConnection:
                if attempt == self.attempts:
                    raise
                self.pause(attempt)
        raise AssertionError("a loop of one attempt or more returns or raises")

    def _clock(self) -> Clock:
        connection = self._open()
        row = connection.execute(
            "select case when pg_is_in_recovery() then pg_last_xact_replay_timestamp() else clock_timestamp() end"
        ).fetchone()
        if row is None or row[0] is None:
            raise HeadwaterError(
                f"{self.place} is a replica that has replayed nothing yet, so its time is not known; try again later."
            )
        oldest = connection.execute(
            "select xact_start, pid, application_name from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and xact_start is not null and application_name <> %s"
            " and coalesce(backend_type, '') not in ('autovacuum worker', 'walsender') order by xact_start limit 1",
            (self.application,),
        ).fetchone()
        now: datetime = row[0]
        if oldest is None or oldest[0] >= now:
            return Clock(now, now)
        level = logging.WARNING if (now - oldest[0]).total_seconds() > 3600 else logging.INFO
        log.log(
            level,
            "%s: a transaction that is open since %s (pid %s, %s) holds the window's end back.",
            *(self._source, oldest[0].isoformat(), oldest[1], oldest[2].decode(errors="replace") or "unnamed"),
        )
        return Clock(now, oldest[0])

    @contextmanager
    def snapshot(self) -> Iterator[psycopg.Connection]:
        """A read-only transaction that sees the database as it was at its first question.

        Texts and JSON come as the server's exact bytes; times are UTC. A table whose row-level security would hide
        rows from the login is an error, not a shorter answer. Raises LostConnection, and HeadwaterError for the rest.
        """
        with self._told():
            connection = self._open()
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction():
                deadline = int(self._http.deadline.total_seconds() * 1000)
                # A database without an encoding of its own hands its bytes over as they are.
                encoding = "SQL_ASCII" if connection.info.parameter_status("server_encoding") == "SQL_ASCII" else "UTF8"
                for name, value in (
                    *(("timezone", "UTC"), ("datestyle", "ISO, YMD"), ("intervalstyle", "postgres")),
                    *(("bytea_output", "hex"), ("extra_float_digits", "1"), ("client_encoding", encoding)),
                    *(("row_security", "off"), ("statement_timeout", str(deadline))),
                ):
                    connection.execute("select set_config(%s, %s, true)", (name, value))
                yield connection

    def close(self) -> None:
        """For good: whoever still reads gets an error, and no new connection."""
        self._closed.set()
        if self._connection is not None:
            self._connection.close()

    @property
    def place(self) -> str:
        """Where it is, without the password."""
        host, port = self._parts.get("host", "localhost"), self._parts.get("port", 5432)
        return f"the database of {self._name} ({host}:{port}/{self._parts.get('dbname', '')})"

    def _open(self) -> psycopg.Connection:
        if self._closed.is_set():
            raise HeadwaterError(f"{self.place} is not read any more: this run has let go of it.")
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name=self.application,
                prepare_threshold=None,
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
            for name in ("text", "json"):
                self._connection.adapters.register_loader(name, Exact)
        return self._connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        """psycopg's errors as ours."""
        known = self._connection
        try:
            yield
        except psycopg.errors.InsufficientPrivilege as error:
            raise HeadwaterError(
                f"The login of {self._name} may not read all of it: {_first(error)}; grant it SELECT (and BYPASSRLS"
                " where row-level security hides rows)."
            ) from error
        except psycopg.errors.UndefinedObject as error:
            raise HeadwaterError(f"{self.place} lacks what is asked of it: {_first(error)}.") from error
        except psycopg.errors.QueryCanceled as error:
            if "recovery" in str(error):
                raise LostConnection(f"{self.place} ended the read: {_first(error)}.") from error
            raise HeadwaterError(
                f"{self.place} did not answer in time: {_first(error)}; index the table by its time of change and its"
                f" key, or raise sources.{self._source}.http.deadline in pipeline.yml."
            ) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            reason = _last(error)
            if any(words in reason for words in FINAL):
                raise HeadwaterError(
                    f"{self.place} refused the login: {reason}; check {self._name} in .env or the environment."
                ) from error
            if known is None or self._connection is None:
                raise LostConnection(f"{self.place} cannot be reached: {reason}; check {self._name}.") from error
            raise LostConnection(f"The connection to {self.place} was lost: {reason}; run again.") from error
        except psycopg.Error as error:
            raise HeadwaterError(f"{self.place} refused a question: {_first(error)}.") from error


def _first(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _last(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
