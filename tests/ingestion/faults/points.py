"""Every request, statement, write of a COPY and commit of a process, numbered; it may be killed at any one of them.

The seams are wrapped from outside, in a process that exists for one kill: production code knows nothing of them. The
reading thread and the writing one are numbered apart, since each does the same in the same order in every run.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, NamedTuple

from psycopg.waiting import Wait

# (module, class or "", names): whatever a sync says to the outside. A source that speaks otherwise adds a line.
SEAMS = (
    ("ingestion.http", "HttpClient", ("_try",)),
    ("paramiko", "SSHClient", ("connect",)),
    ("paramiko", "SFTPClient", ("listdir_attr", "open")),
    ("paramiko", "SFTPFile", ("stat", "read")),
    ("botocore.httpsession", "URLLib3Session", ("send",)),
    ("ingestion.local_folder", "LocalFolder", ("listing", "fetch")),
    ("ingestion.kafka_topic", "Topic", ("_ask", "messages")),  # the client's own class takes no wrapper
    ("psycopg", "", ("connect",)),
    ("psycopg", "Cursor", ("execute", "executemany", "stream")),
    ("psycopg", "ServerCursor", ("execute", "fetchmany")),
    ("psycopg", "Copy", ("__enter__",)),
    ("psycopg.copy", "LibpqWriter", ("write", "finish")),
)
# Messages come one by one: after one is before the next.
MOMENTS = {"COMMIT": ("before", "sent", "after"), "Topic.messages": ("after",)}


class Kill(NamedTuple):
    """The `number`-th thing that `thread` ("read" or "write") does; `moment` is before, sent (a commit only) or after.

    `sent` is when the server has the command and its answer is still on its way.
    """

    thread: str
    number: int
    moment: str


class Points:
    """Counts what the process does; `labels` is what each thread did, in its order."""

    def __init__(self, kill: Kill | None = None):
        self.labels: dict[str, list[str]] = {"read": [], "write": []}
        self._kill = kill
        self._numbering = threading.Lock()

    def wrap_everything(self) -> None:
        for module_name, class_name, names in SEAMS:
            try:
                module = importlib.import_module(module_name)
            except ModuleNotFoundError:
                continue  # the seam of a source that this installation has not
            owner = getattr(module, class_name) if class_name else module
            for name in names:
                setattr(owner, name, self._wrapped(getattr(owner, name), f"{class_name or module_name}.{name}"))
        base = importlib.import_module("psycopg").Connection
        base._exec_command = self._wrapped_command(base._exec_command)

    def every_kill(self) -> list[Kill]:
        found = []
        for thread, labels in self.labels.items():
            for number, label in enumerate(labels, 1):
                found += [Kill(thread, number, moment) for moment in MOMENTS.get(label, ("before", "after"))]
        return found

    def _wrapped(self, original: Callable[..., Any], label: str) -> Callable[..., Any]:
        @wraps(original)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            thread, number = self._before(label)
            try:
                result = original(*arguments, **named)
            finally:
                self._die_if(Kill(thread, number, "after"))
            return self._each(result, label) if label == "Topic.messages" else result

        return wrapper

    def _each(self, items: Generator[Any, None, None], label: str) -> Generator[Any, None, None]:
        """Each item is a thing of its own."""
        for item in items:
            thread, number = self._before(label)
            self._die_if(Kill(thread, number, "after"))
            yield item

    def _wrapped_command(self, original: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        """BEGIN, COMMIT and ROLLBACK: psycopg sends them as a generator that yields while it waits for the answer."""

        def wrapper(connection: Any, command: Any, *more: Any, **named: Any) -> Generator[Any, Any, Any]:
            label = command.decode() if isinstance(command, bytes) else type(command).__name__
            thread, number = self._before(label)
            steps = original(connection, command, *more, **named)
            ready: Any = None
            while True:
                try:
                    wish = steps.send(ready)
                except StopIteration as done:
                    self._die_if(Kill(thread, number, "after"))
                    return done.value
                if wish == Wait.R:  # until the command is sent, it is Wait.RW
                    self._die_if(Kill(thread, number, "sent"))
                ready = yield wish

        return wrapper

    def _before(self, label: str) -> tuple[str, int]:
        thread = "write" if threading.current_thread() is threading.main_thread() else "read"
        with self._numbering:  # a source may ask for several things side by side
            self.labels[thread].append(label)
            number = len(self.labels[thread])
        self._die_if(Kill(thread, number, "before"))
        return thread, number

    def _die_if(self, here: Kill) -> None:
        if here == self._kill:
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()
