"""The shop's own endpoints under /_admin: health, clock, truth, faults, webhooks sent, the SFTP host key, Kafka."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from mock_apis.faults import FAULTS, Faults, problem
from mock_apis.state import MockError
from mock_apis.truth import truth
from mock_apis.world.ref import WorldRef

MAX_DAYS = 366


def router(
    world_ref: WorldRef,
    faults: Faults,
    host_key: Callable[[], str | None],
    kafka: str | None,
    remember: Callable[[int], None],
    webhooks: Callable[[], dict[str, int]],
) -> APIRouter:
    """Endpoints for those who run the shop; `remember(days)` is called before the clock moves, so that no
    caller sees a day that a restart would forget; if it raises MockError the clock stands still."""
    api = APIRouter(prefix="/_admin")

    def clock() -> dict[str, str]:
        world = world_ref.world
        now = world.now.isoformat().replace("+00:00", "Z")
        return {"now": now, "today": world.today.isoformat(), "timezone": str(world.timezone)}

    @api.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "now": clock()["now"]}

    @api.get("/clock")
    def show_clock() -> dict[str, str]:
        return clock()

    @api.post("/advance")
    async def advance(request: Request) -> Response:
        body = await _json(request)
        days = body.get("days", 1) if isinstance(body, dict) else None
        if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MAX_DAYS:
            return _wrong(f'give {{"days": N}} with N from 1 to {MAX_DAYS}')

        def move() -> None:
            with world_ref.lock:
                remember(days)
                world_ref.advance(days)

        try:
            await run_in_threadpool(move)
        except MockError as error:
            return _wrong(str(error), 500)
        return JSONResponse(clock())

    @api.get("/truth")
    def show_truth() -> dict[str, Any]:
        with world_ref.lock:
            return truth(world_ref.world)

    @api.get("/faults")
    def show_faults() -> list[dict[str, Any]]:
        return [each.model_dump() for each in faults.pending()]

    @api.post("/faults")
    async def add_faults(request: Request) -> Response:
        body = await _json(request)
        try:
            added = FAULTS.validate_python(body if isinstance(body, list) else [body])
        except ValidationError as error:
            return _wrong(problem(error))
        faults.add(added)
        return JSONResponse(show_faults())

    @api.delete("/faults")
    def clear_faults() -> list[dict[str, Any]]:
        faults.clear()
        return show_faults()

    @api.get("/webhooks")
    def show_webhooks() -> dict[str, int]:
        return webhooks()

    @api.get("/sftp_host_key")
    def sftp_host_key() -> Response:
        key = host_key()
        return PlainTextResponse(key) if key else _wrong("no SFTP server runs here", 404)

    @api.get("/kafka")
    def kafka_address() -> Response:
        return PlainTextResponse(kafka) if kafka else _wrong("no Kafka runs here", 404)

    return api


async def _json(request: Request) -> Any:
    """The body as JSON: an empty object for an empty body, None for what is not JSON."""
    if not await request.body():
        return {}
    try:
        return await request.json()
    except ValueError:
        return None


def _wrong(message: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": message}, status)
