"""POST /webhooks/<source>: checked, stored, thanked. What cannot be stored is refused, and the sender sends again."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from fastapi import FastAPI, Request, Response

from ingestion.webhooks import store
from ingestion.webhooks.senders import Inbox
from ingestion.webhooks.store import Told
from ingestion.webhooks.tally import Tally
from settings import HeadwaterError
from warehouse.connection import connect

LARGEST_BODY = 4 * 1024 * 1024
BODY_SECONDS = 10.0
STORE_SECONDS = 4.0  # Shopify waits for five
RETRY_AFTER = "30"
STORERS = 4
UNSIGNED = 401

log = logging.getLogger(__name__)


class Refused(Exception):
    """Answered with `status`; the reason is for our log, and goes to the sender only where it helps nobody to forge."""

    def __init__(self, status: int, reason: str = ""):
        super().__init__(reason)
        self.status = status


class Storer:
    """Stores events from a few threads, each with a connection of its own that is opened again when it was lost."""

    def __init__(self, url: str | None = None):
        self._url = url
        self._mine = threading.local()
        self._threads = ThreadPoolExecutor(STORERS, "store")

    async def store(self, told: Told) -> bool:
        """Whether it was new. Raises HeadwaterError, psycopg.Error or TimeoutError when it may not be stored."""
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.run_in_executor(self._threads, self._store, told), STORE_SECONDS)

    def _store(self, told: Told) -> bool:
        for last_try in (False, True):
            connection: psycopg.Connection[Any] | None = getattr(self._mine, "connection", None)
            if connection is None or connection.closed:
                connection = self._mine.connection = connect("loader", url=self._url, application="headwater webhooks")
                connection.execute("set statement_timeout = '3s'")
            try:
                return store.store(connection, told)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                connection.close()  # it may have been stored: then the second try finds it there
                if last_try:
                    raise
        raise AssertionError


def create_app(
    inboxes: Mapping[str, Inbox], *, tally: Tally, url: str | None = None, stored: Callable[[], None]
) -> FastAPI:
    """`tally` counts; `stored` is called after each new event, and must not wait."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    storer = Storer(url)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/webhooks/{source}")
    async def take(source: str, request: Request) -> Response:
        try:
            if (inbox := inboxes.get(source)) is None:
                raise Refused(404)
            told = await _checked(inbox, request)
            try:
                new = await storer.store(told)
            except (HeadwaterError, psycopg.Error, TimeoutError) as error:
                log.error("webhooks/%s: %s could not be stored: %s", source, told.event_id, str(error) or "too slow")
                return Response(status_code=503, headers={"Retry-After": RETRY_AFTER})
        except Refused as refused:
            log.warning("webhooks/%s: refused with %s %s", source, refused.status, refused)
            if refused.status == UNSIGNED:
                tally.rejected(source)
            return Response(status_code=refused.status)
        if new:
            tally.received(source)
            stored()
        return Response(status_code=200)

    return app


async def _checked(inbox: Inbox, request: Request) -> Told:
    """The event of a request that is signed; raises Refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415)
    body = await _body(request)
    if not inbox.sender.signed(request.headers, body, inbox.secrets, time.time()):
        raise Refused(UNSIGNED)
    try:
        return inbox.told(request.headers, body)
    except ValueError as error:
        raise Refused(400, str(error)) from error


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > LARGEST_BODY:
        raise Refused(413)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > LARGEST_BODY:
                    raise Refused(413)
    except TimeoutError:
        raise Refused(408) from None
    return bytes(body)
