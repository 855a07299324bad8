"""An SFTP server whose folder is what a test puts there; the pretend shop's server with other files behind it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import patch

from mock_apis.sftp import SftpServer
from mock_apis.sftp.files import VirtualFile
from mock_apis.world.ref import WorldRef

PASSWORD = "secret-of-tests"
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Folder:
    """`files` by path. `on_listing` is called before each listing, `on_open` with the path before each opening."""

    files: dict[str, VirtualFile] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    on_listing: Callable[[], None] = lambda: None
    on_open: Callable[[str], None] = lambda _path: None

    def put(self, name: str, content: bytes | str, modified: datetime = T0, done: bool = True) -> None:
        """A file of events/; `.gz` is compressed here, unless it is bytes already."""
        data = content.encode() if isinstance(content, str) else content
        if name.endswith(".gz") and isinstance(content, str):
            data = gzip.compress(data, mtime=0)
        path = f"/events/{name}"
        self.files[path] = VirtualFile(path, modified, data)
        if done:
            self.files[f"{path}.done"] = VirtualFile(f"{path}.done", modified, b"")

    def take(self, name: str) -> None:
        for path in (f"/events/{name}", f"/events/{name}.done"):
            self.files.pop(path, None)

    # What mock_apis.sftp.folder.EmailFolder has.

    def listing(self, folder: str) -> list[VirtualFile]:
        self.on_listing()
        return [file for file in self.files.values() if file.folder == folder]

    def get(self, path: str) -> VirtualFile | None:
        self.opened.append(path)
        self.on_open(path)
        return self.files.get(path)

    def now(self) -> float:
        return T0.timestamp()


@contextmanager
def serving(folder: Folder, faults: Any = None) -> Iterator[SftpServer]:
    # The wire is the shop's, the files are ours.
    with patch("mock_apis.sftp.server.EmailFolder", return_value=folder):
        server = SftpServer(cast(WorldRef, None), password=PASSWORD, faults=faults)
    server.start()
    try:
        yield server
    finally:
        server.stop()
