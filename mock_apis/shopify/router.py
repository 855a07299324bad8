"""The route of the Admin GraphQL API, with its access token, headers and refusals."""

from __future__ import annotations

import gzip
import hmac
import os
import uuid
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from mock_apis.faults import Faults
from mock_apis.shopify.bucket import Bucket
from mock_apis.shopify.bulk import content
from mock_apis.shopify.engine import Engine
from mock_apis.world.ref import WorldRef

API_VERSION = "2026-10"
PREFIX = "/shopify"
DEFAULT_TOKEN = "shpat_demo"
# Wider than the 2000 points and 100 a second of a standard shop, so that a demo need not wait.
DEFAULT_BUCKET = 20_000
DEFAULT_RESTORE = 2_000
WRONG_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"


def router(
    world_ref: WorldRef,
    *,
    token: str | None = None,
    bucket: int = DEFAULT_BUCKET,
    restore: int = DEFAULT_RESTORE,
    faults: Faults | None = None,
) -> APIRouter:
    """Serve `world_ref.world` as Shopify does, under /shopify/admin/api/2026-10/graphql.json.

    The token falls back to MOCK_SHOPIFY_TOKEN, then "shpat_demo"; `bucket` and
    `restore` are the points of the rate limit, and how many come back a second. `faults` are for bulk operations.
    """
    expected = (token or os.environ.get("MOCK_SHOPIFY_TOKEN") or DEFAULT_TOKEN).encode()
    engine = Engine(world_ref, Bucket(bucket, restore), faults)
    encode = msgspec.json.encode
    api = APIRouter(prefix=PREFIX)

    @api.post("/admin/api/{version}/graphql.json")
    async def graphql(version: str, request: Request) -> Response:
        if version != API_VERSION:
            return _json(404, encode({"errors": "Not Found"}))
        given = request.headers.get("x-shopify-access-token", "")
        if not hmac.compare_digest(given.encode(), expected):
            return _json(401, encode({"errors": WRONG_TOKEN}))
        asked = _request(await request.body(), request.headers.get("content-type", ""))
        if asked is None:
            return _json(400, encode({"errors": {"query": "Required parameter missing or invalid"}}))
        query, variables, name = asked
        answer = await run_in_threadpool(engine.answer, query, variables, name, encode, str(request.base_url))
        return _json(200, answer)

    @api.get("/bulk/{number}.jsonl")
    async def result(number: int, request: Request, signature: str = "") -> Response:
        made = engine.bulk.find(number)
        if made is None or made.status not in ("COMPLETED", "FAILED") or made.signature != signature:
            return Response(b"<Error><Code>ExpiredToken</Code></Error>", 400, media_type="application/xml")
        if "x-shopify-access-token" in request.headers:
            return Response(b"the files lie with somebody else, who must not see the token", 400)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(gzip.compress(content(made)), 200, {"Content-Encoding": "gzip"}, "application/jsonl")
        return Response(content(made), 200, media_type="application/jsonl")

    return api


def _request(body: bytes, content_type: str) -> tuple[str, dict[str, Any] | None, str | None] | None:
    """The query, variables and operation name of a request; None if it has no query."""
    if content_type.startswith("application/graphql"):
        return body.decode(errors="replace"), None, None
    try:
        asked = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        return None
    variables, name = asked.get("variables"), asked.get("operationName")
    if not isinstance(variables, dict | None) or not isinstance(name, str | None):
        return None
    return asked["query"], variables, name or None


def _json(status: int, body: bytes) -> Response:
    headers = {"X-Request-Id": str(uuid.uuid4()), "X-Shopify-API-Version": API_VERSION}
    return Response(body, status, headers, "application/json; charset=utf-8")
