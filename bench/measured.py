"""Run commands joined by pipes and print what they took, as JSON: seconds, CPU seconds, megabytes at the peak.

A process of the standard library alone, to be run with `-I -S`: what the kernel reports of a child's memory begins with
that of whoever started it. The peak is the largest sum of resident memory over the tree, looked at ten times a second
(where there is /proc), or of its largest process as the kernel kept it, whichever is more.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

LOOK_SECONDS = 0.1
PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    commands: list[list[str]] = json.loads(sys.argv[1])
    began = time.monotonic()
    ended = threading.Event()
    peaks = [0]
    watcher = threading.Thread(target=_watch, args=(ended, peaks))
    processes: list[subprocess.Popen[bytes]] = []
    source = None
    for number, command in enumerate(commands, start=1):
        target = subprocess.PIPE if number < len(commands) else subprocess.DEVNULL
        process = subprocess.Popen(command, stdin=source or subprocess.DEVNULL, stdout=target)
        if source:
            source.close()  # else a reader that dies would not be noticed by its writer
        source = process.stdout
        processes.append(process)
    watcher.start()
    codes = [process.wait() for process in processes]
    seconds = time.monotonic() - began
    ended.set()
    watcher.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    largest = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        json.dumps({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak": max(largest, peaks[0]) / 1e6}),
        flush=True,
    )
    return next((code for code in codes if code), 0)


def _watch(ended: threading.Event, peaks: list[int]) -> None:
    me = os.getpid()
    while not ended.wait(LOOK_SECONDS):
        peaks[0] = max(peaks[0], sum(map(_resident, _children(me))))


def _children(pid: int) -> list[int]:
    """Every process below this one."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, listed.read_text().split())
        except OSError:  # the thread has ended
            continue
    return found + [below for child in found for below in _children(child)]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):  # it has ended
        return 0


if __name__ == "__main__":
    sys.exit(main())
