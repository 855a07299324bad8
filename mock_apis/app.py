"""The web application: the APIs, the bucket and the admin endpoints over one world."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from mock_apis import admin, s3, shopify, stripe
from mock_apis.faults import Faults
from mock_apis.middleware import App, FaultLayer, WorldClock
from mock_apis.shopify.router import DEFAULT_BUCKET, DEFAULT_RESTORE
from mock_apis.webhooks import WebhookSender
from mock_apis.world.ref import WorldRef


def create_app(
    world_ref: WorldRef,
    *,
    faults: Faults | None = None,
    shopify_token: str | None = None,
    shopify_bucket: int = DEFAULT_BUCKET,
    shopify_restore: int = DEFAULT_RESTORE,
    stripe_key: str | None = None,
    host_key: Callable[[], str | None] = lambda: None,
    kafka: str | None = None,
    remember: Callable[[int], None] = lambda days: None,
    webhooks: WebhookSender | None = None,
) -> App:
    """Everything that is served over HTTP, as one ASGI application.

    Serve it with uvicorn under `date_header=False` and `http=middleware.Protocol`:
    the Date of an answer is the world's, and a fault may break its connection.
    """
    faults = Faults() if faults is None else faults
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    limits = {"bucket": shopify_bucket, "restore": shopify_restore}
    app.include_router(shopify.router(world_ref, token=shopify_token, faults=faults, **limits))
    app.include_router(stripe.router(world_ref, api_key=stripe_key))
    app.include_router(s3.router(world_ref))
    if webhooks is None:
        webhooks = WebhookSender({})
    else:
        world_ref.on_advance = webhooks.tell
    app.include_router(admin.router(world_ref, faults, host_key, kafka, remember, webhooks.counts))
    return WorldClock(FaultLayer(app, faults), world_ref)
