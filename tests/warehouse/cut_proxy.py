"""A TCP proxy before Postgres that loses the reply to a COMMIT, or the connection in the middle of a COPY."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit, urlunsplit


class CutProxy:
    """Forwards everything until `cut_after` (bytes) passes from the client: then both connections end.

    With `let_through` the bytes reach the server first and its reply is swallowed; otherwise they never arrive, but for
    the `but_first` bytes that the server is given from there on (`passed` says how many it were). Each cut happens
    once; `cuts` counts them. `answered` is how many bytes have come back from the server in all.
    """

    def __init__(self, url: str):
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = urlunsplit(
            self._target._replace(
                netloc=f"{self._target.username}:{self._target.password}@127.0.0.1:{self._listener.getsockname()[1]}"
            )
        )
        self.cut_after: bytes | None = None
        self.let_through = True
        self.but_first = 0
        self.passed = self.answered = 0
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._target.hostname or "", self._target.port or 5432))
            threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            begun = False
            while data := client.recv(65536):
                begun = begun or bool(self.cut_after and self.cut_after in data)
                if begun and self.passed < self.but_first:
                    self.passed += len(data)
                elif begun:
                    self.cut_after = None
                    self.cuts += 1
                    client.shutdown(socket.SHUT_RDWR)
                    if self.let_through:
                        server.sendall(data)
                    break
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)  # as a lost client's network stack does in the end

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.answered += len(data)
                sink.sendall(data)
        source.close()
        sink.close()
