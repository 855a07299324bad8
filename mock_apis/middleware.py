"""ASGI layers around the APIs: the world's clock in every answer, and the faults."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import format_datetime
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from mock_apis.faults import Fault, Faults
from mock_apis.s3.errors import error_body
from mock_apis.shopify.engine import throttled
from mock_apis.spoil import with_bad_record, with_drift
from mock_apis.world.ref import WorldRef

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
SLOW_STEPS = 20
_transports: dict[tuple[str, int], asyncio.Transport] = {}


class Protocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # it is a class chosen at import
    """uvicorn's HTTP protocol, which lets a fault find the connection that it must break."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        _transports[transport.get_extra_info("peername")[:2]] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _transports.pop(self.transport.get_extra_info("peername")[:2], None)
        super().connection_lost(exc)


class WorldClock:
    """Puts the Date of the world's clock on every answer."""

    def __init__(self, app: App, world_ref: WorldRef) -> None:
        self._app = app
        self._world_ref = world_ref

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._world_ref.world.now, usegmt=True).encode()
                message["headers"] = [*message.get("headers", ()), (b"date", date)]
            await send(message)

        await self._app(scope, receive, dated)


class FaultLayer:
    """Lets requests to Shopify, Stripe and S3 suffer the faults that were asked for."""

    def __init__(self, app: App, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        target = next((name for name in ("shopify", "stripe", "s3") if path.startswith(f"/{name}/")), None)
        if scope["type"] != "http" or target is None or not self._faults.wanted(target):
            return await self._app(scope, receive, send)
        asked = f"{path}?{scope['query_string'].decode('latin-1')}"
        if target == "shopify":
            body, receive = await _read(receive)
            asked += f" {body.decode(errors='replace')}"
        fault = self._faults.take(target, asked)
        if fault is None:
            return await self._app(scope, receive, send)
        if fault.kind in ("429", "429_no_retry_after", "500", "503", "throttled"):
            return await _send_whole(send, *_refusal(target, fault))
        status, headers, body = await _answer(self._app, scope, receive)
        if fault.kind == "bad_record":
            return await _send_whole(send, status, headers, with_bad_record(body, fault.field))
        if fault.kind == "drift":
            return await _send_whole(send, status, headers, with_drift(body, fault.field))
        if fault.kind == "slow":
            return await _dribble(send, status, headers, body, fault.seconds)
        return await _break_off(scope, receive, send, status, headers, body, fault.kind == "reset")


def _refusal(target: str, fault: Fault) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    if fault.kind == "throttled":
        status = {"maximumAvailable": 2000.0, "currentlyAvailable": 0, "restoreRate": 100.0}
        return 200, headers, json.dumps(throttled(status, 100)).encode()
    code = int(fault.kind[:3])
    if fault.kind == "429":
        seconds = fault.seconds if fault.seconds % 1 else int(fault.seconds)
        headers.append((b"retry-after", str(seconds).encode()))
    text = {429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}[code]
    if target == "s3":
        told = ("SlowDown", "Please reduce your request rate.") if code == 503 else ("InternalError", text)
        return code, [(b"content-type", b"application/xml")], error_body(*told)
    if target == "shopify":
        return code, headers, json.dumps({"errors": text}).encode()
    error = {"type": "api_error", "message": "An unknown error occurred"}
    if code == 429:
        error = {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}
    return code, headers, json.dumps({"error": error}).encode()


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """The body of a request, and a `receive` that gives it once more."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, again


async def _answer(app: App, scope: Scope, receive: Receive) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The whole answer of the app: status, headers without the length, body."""
    start: Message = {}
    body = b""

    async def keep(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
        else:
            body += message.get("body", b"")

    await app(scope, receive, keep)
    headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
    return start["status"], headers, body


async def _start(send: Send, status: int, headers: list[tuple[bytes, bytes]], length: int) -> None:
    headers = [*headers, (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_whole(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await _start(send, status, headers, len(body))
    await send({"type": "http.response.body", "body": body})


async def _dribble(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, seconds: float) -> None:
    await _start(send, status, headers, len(body))
    step = max(1, -(-len(body) // SLOW_STEPS))
    for place in range(0, len(body), step):
        await asyncio.sleep(seconds / SLOW_STEPS)
        await send({"type": "http.response.body", "body": body[place : place + step], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _break_off(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    reset: bool,
) -> None:
    """Send half the body under its full length, then end the connection: politely, or with a TCP reset."""
    await _start(send, status, headers, len(body))
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    transport = _transports[tuple(scope["client"])]
    if reset:
        # Closing with no time to linger makes the kernel answer with RST.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        continue
