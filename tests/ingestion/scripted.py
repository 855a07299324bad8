"""An HTTP server that gives the answers it was told to give, in their order, and remembers what it was asked."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DATE = "Sun, 01 Mar 2026 12:00:00 GMT"


@dataclass
class Answer:
    """`reset` breaks the connection off, `cut` sends half of the body, `dribble` a byte every so many seconds."""

    body: bytes = b'{"ok":true}'
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    cut: bool = False
    dribble: float = 0.0


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Scripted:
    """`answers` are given one by one; when they are used up `then` makes the answer. `date` is its clock."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.then: Callable[[Asked], Answer] = lambda _asked: Answer()
        self.asked: list[Asked] = []
        self.date = DATE
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                asked = Asked(self.command, self.path, dict(self.headers), self.rfile.read(length))
                scripted.asked.append(asked)
                scripted._give(self, scripted.answers.pop(0) if scripted.answers else scripted.then(asked))

            do_GET = do_POST = answer  # the base class finds its methods by these names

            def date_time_string(self, timestamp: float | None = None) -> str:
                return scripted.date

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _give(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        handler.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = answer.cut or bool(answer.dribble)
        try:
            if answer.dribble:
                for position in range(len(answer.body)):
                    handler.wfile.write(answer.body[position : position + 1])
                    time.sleep(answer.dribble)
            else:
                handler.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        except OSError:
            return  # the client has had enough
