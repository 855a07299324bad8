"""A folder on an SFTP server: listed and fetched over a connection to the one pinned host key, with bounded retries.

Where it is and how to log in: ingestion/sftp_address.py.
"""

from __future__ import annotations

import hashlib
import logging
import random
import socket
import stat
import threading
import time
from collections.abc import Callable
from typing import BinaryIO, TypeVar

import paramiko

from ingestion.files import FetchFailed, keep
from ingestion.folder import Fetched, RemoteFile
from ingestion.sftp_address import SftpAddress
from settings import HeadwaterError
from settings.pipeline import Http

CHUNK_BYTES = 32_768
REQUESTS_AHEAD = 64
BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0

log = logging.getLogger(__name__)
# paramiko reports every broken connection as an error with a traceback: we try again, and say so in one line.
_TRANSPORT_LOG = f"{__name__}.transport"
logging.getLogger(_TRANSPORT_LOG).setLevel(logging.CRITICAL + 1)

Answer = TypeVar("Answer")


class _OtherHostKey(Exception):
    """The server showed a host key of a kind that is not the pinned one's."""


class _ShortRead(Exception):
    """A file ended before its size."""


class _Refuse(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise _OtherHostKey


class SftpFolder:
    """The folder that the setting `url_name` ({prefix}_SFTP_URL by default) names. Connects at the first use.

    Raises SettingsError for a setting that is missing or cannot be used, HeadwaterError when the server refuses us or
    cannot be reached within the bounds of `http` (they hold for SFTP too).
    """

    def __init__(self, prefix: str, http: Http, url_name: str | None = None):
        self._prefix, self._http = prefix, http
        self._url_name = url_name or f"{prefix}_SFTP_URL"
        self._to = SftpAddress.from_settings(prefix, self._url_name)
        self._patient = True
        self._stopped = threading.Event()
        self._ssh: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def listing(self, folder: str) -> list[RemoteFile]:
        """The files in `folder` of this folder, by name; raises HeadwaterError when it is not there."""
        path = f"{self._to.folder}{folder}"
        try:
            found = self._retried(f"listing {path}", lambda sftp: sftp.listdir_attr(path))
        except FileNotFoundError:
            raise HeadwaterError(f"{self._place} has no folder {path}; check {self._url_name}.") from None
        except PermissionError:
            raise HeadwaterError(f"{self._place} does not let {self._to.user} list {path}.") from None
        files = (_remote_file(it.filename, it) for it in found if not stat.S_ISDIR(it.st_mode or 0))
        return sorted(files)

    def fetch(self, folder: str, name: str, into: BinaryIO) -> Fetched:
        """Write a file's bytes to `into`. Raises FetchFailed; FileNotFoundError when it has gone meanwhile."""
        path = f"{self._to.folder}{folder}/{name}"
        try:
            return self._retried(f"{folder}/{name}", lambda sftp: self._fetch(sftp, path, name, into), one_file=True)
        except PermissionError:
            raise FetchFailed(f"{folder}/{name}: the server does not let {self._to.user} read it") from None

    def wait(self, seconds: float) -> None:
        """Sleep, but not past `close`."""
        if self._stopped.wait(seconds):
            raise HeadwaterError(f"{self._place}: stopped.")

    def close(self) -> None:
        self._stopped.set()
        self._disconnect()

    @property
    def _place(self) -> str:
        return f"sftp://{self._to.host}:{self._to.port}"

    def _fetch(self, sftp: paramiko.SFTPClient, path: str, name: str, into: BinaryIO) -> Fetched:
        into.seek(0)
        into.truncate()
        digest, received = hashlib.sha256(), 0
        with sftp.open(path, "rb") as remote:
            before = _remote_file(name, remote.stat())
            if before.size > CHUNK_BYTES:
                remote.prefetch(before.size, max_concurrent_requests=REQUESTS_AHEAD)
            while received < before.size and (chunk := remote.read(min(CHUNK_BYTES, before.size - received))):
                digest.update(chunk)
                received += len(chunk)
                keep(into, chunk)
            if received < before.size:
                raise _ShortRead(f"it ended after {received} of {before.size} bytes")
            after = _remote_file(name, remote.stat())
        return Fetched(digest.hexdigest(), before, after)

    def _retried(self, what: str, action: Callable[[paramiko.SFTPClient], Answer], one_file: bool = False) -> Answer:
        deadline = time.monotonic() + self._http.deadline.total_seconds()
        attempts = self._http.attempts
        for attempt in range(1, attempts + 1):
            try:
                return action(self._connect())
            except (FileNotFoundError, PermissionError):
                raise
            except (OSError, EOFError, paramiko.SSHException, _ShortRead) as error:
                reason = _reason(error)
                about_file = one_file and self._is_active() and not isinstance(error, TimeoutError)
                self._disconnect()
                pause = random.uniform(0.5, 1) * min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2 ** (attempt - 1))
                tired = attempt == attempts or time.monotonic() + pause >= deadline
                if about_file and (tired or not self._patient):
                    # One file that cannot be had must not cost every later one the whole patience too.
                    self._patient = False
                    raise FetchFailed(f"{what}: {reason} (tries: {attempt})") from None
                if tired:
                    raise HeadwaterError(
                        f"{self._place} cannot be read ({what}): {reason}, after {attempt} tries;"
                        f" check {self._url_name} and the network."
                    ) from None
                log.warning("%s: %s: %s; trying again in %.1f s", self._place, what, reason, pause)
            self.wait(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def _connect(self) -> paramiko.SFTPClient:
        if self._sftp is not None:
            return self._sftp
        self.wait(0)  # not after `close`
        timeout = self._http.timeout.total_seconds()
        ssh = paramiko.SSHClient()
        ssh.set_log_channel(_TRANSPORT_LOG)
        ssh.set_missing_host_key_policy(_Refuse())
        name = self._to.host if self._to.port == 22 else f"[{self._to.host}]:{self._to.port}"
        ssh.get_host_keys().add(name, self._to.host_key.get_name(), self._to.host_key)
        try:
            sock = socket.create_connection((self._to.host, self._to.port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ssh.connect(
                self._to.host,
                self._to.port,
                self._to.user,
                password=self._to.password,
                pkey=self._to.private_key,
                sock=sock,
                timeout=timeout,
                banner_timeout=timeout,
                auth_timeout=timeout,
                allow_agent=False,
                look_for_keys=False,
            )
            sftp = ssh.open_sftp()
        except (paramiko.BadHostKeyException, _OtherHostKey):
            ssh.close()
            raise HeadwaterError(
                f"{self._place} shows another host key than {self._prefix}_SFTP_HOST_KEY says: nothing was sent to it."
                " If its owner confirms a new key, set it; otherwise somebody may be in between."
            ) from None
        except paramiko.AuthenticationException:
            ssh.close()
            raise HeadwaterError(
                f"{self._place} refused the login of {self._to.user}: check the user in {self._url_name}, and"
                f" {self._prefix}_SFTP_PASSWORD or {self._prefix}_SFTP_PRIVATE_KEY."
            ) from None
        except BaseException:
            ssh.close()
            raise
        channel = sftp.get_channel()
        if channel is not None:
            channel.settimeout(timeout)
        self._ssh, self._sftp = ssh, sftp
        return sftp

    def _is_active(self) -> bool:
        """Whether the connection still stands: then an error is the server's word on the file."""
        transport = self._ssh.get_transport() if self._ssh else None
        return transport is not None and transport.is_active()

    def _disconnect(self) -> None:
        if self._ssh is not None:
            self._ssh.close()
        self._ssh = self._sftp = None


def _remote_file(name: str, attributes: paramiko.SFTPAttributes) -> RemoteFile:
    return RemoteFile(name, attributes.st_size or 0, attributes.st_mtime or 0)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, EOFError):
        return "the connection was closed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__
