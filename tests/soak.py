"""`make test-soak`: every sync killed at every point and the machine's many lives, in shares side by side.

    python -m tests.soak [--minutes 20] [--shares 2] [arguments of pytest]

A share is a pytest of its own, with its own Postgres and shop. What was tried is counted in one file for all of them.
Shares that are at work when the time is over are interrupted, and that is a failure like any other.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

TESTS = ("tests/ingestion/faults/test_kill_everywhere.py", "tests/ingestion/machine")
LAST_SECONDS = 60  # of the whole time: for the interrupted to put their servers away


class Share(NamedTuple):
    """One of so many, numbered from 1."""

    number: int
    of: int


SHARE = Share(*map(int, os.environ["HEADWATER_SOAK"].split("/"))) if "HEADWATER_SOAK" in os.environ else None


def note(about: str, word: str, count: int = 1) -> None:
    """Count something for the summary; without a soak it does nothing."""
    if file := os.environ.get("HEADWATER_SOAK_NOTES"):
        with Path(file).open("a") as notes:
            notes.write(f"{about}\t{word}\t{count}\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--shares", type=int, default=os.cpu_count() or 1)
    given, arguments = parser.parse_known_args()
    ends = time.monotonic() + given.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        notes.touch()
        command = [sys.executable, "-m", "pytest", *TESTS, *arguments]
        shares = [
            subprocess.Popen(
                command,
                env={**os.environ, "HEADWATER_SOAK": f"{n}/{given.shares}", "HEADWATER_SOAK_NOTES": str(notes)},
            )
            for n in range(1, given.shares + 1)
        ]
        late = not all(wait(share, ends - LAST_SECONDS) for share in shares)
        for share in shares:
            if share.poll() is None:
                share.send_signal(signal.SIGINT)
        for share in shares:
            if not wait(share, ends):
                share.kill()
                share.wait()
        print(summary(notes.read_text()))
    if late:
        print(f"FAILED: not done within {given.minutes:g} minutes; more processors, or fewer kill points, are needed.")
    return 1 if late or any(share.returncode for share in shares) else 0


def wait(process: subprocess.Popen[bytes], until: float) -> bool:
    """Whether it ended before then."""
    try:
        process.wait(max(0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def summary(notes: str) -> str:
    """What was tried, by what it is about; `there` are all kill points that there are."""
    counted: dict[str, Counter[str]] = {}
    for line in notes.splitlines():
        about, word, count = line.split("\t")
        counted.setdefault(about, Counter())[word] += int(count)
    lines = [f"  {about}: {', '.join(f'{n} {word}' for word, n in found.items())}" for about, found in counted.items()]
    total = sum((found for found in counted.values()), Counter())
    return "\n".join(["", "what was tried:", *lines, f"  all: {', '.join(f'{n} {word}' for word, n in total.items())}"])


if __name__ == "__main__":
    sys.exit(main())
