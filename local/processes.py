"""Start processes that belong to one stack, and end every one of them, however deep and whoever their parent is.

A stack's processes carry its folder in their environment. What is ended is found by that mark and never by a
process id from a file, so a stale id cannot hit a stranger.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from settings import HeadwaterError

MARK = "HEADWATER_STACK"
LEASH = Path(__file__).with_name("leash.py")
GRACE_SECONDS = 5.0  # a cut task is done again by the next run: no need to wait for it


def marked(home: Path) -> dict[str, str]:
    """The environment that makes a process one of `home`'s stack.

    SPT_NOENV keeps Airflow's changed process titles from overwriting it.
    """
    return {MARK: str(home), "SPT_NOENV": "1"}


def spawn(
    command: Sequence[str], *, log: Path, env: dict[str, str], cwd: Path, leashed: bool
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, its output in `log`.

    `leashed`: it ends with the caller. Call it from the main thread then, for the kernel means the thread.
    """
    if leashed:
        command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
    except OSError as error:
        raise HeadwaterError(f"{Path(command[0]).name} cannot be started: {error.strerror} ({log})") from error


def members(home: Path) -> list[psutil.Process]:
    """Every living process of `home`'s stack, except the caller and its parents.

    Airflow shuts the environment of its tasks' processes (even to their own user): they are found as children.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home):
                found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        except (psutil.Error, OSError):  # it ended, or it belongs to somebody else
            continue
    return [process for pid, process in found.items() if pid not in own]


def end_all(home: Path, roots: Iterable[int] = ()) -> int:
    """End every process of the stack and return how many there were.

    The `roots` (services that end their own children in good order) are asked first; what is left is asked,
    and after GRACE_SECONDS killed.
    """
    everyone = members(home)
    first = set(roots)
    asked = [process for process in everyone if process.pid in first] or everyone
    _signal(asked, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    psutil.wait_procs(asked, timeout=GRACE_SECONDS)
    # Those of before too: a child whose parent has ended cannot be found any more.
    left = _living({*everyone, *members(home)})
    _signal(left, signal.SIGTERM)
    psutil.wait_procs(left, timeout=max(0.5, deadline - time.monotonic()))
    while left := _living({*everyone, *members(home)}):
        _signal(left, signal.SIGKILL)
        psutil.wait_procs(left, timeout=GRACE_SECONDS)
    return len(everyone)


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that still run (a zombie waits only for its parent to look)."""
    living = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
        except psutil.NoSuchProcess:
            continue
    return living


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def is_free(port: int) -> bool:
    """Whether a server may listen on `port` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def last_line(log: Path) -> str:
    """The last line that says something, for an error message."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""
