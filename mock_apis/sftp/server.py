"""The email platform's SFTP server: password login, one read-only export folder."""

from __future__ import annotations

import hmac
import io
import logging
import os
import socket
import threading

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from mock_apis.sftp.folder import EmailFolder
from mock_apis.sftp.requests import Export, Faults, SftpFolder
from mock_apis.world.ref import WorldRef

# paramiko reports every visitor who hangs up as an error with a traceback: that is not news here.
_LOG = "mock_apis.sftp"
logging.getLogger(_LOG).setLevel(logging.CRITICAL + 1)


def new_host_key() -> str:
    """A fresh ed25519 private key as OpenSSH text, to keep and hand to `SftpServer`."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        .decode()
    )


class SftpServer:
    """Serves the world's export folder on `host`:`port` (0 picks a free port) until `stop()`.

    `host_key` is a private key as OpenSSH text (`new_host_key()` when None).
    Attributes: `port`, and `host_key`, the public line "ssh-ed25519 AAAA...".
    The password falls back to MOCK_SFTP_PASSWORD, then "demo".
    Raises OSError when the port is taken.
    """

    def __init__(
        self,
        world_ref: WorldRef,
        host: str = "127.0.0.1",
        port: int = 0,
        user: str = "email",
        password: str | None = None,
        host_key: str | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._address = (host, port)
        self._login = (user, password or os.environ.get("MOCK_SFTP_PASSWORD") or "demo")
        self._key = paramiko.Ed25519Key.from_private_key(io.StringIO(host_key or new_host_key()))
        self._export = Export(EmailFolder(world_ref), faults)
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._stopping = threading.Event()
        self._connections: list[paramiko.Transport] = []
        self.host_key = f"{self._key.get_name()} {self._key.get_base64()}"
        self.port = port

    def start(self) -> None:
        self._listener = socket.create_server(self._address, backlog=32)
        self._listener.settimeout(0.2)  # so that the loop sees stop() soon on every system
        self.port = self._listener.getsockname()[1]
        self._stopping.clear()
        self._acceptor = threading.Thread(target=self._accept, name="mock-sftp", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close the port and every connection; returns when their threads have ended."""
        self._stopping.set()
        if self._acceptor:
            self._acceptor.join()
        if self._listener:
            self._listener.close()
        for connection in self._connections:
            connection.close()
        for connection in self._connections:
            connection.join(5)
        for session in tuple(self._export.sessions):
            session.join(5)
        self._connections.clear()

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._connections = [it for it in self._connections if it.is_alive()]
            try:
                self._connections.append(self._serve(sock))
            except (OSError, paramiko.SSHException):
                sock.close()  # a caller who is gone again must not take the server along

    def _serve(self, sock: socket.socket) -> paramiko.Transport:
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(sock)
        transport.set_log_channel(_LOG)
        transport.add_server_key(self._key)
        transport.set_subsystem_handler(
            "sftp", paramiko.SFTPServer, SftpFolder, export=self._export, hang_up=transport.close
        )
        # With an event the handshake runs in the connection's own thread: a slow caller blocks nobody.
        transport.start_server(event=threading.Event(), server=_Door(*self._login))
        return transport


class _Door(paramiko.ServerInterface):
    """Lets one user in, with a password, to one kind of channel."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        same = hmac.compare_digest(password.encode(), self._password.encode())
        return AUTH_SUCCESSFUL if same and username == self._user else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        known = kind == "session"
        return OPEN_SUCCEEDED if known else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
