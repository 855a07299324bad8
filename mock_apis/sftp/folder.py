"""The export folder as it stands now: what is listed, and what a path opens."""

from __future__ import annotations

import secrets
import threading

from mock_apis.sftp.files import VirtualFile, finished_files, growing_file
from mock_apis.sftp.uploads import upload_files
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World

FOLDERS = ("/campaigns", "/events", "/uploads")
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
            files = dict(self._finished_files())
            if growing := self._growing_file():
                files[growing.path] = growing
        return sorted((file for file in files.values() if file.folder == folder), key=lambda it: it.name)

    def get(self, path: str) -> VirtualFile | None:
        with self._lock:
            if finished := self._finished_files().get(path):
                return finished
            growing = self._growing_file()
            return growing if growing and growing.path == path else None

    def now(self) -> float:
        return self._ref.world.now.timestamp()

    def _finished_files(self) -> dict[str, VirtualFile]:
        with self._ref.lock:
            state = (self._ref.world, self._ref.world.now)
            if self._built_for != state:
                files = (*finished_files(self._ref.world), *upload_files(self._ref.world))
                self._finished = {file.path: file for file in files}
                self._built_for = state
            return self._finished

    def _growing_file(self) -> VirtualFile | None:
        with self._ref.lock:
            return growing_file(self._ref.world, self._rows)
