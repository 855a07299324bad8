"""Whatever ends a stack's owner, none of its processes survives, and no stranger is hit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local import processes
from local.processes import end_all, marked, members, spawn

ROOT = Path(__file__).resolve().parents[2]
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
# Starts a child in a session of its own and ends: the child is an orphan that no process group reaches.
ORPHANED = [
    *(sys.executable, "-c"),
    f"import subprocess; subprocess.Popen({SLEEP!r}, start_new_session=True)",
]

# Starts a child whose environment says nothing (or, as Airflow does with its tasks', may not be read), and waits.
SILENT_CHILD = [
    *(sys.executable, "-c"),
    f"import subprocess; subprocess.Popen({SLEEP!r}, start_new_session=True, env={{}}).wait()",
]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in members(tmp_path):
        process.kill()


def run(home: Path, command: list[str], leashed: bool = False) -> subprocess.Popen[bytes]:
    env = {**os.environ, **marked(home)}
    return spawn(command, log=home / "log", env=env, cwd=ROOT, leashed=leashed)


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_orphans_in_other_sessions_are_ended(home: Path) -> None:
    run(home, ORPHANED).wait()
    assert len(members(home)) == 1
    assert end_all(home) == 1
    assert members(home) == []


def test_children_whose_environment_cannot_be_read_are_ended(home: Path) -> None:
    parent = run(home, SILENT_CHILD)
    assert eventually(lambda: len(members(home)) == 2)
    child = psutil.Process(parent.pid).children()[0]
    assert end_all(home, [parent.pid]) == 2
    assert not child.is_running()


def test_a_process_that_ignores_sigterm_is_killed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.3)
    run(home, STUBBORN)
    assert eventually(lambda: (home / "log").read_text() == "up\n")
    assert end_all(home) == 1
    assert members(home) == []


def test_strangers_are_left_alone(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = subprocess.Popen(SLEEP)
    neighbour = run(tmp_path_factory.mktemp("another"), SLEEP)
    try:
        run(home, SLEEP)
        end_all(home)
        assert stranger.poll() is None
        assert neighbour.poll() is None
    finally:
        for process in (stranger, neighbour):
            process.kill()
            process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_leashed_process_dies_with_its_owner(home: Path, number: signal.Signals) -> None:
    """By the kernel's own doing, so on Linux only."""
    owner = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, time; from pathlib import Path; from tests.local.test_processes import SLEEP, run;"
            "print(run(Path(sys.argv[1]), SLEEP, leashed=True).pid, flush=True); time.sleep(600)",
            str(home),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert owner.stdout
    child = int(owner.stdout.readline())
    assert eventually(lambda: psutil.Process(child).cmdline() == SLEEP)  # past the leash, into the command
    owner.send_signal(number)
    owner.wait(10)
    assert eventually(lambda: members(home) == [])
