"""A folder of this machine, read as an SFTP server's folder is (ingestion/sftp.py)."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from ingestion.files import FetchFailed, keep
from ingestion.folder import Fetched, RemoteFile
from settings import HeadwaterError, SettingsError, setting

CHUNK_BYTES = 1 << 20


class LocalFolder:
    """The folder that the setting `url_name` names as file:///path; raises SettingsError for another address."""

    def __init__(self, url_name: str):
        self._url_name = url_name
        parts = urlsplit(setting(url_name))
        if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise SettingsError(f"{url_name} is no folder of this machine; write it as file:///path/of/the/folder.")
        self._root = Path(unquote(parts.path))
        self._stopped = threading.Event()

    def listing(self, folder: str) -> list[RemoteFile]:
        path = self._root / folder
        try:
            with os.scandir(path) as entries:
                return sorted(_listed(entry.name, entry.stat()) for entry in entries if entry.is_file())
        except FileNotFoundError:
            raise HeadwaterError(f"There is no folder {path}; check {self._url_name}.") from None
        except OSError as error:
            raise HeadwaterError(f"{path} cannot be listed: {error.strerror}; check {self._url_name}.") from None

    def fetch(self, folder: str, name: str, into: BinaryIO) -> Fetched:
        digest = hashlib.sha256()
        try:
            with (self._root / folder / name).open("rb") as file:
                before = _listed(name, os.fstat(file.fileno()))
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
                    keep(into, chunk)
                after = _listed(name, os.fstat(file.fileno()))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise FetchFailed(f"{folder}/{name}: it cannot be read ({error.strerror})") from None
        return Fetched(digest.hexdigest(), before, after)

    def wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise HeadwaterError(f"{self._root}: stopped.")

    def close(self) -> None:
        self._stopped.set()


def _listed(name: str, status: os.stat_result) -> RemoteFile:
    return RemoteFile(name, status.st_size, int(status.st_mtime))
