"""A Stripe that only lists charges, and fast: the speed of a sync must not be that of the server it reads from.

It answers what the contestants ask for: GET /v1/charges (with `limit`, `starting_after`, `created[gte|gt|lte|lt]`), one
charge, /v1/events (none) and /v1/accounts/{id}. No key is checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from bench.charges import DAY, Charges
from settings import HeadwaterError

ROOT = Path(__file__).resolve().parent.parent


class Server(NamedTuple):
    address: str
    pid: int


def serve(records: int, port: int = 0) -> None:
    """Print the address, then serve until killed. The newest charge is from the last second of yesterday (UTC)."""
    charges = Charges(records, int(time.time()) // DAY * DAY - 1)

    class Handler(_Handler):
        stock = charges

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


@contextmanager
def serving(records: int) -> Iterator[Server]:
    """The server as a process of its own. Raises HeadwaterError when it does not start."""
    command = [sys.executable, "-m", "bench", "serve", "--records", str(records)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise HeadwaterError("The charges' server did not start; the lines above say why.")
        yield Server(address, process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class _Handler(BaseHTTPRequestHandler):
    stock: Charges
    protocol_version = "HTTP/1.1"  # connections stay open
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one piece

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, _, kind, *name = parts.path.split("/")
        try:
            if kind == "charges":
                query = dict(parse_qsl(parts.query))
                self._answer(self.stock.render(self.stock.place(name[0])) if name else self.stock.page(query))
            elif kind == "events":
                self._answer(b'{"object":"list","data":[],"has_more":false,"url":"/v1/events"}')
            elif kind == "accounts":
                shop = {"id": name[0], "object": "account", "settings": {"dashboard": {"display_name": "bench"}}}
                self._answer(json.dumps(shop).encode())
            else:
                self._refuse(f"Unrecognized request URL (GET: {parts.path}).")
        except KeyError as error:
            self._refuse(f"No such charge: {error}")

    def _refuse(self, message: str) -> None:
        self._answer(json.dumps({"error": {"type": "invalid_request_error", "message": message}}).encode(), 404)

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        return None
