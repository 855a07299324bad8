"""SFTP requests on the export folder, read-only, with the faults that were asked for."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from paramiko import SFTPAttributes, SFTPHandle, SFTPServerInterface
from paramiko.sftp import SFTP_EOF, SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_PERMISSION_DENIED

from mock_apis.sftp.faults import with_bad_record, with_drift
from mock_apis.sftp.files import VirtualFile
from mock_apis.sftp.folder import FOLDERS, EmailFolder

_DATA = (".csv", ".csv.gz")  # markers and leftovers suffer no faults, and use none up
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Fault(Protocol):
    """`kind` is truncate, reset, 500, 503, bad_record or drift; `field` the column to spoil or to rename, if named."""

    @property
    def kind(self) -> str: ...

    @property
    def field(self) -> str | None: ...


class Faults(Protocol):
    def take(self, target: str, request: str, /) -> Fault | None:
        """The fault that this request (a path) must suffer, counted as used; None for a good answer."""


@dataclass(slots=True)
class Export:
    """What all connections share; `sessions` are the threads that are answering one."""

    folder: EmailFolder
    faults: Faults | None
    sessions: set[threading.Thread] = field(default_factory=set)


class SftpFolder(SFTPServerInterface):
    """One connection's view. What is not overridden here (writing, renaming ...) paramiko refuses."""

    def __init__(self, server: Any, export: Export, hang_up: Callable[[], None]) -> None:
        super().__init__(server)
        self._export, self._hang_up = export, hang_up
        self._folder, self._faults = export.folder, export.faults

    def session_started(self) -> None:
        self._export.sessions.add(threading.current_thread())

    def session_ended(self) -> None:
        self._export.sessions.discard(threading.current_thread())

    def list_folder(self, path: str) -> list[SFTPAttributes] | int:
        path = self.canonicalize(path)
        if path == "/":
            return [self._folder_attributes(name.lstrip("/")) for name in FOLDERS]
        if path in FOLDERS:
            return [_attributes(file, file.name) for file in self._folder.listing(path)]
        return SFTP_NO_SUCH_FILE

    def stat(self, path: str) -> SFTPAttributes | int:
        path = self.canonicalize(path)
        if path == "/" or path in FOLDERS:
            return self._folder_attributes(path)
        file = self._folder.get(path)
        return SFTP_NO_SUCH_FILE if file is None else _attributes(file, file.name)

    lstat = stat

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:
        path = self.canonicalize(path)
        if flags & _WRITES:
            return SFTP_PERMISSION_DENIED
        file = self._folder.get(path)
        if file is None:
            return SFTP_NO_SUCH_FILE
        fault = self._faults.take("sftp", path) if self._faults and path.endswith(_DATA) else None
        if fault is None:
            return _OpenFile(file)
        if fault.kind in ("500", "503"):
            return SFTP_FAILURE
        if fault.kind in ("truncate", "reset"):
            return _BrokenFile(file, self._hang_up if fault.kind == "reset" else None)
        spoil = with_drift if fault.kind == "drift" else with_bad_record
        return _OpenFile(VirtualFile(path, file.modified, spoil(file.name, file.content, fault.field)))

    def _folder_attributes(self, name: str) -> SFTPAttributes:
        attributes = SFTPAttributes()
        attributes.filename = name
        attributes.st_mode = stat.S_IFDIR | 0o555
        attributes.st_size = 0
        attributes.st_uid = attributes.st_gid = 0
        attributes.st_atime = attributes.st_mtime = int(self._folder.now())
        return attributes


class _OpenFile(SFTPHandle):
    """Holds the bytes as they were at opening, whatever the world does meanwhile."""

    def __init__(self, file: VirtualFile) -> None:
        super().__init__()
        self._file = file

    def stat(self) -> SFTPAttributes:
        return _attributes(self._file, self._file.name)

    def read(self, offset: int, length: int) -> bytes | int:
        return self._file.content[offset : offset + length] or SFTP_EOF


class _BrokenFile(_OpenFile):
    """Says that it has its full size, and stops half-way: at an early end, or with the connection."""

    def __init__(self, file: VirtualFile, hang_up: Callable[[], None] | None) -> None:
        super().__init__(file)
        self._end = len(file.content) // 2
        self._hang_up = hang_up

    def read(self, offset: int, length: int) -> bytes | int:
        if offset + length > self._end and self._hang_up:
            self._hang_up()
            return SFTP_FAILURE
        return self._file.content[offset : min(offset + length, self._end)] or SFTP_EOF


def _attributes(file: VirtualFile, name: str) -> SFTPAttributes:
    attributes = SFTPAttributes()
    attributes.filename = name
    attributes.st_mode = stat.S_IFREG | 0o444
    attributes.st_size = len(file.content)
    attributes.st_uid = attributes.st_gid = 0
    attributes.st_atime = attributes.st_mtime = int(file.modified.timestamp())
    return attributes
