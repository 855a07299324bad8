"""Hand-made rows of raw, in the shape in which ingestion leaves them."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

Record = dict[str, Any]
LOAD = uuid.UUID(int=1)


def insert(connection: psycopg.Connection, table: str, version: str, record: Record | str, **more: Any) -> None:
    """One row of raw.`table`, committed: its load timestamp is that of its own transaction.

    A text record is stored as it is. `key` says what a text's key is; `deleted` marks a deletion.
    """
    data = record if isinstance(record, str) else json.dumps(record)
    key = more.get("key") or _key(record)
    with connection.transaction():
        connection.execute("select raw.make_months(%s, array[%s::timestamptz])", (table, version))
        connection.execute(
            sql.SQL(
                "insert into raw.{} (record_key, record_version, content_hash, source_data, _load_id, _extracted_at,"
                " _deleted) values (%s, %s, %s, %s, %s, now(), %s)"
            ).format(sql.Identifier(table)),
            (key, version, hashlib.sha256(data.encode()).digest(), data, LOAD, more.get("deleted", False)),
        )


def _key(record: Record | str) -> str:
    if isinstance(record, str):
        raise ValueError("a text has no key of its own: pass key=")
    return str(next(record[name] for name in ("id", "event_id", "campaign_id") if name in record))


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def bag(amount: str) -> Record:
    money = {"amount": amount, "currencyCode": "EUR"}
    return {"shopMoney": money, "presentmentMoney": money}


def line(number: int, price: str, units: int, product: int | None = 1, variant: int | None = None) -> Record:
    """A line of `units` that are kept, its taxes a fifth of the price and not in it."""
    return {
        "id": gid("LineItem", number),
        "sku": f"SKU-{number}",
        "title": "Tea",
        "quantity": units,
        "currentQuantity": units,
        "originalUnitPriceSet": bag(price),
        "discountAllocations": [],
        "taxLines": [{"title": "VAT", "rate": 0.2, "priceSet": bag(str(float(price) * units / 5))}],
        "product": {"id": gid("Product", product)} if product else None,
        "variant": {"id": gid("ProductVariant", variant)} if variant else None,
    }


def refund(number: int, at: str, line_number: int, units: int, subtotal: str, tax: str = "0.00") -> Record:
    back = {
        "id": gid("RefundLineItem", number),
        "quantity": units,
        "lineItem": {"id": gid("LineItem", line_number)},
        "subtotalSet": bag(subtotal),
        "totalTaxSet": bag(tax),
    }
    return {"id": gid("Refund", number), "createdAt": at, "refundLineItems": {"nodes": [back]}}


def shipping_refund(number: int, at: str, subtotal: str, tax: str) -> Record:
    back = {"id": gid("RefundShippingLine", number), "subtotalAmountSet": bag(subtotal), "taxAmountSet": bag(tax)}
    return {
        "id": gid("Refund", number),
        "createdAt": at,
        "refundLineItems": {"nodes": []},
        "refundShippingLines": {"nodes": [back]},
    }


def sale(number: int, amount: str, at: str) -> Record:
    return {
        "id": gid("OrderTransaction", number),
        "kind": "SALE",
        "status": "SUCCESS",
        "amountSet": bag(amount),
        "processedAt": at,
    }


def order(number: int, at: str, lines: Iterable[Record], **more: Any) -> Record:
    """A paid order of a guest in Germany, without shipping; `more` are Shopify's own fields."""
    return {
        "id": gid("Order", number),
        "name": f"#{number}",
        "createdAt": at,
        "processedAt": at,
        "updatedAt": at,
        "cancelledAt": None,
        "test": False,
        "email": f"Guest{number}@Example.com",
        "taxesIncluded": False,
        "currencyCode": "EUR",
        "presentmentCurrencyCode": "EUR",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "FULFILLED",
        "discountCodes": [],
        "customer": None,
        "shippingAddress": {"countryCodeV2": "DE", "city": "Berlin", "zip": "10115"},
        "shippingLines": {"nodes": []},
        "lineItems": {"nodes": list(lines)},
        "refunds": [],
        "transactions": [],
        **more,
    }


def customer(number: int, city: str, email: str = "ada@example.com") -> Record:
    return {
        "id": gid("Customer", number),
        "firstName": "Ada",
        "lastName": "Byron",
        "defaultEmailAddress": {"emailAddress": email, "marketingState": "SUBSCRIBED"},
        "createdAt": "2026-06-01T00:00:00Z",
        "updatedAt": "2026-06-01T00:00:00Z",
        "defaultAddress": {"countryCodeV2": "DE", "city": city, "zip": "10115"},
    }


def product(number: int, title: str, *variants: Record) -> Record:
    at = "2026-06-01T00:00:00Z"
    return {
        "id": gid("Product", number),
        "title": title,
        "status": "ACTIVE",
        "createdAt": at,
        "updatedAt": at,
        "variants": {"nodes": list(variants)},
    }


def variant(number: int, price: str, changed_at: str, compare_at: str | None = None) -> Record:
    """A variant of a product, its price and the crossed-out one since `changed_at`."""
    return {
        "id": gid("ProductVariant", number),
        "price": price,
        "compareAtPrice": compare_at,
        "createdAt": "2026-06-01T00:00:00Z",
        "updatedAt": changed_at,
    }


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


def charge(name: str, order_number: int, at: str, **more: Any) -> Record:
    return {
        "id": name,
        "object": "charge",
        "amount": 2000,
        "amount_captured": 2000,
        "amount_refunded": 0,
        "captured": True,
        "created": epoch(at),
        "currency": "eur",
        "status": "succeeded",
        "metadata": {"order_id": str(order_number)},
        **more,
    }


def balance_transaction(name: str, source: str, amount: int, fee: int, at: str) -> Record:
    return {
        "id": name,
        "source": source,
        "type": "charge",
        "reporting_category": "charge",
        "status": "pending",
        "currency": "eur",
        "amount": amount,
        "fee": fee,
        "net": amount - fee,
        "created": epoch(at),
        "available_on": epoch(at),
    }


def payout(name: str, amount: int, at: str) -> Record:
    return {"id": name, "currency": "eur", "amount": amount, "status": "paid", "created": epoch(at)}


def campaign(name: str, at: str, cost: str = "100.00") -> Record:
    return {
        "campaign_id": name,
        "name": f"Campaign {name}",
        "status": "sent",
        "sent_at": at,
        "cost_amount": cost,
        "cost_currency": "EUR",
        "updated_at": at,
    }


def event(name: str, kind: str, campaign_name: str, email: str, at: str) -> Record:
    return {"event_id": name, "event_type": kind, "campaign_id": campaign_name, "email": email, "occurred_at": at}


def web_event(name: str, at: str, session: int, *products: int, source: str = "google") -> Record:
    """An event of web analytics; its export has no id for it, so pass key= to `insert`."""
    return {
        "event_date": at[:10].replace("-", ""),
        "event_timestamp": str(epoch(at) * 1_000_000),
        "event_name": name,
        "user_pseudo_id": "1.2",
        "event_params": [{"key": "ga_session_id", "value": {"int_value": str(session)}}],
        "collected_traffic_source": {"manual_source": source, "manual_medium": "organic"},
        "items": [{"item_id": str(product)} for product in products],
    }
