"""The export folder as it stands now: what is listed, and what a path opens."""

from __future__ import annotations

import secrets
import threading

from mock_apis.sftp.files import VirtualFile, finished_files, growing_file
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World

FOLDERS = ("/campaigns", "/events")
GROWING_IN = "/events"


class EmailFolder:
    """Files by path, built once per state of the world; safe to use from several connections."""

    def __init__(self, world_ref: WorldRef) -> None:
        self._ref = world_ref
        self._lock = threading.Lock()
        self._built_for: tuple[World, object] | None = None
        self._finished: dict[str, VirtualFile] = {}
        # A random start: after a restart the growing file must not look as if it had stood still.
        self._rows = secrets.randbelow(400) + 1

    def listing(self, folder: str) -> list[VirtualFile]:
        """The files in `folder`, by name. Listing the events makes the growing file grow."""
        with self._lock:
            if folder == GROWING_IN:
                self._rows += 1
            files = self._files()
        return sorted((file for file in files.values() if file.folder == folder), key=lambda it: it.name)

    def get(self, path: str) -> VirtualFile | None:
        with self._lock:
            return self._files().get(path)

    def now(self) -> float:
        return self._ref.world.now.timestamp()

    def _files(self) -> dict[str, VirtualFile]:
        with self._ref.lock:
            world = self._ref.world
            state = (world, world.now)
            if self._built_for != state:
                self._finished = {file.path: file for file in finished_files(world)}
                self._built_for = state
            growing = growing_file(world, self._rows)
        if growing is None:
            return self._finished
        return self._finished | {growing.path: growing}
