"""One measured run: seconds, CPU seconds of the client and of Postgres, and the client's memory at its peak."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.postgres import EmbeddedPostgres
from settings import HeadwaterError

ROOT = Path(__file__).resolve().parent.parent
MEASURED = Path(__file__).with_name("measured.py")


@dataclass(frozen=True, slots=True)
class Run:
    """`seconds` from the start of the first process to the end of the last; `peak` in megabytes."""

    seconds: float
    client_cpu: float
    postgres_cpu: float
    peak: float

    @property
    def cpu(self) -> float:
        return self.client_cpu + self.postgres_cpu


def measure(commands: Sequence[Sequence[str]], env: Mapping[str, str], postgres: EmbeddedPostgres) -> Run:
    """Run the commands, joined by pipes, in the project's folder. Raises HeadwaterError when one of them fails."""
    before = postgres_cpu(postgres)
    door = [sys.executable, "-I", "-S", str(MEASURED), json.dumps(commands)]
    done = subprocess.run(door, env=env, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        words = " | ".join(" ".join(command[:4]) for command in commands)
        raise HeadwaterError(f"{words} failed ({done.returncode}): {done.stderr.strip()[-1500:]}")
    found = json.loads(done.stdout)
    return Run(found["seconds"], found["cpu"], postgres_cpu(postgres) - before, found["peak"])


def cpu_of(pid: int) -> float:
    """CPU seconds of a process since its start, without its children's."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def postgres_cpu(postgres: EmbeddedPostgres) -> float:
    """CPU seconds of the server since its start: of every process that lives, and of those that it has outlived."""
    postmaster = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split()[0]))
    own = postmaster.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in postmaster.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            # It ended between the two looks: ask again, for its time is with its parent now.
            return postgres_cpu(postgres)
        total += times.user + times.system
    return float(total)
