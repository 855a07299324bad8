"""What has happened in the world since a time, as the deliveries that tell of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from mock_apis.shopify.values import gid, timestamp
from mock_apis.stripe.events import event
from mock_apis.stripe.ledger import Ledger
from mock_apis.world.world import World

SHOP_DOMAIN = "pretend-shop.myshopify.com"


class Delivery(NamedTuple):
    """`headers` are those that stay the same at every try; the signature is made at each."""

    target: Literal["stripe", "shopify"]
    body: bytes
    headers: dict[str, str]


def stripe(world: World, since: datetime) -> Iterator[Delivery]:
    """One for each event; one event is one delivery."""
    ledger = Ledger(world)
    for each in world.stripe_events:
        if each.created > since:
            body = msgspec.json.format(msgspec.json.encode(event(ledger, each)), indent=2)
            yield Delivery("stripe", body, {"User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"})


def shopify(world: World, since: datetime) -> Iterator[Delivery]:
    """Created and updated things, and refunds: the ids and times that a receiver needs to fetch them."""
    for topics, kind, things in (
        (("orders/create", "orders/updated"), "Order", world.orders),
        (("customers/create", "customers/update"), "Customer", world.customers),
        (("products/create", "products/update"), "Product", world.products),
    ):
        found: Any
        for found in list(things.values()):
            fields = {
                "id": found.id,
                "admin_graphql_api_id": gid(kind, found.id),
                "created_at": timestamp(found.created_at),
                "updated_at": timestamp(found.updated_at),
            }
            if found.created_at > since:
                yield _shopify(topics[0], fields, found.created_at)
            if found.updated_at > max(since, found.created_at):
                yield _shopify(topics[1], fields, found.updated_at)
    for order in list(world.orders.values()):
        for refund in order.refunds:
            if refund.created_at > since:
                fields = {
                    "id": refund.id,
                    "order_id": order.id,
                    "admin_graphql_api_id": gid("Refund", refund.id),
                    "created_at": timestamp(refund.created_at),
                }
                yield _shopify("refunds/create", fields, refund.created_at)


def _shopify(topic: str, fields: dict[str, Any], at: datetime) -> Delivery:
    triggered = at.isoformat().replace("+00:00", "Z")
    name = hashlib.sha256(f"{topic} {fields['id']} {triggered}".encode()).hexdigest()
    webhook_id = "-".join((name[:8], name[8:12], name[12:16], name[16:20], name[20:32]))
    headers = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Triggered-At": triggered,
        "X-Shopify-Shop-Domain": SHOP_DOMAIN,
        "X-Shopify-API-Version": "2026-10",
    }
    return Delivery("shopify", msgspec.json.encode(fields), headers)
