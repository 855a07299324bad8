"""The routes under /stripe/v1: lists, single objects, the balance, and errors as documented."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from mock_apis.stripe import access, errors, listing, objects
from mock_apis.stripe.events import API_VERSION
from mock_apis.stripe.ledger import Ledger
from mock_apis.stripe.resources import RESOURCES, Resource
from mock_apis.world.ref import WorldRef

DEFAULT_KEY = "sk_test_demo"
DEFAULT_REQUESTS_PER_SECOND = 500.0
PREFIX = "/stripe"


def router(
    world_ref: WorldRef,
    *,
    api_key: str | None = None,
    requests_per_second: float = DEFAULT_REQUESTS_PER_SECOND,
) -> APIRouter:
    """Serve `world_ref.world` as Stripe does; the key falls back to MOCK_STRIPE_KEY, then "sk_test_demo"."""
    key = api_key or os.environ.get("MOCK_STRIPE_KEY") or DEFAULT_KEY
    rate = access.RateLimit(requests_per_second)
    api = APIRouter(prefix=PREFIX)
    current: list[Ledger] = []

    def ledger() -> Ledger:
        # Sorted once per state of the world; called with the world's lock held.
        if not current or not current[0].still_true(world_ref.world):
            current[:] = [Ledger(world_ref.world)]
        return current[0]

    def answer(request: Request, body: Callable[[], dict[str, Any]]) -> Response:
        try:
            access.check_key(request.headers.get("authorization"), key)
            rate.take()
            with world_ref.lock:
                return _json(request, 200, body())
        except errors.StripeError as error:
            return _json(request, error.status, error.body(), error.headers)

    @api.get("/v1/balance")
    def balance(request: Request) -> Response:
        return answer(request, lambda: objects.balance(ledger()))

    @api.get("/v1/charges/{charge_id}/refunds")
    def refunds_of_charge(request: Request, charge_id: str) -> Response:
        def body() -> dict[str, Any]:
            _find(ledger(), RESOURCES["charges"], charge_id)
            query = listing.parse(request.query_params.multi_items(), RESOURCES["refunds"])
            query.equals["charge"] = charge_id
            return listing.page(ledger(), RESOURCES["refunds"], query, f"/v1/charges/{charge_id}/refunds")

        return answer(request, body)

    @api.get("/v1/{collection}")
    def many(request: Request, collection: str) -> Response:
        def body() -> dict[str, Any]:
            resource = _resource(request, collection)
            query = listing.parse(request.query_params.multi_items(), resource)
            return listing.page(ledger(), resource, query, f"/v1/{collection}")

        return answer(request, body)

    @api.get("/v1/{collection}/{object_id}")
    def one(request: Request, collection: str, object_id: str) -> Response:
        def body() -> dict[str, Any]:
            resource = _resource(request, collection)
            for name in request.query_params:
                raise errors.unknown_parameter(name)
            item = _find(ledger(), resource, object_id)
            if getattr(item, "deleted", False):
                return objects.deleted_customer(item)
            return resource.show(ledger(), item)

        return answer(request, body)

    @api.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def anything_else(request: Request, path: str) -> Response:
        def body() -> dict[str, Any]:
            raise errors.unknown_url(request.method, f"/{path}")

        return answer(request, body)

    return api


def _resource(request: Request, collection: str) -> Resource:
    if resource := RESOURCES.get(collection):
        return resource
    raise errors.unknown_url(request.method, request.url.path.removeprefix(PREFIX))


def _find(ledger: Ledger, resource: Resource, object_id: str) -> Any:
    item = resource.by_id(ledger).get(object_id)
    if item is None:
        raise errors.missing(resource.noun, object_id)
    return item


def _json(request: Request, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={
            "Request-Id": f"req_{secrets.token_hex(7)}",
            "Stripe-Version": request.headers.get("stripe-version", API_VERSION),
            "Cache-Control": "no-cache, no-store",
            **(headers or {}),
        },
    )
