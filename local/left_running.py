"""Where the stack is that `make local` left running: a file in its folder, which only its owner may read."""

from __future__ import annotations

import json
from pathlib import Path

from local.processes import members

NAME = "stack.json"


def note_running(home: Path, addresses: dict[str, str]) -> None:
    """Remember the addresses of what runs in `home`; the warehouse's holds its password."""
    path = home / NAME
    path.touch(mode=0o600)
    path.write_text(json.dumps(addresses))


def forget_running(home: Path) -> None:
    (home / NAME).unlink(missing_ok=True)


def running_state(home: Path) -> dict[str, str]:
    """The addresses of a stack that `make local` left running in `home`; empty when none is."""
    path = home.resolve() / NAME
    if not path.exists() or not members(home.resolve()):
        return {}
    state: dict[str, str] = json.loads(path.read_text())
    return state


def running_url(home: Path) -> str:
    """The address of its Airflow; empty when none is."""
    return running_state(home).get("ui", "")
