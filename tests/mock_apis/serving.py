"""The pretend shop over real sockets, in a thread of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from mock_apis.app import create_app
from mock_apis.server import config, listening
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World


@contextmanager
def served(world: World | WorldRef, **options: Any) -> Iterator[str]:
    """The base address of the whole application, served as `python -m mock_apis serve` serves it."""
    ref = world if isinstance(world, WorldRef) else WorldRef(world)
    server = uvicorn.Server(config(create_app(ref, **options)))
    with listening("127.0.0.1", 0, "--port") as web, running(server, [web]):
        yield f"http://127.0.0.1:{web.getsockname()[1]}"


@contextmanager
def running(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> Iterator[None]:
    """The server in a thread, from the moment that it answers to the end of the block."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets})
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(20)
