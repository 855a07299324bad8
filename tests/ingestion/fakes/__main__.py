"""Ingestion's door with the fake sources; says at its end how much memory it took at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from ingestion.__main__ import app
from settings import friendly_errors
from tests.ingestion.fakes import add_fakes


def peak_megabytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # Linux' getrusage would count what the parent had when it made this process
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # in bytes on a Mac


add_fakes()
try:
    with friendly_errors():
        app()
finally:
    print(f"peak memory: {peak_megabytes():.1f} MB", file=sys.stderr)
