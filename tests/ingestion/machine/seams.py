"""Whatever a run says to the outside, numbered: at one of these points it dies, or loses its connection.

Death is an exception that no code of ours catches, after every connection was cut off and with every later word to the
outside refused: what SIGKILL leaves (tests/ingestion/faults/test_kill_everywhere.py uses the real one).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, NamedTuple

import psycopg
import pytest

from ingestion.http import _Failed
from tests.ingestion.faults.points import SEAMS

Moment = Literal["before", "after"]


class Killed(BaseException):
    """The process is no more."""


class Fault(NamedTuple):
    """At the `number`-th point of the work, `before` it is done or `after`: the run dies, or only its connection."""

    number: int
    moment: Moment
    dies: bool


class Seams:
    """Wraps the seams until `patch` is undone; outside of `work` they do nothing."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self._fault: Fault | None = None
        self._number = 0
        self._working = self._dead = False
        self._open: list[psycopg.Connection[Any]] = []
        self.struck: str | None = None
        for module_name, class_name, names in SEAMS:
            module = importlib.import_module(module_name)
            owner = getattr(module, class_name) if class_name else module
            for name in names:
                patch.setattr(owner, name, self._wrapped(getattr(owner, name), f"{class_name or module_name}.{name}"))
        patch.setattr(psycopg.Connection, "_exec_command", self._wrapped_command(psycopg.Connection._exec_command))

    @contextmanager
    def work(self, fault: Fault | None) -> Iterator[None]:
        """What is done within is numbered from 1; `struck` says afterwards where the fault struck."""
        self._fault, self._number, self._working, self._dead, self.struck = fault, 0, True, False, None
        try:
            yield
        except Killed:
            pass
        finally:
            self._working = False
            self._open.clear()

    def _wrapped(self, original: Callable[..., Any], label: str) -> Callable[..., Any]:
        @wraps(original)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if not self._working:
                return original(*arguments, **named)
            number = self._begin(label, arguments)
            result = original(*arguments, **named)
            if label == "psycopg.connect":
                self._open.append(result)
            self._strike(number, "after", label, arguments)
            return result

        return wrapper

    def _wrapped_command(self, original: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        def wrapper(connection: Any, command: Any, *more: Any, **named: Any) -> Generator[Any, Any, Any]:
            if not self._working:
                return (yield from original(connection, command, *more, **named))
            label = command.decode() if isinstance(command, bytes) else type(command).__name__
            number = self._begin(label, (connection,))
            result = yield from original(connection, command, *more, **named)
            self._strike(number, "after", label, (connection,))
            return result

        return wrapper

    def _begin(self, label: str, arguments: tuple[Any, ...]) -> int:
        if self._dead:
            raise Killed
        self._number += 1
        self._strike(self._number, "before", label, arguments)
        return self._number

    def _strike(self, number: int, moment: Moment, label: str, arguments: tuple[Any, ...]) -> None:
        fault = self._fault
        if fault is None or (fault.number, fault.moment) != (number, moment):
            return
        self.struck = f"{moment} {label}"
        if fault.dies:
            self._dead = True
            for connection in self._open:
                connection.pgconn.finish()
            raise Killed
        if label == "HttpClient._try":
            raise _Failed("the machine broke the connection")
        speaker = arguments[0] if arguments else None
        connection = getattr(speaker, "connection", speaker)
        if isinstance(connection, psycopg.Connection):
            connection.pgconn.finish()
        raise psycopg.OperationalError("the machine cut the connection")
