"""Shopify's Admin GraphQL API, as far as the lists of products and of orders go."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.ingestion.conformance.adapter import Document, Thing
from tests.ingestion.conformance.corpus import JSON, KEYS
from tests.ingestion.conformance.http_adapter import HttpAdapter
from tests.ingestion.scripted import Answer, Asked

PARTS: dict[str, Any] = {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}


def prices(amount: str, currency: str) -> Document:
    money = {"amount": amount, "currencyCode": currency}
    bag = {"shopMoney": money, "presentmentMoney": money}
    named = {"currencyCode": currency, "presentmentCurrencyCode": currency}
    return {**named, **dict.fromkeys(("totalPriceSet", "totalShippingPriceSet", "totalRefundedSet"), bag)}


class ShopifyAdapter(HttpAdapter):
    """What the lists share, each sorted by its time of change; all that there is was created before any bound."""

    source = "shopify"
    corpus = (*JSON, *KEYS)
    times = ("updatedAt",)
    address, credential = "SHOPIFY_API_URL", "SHOPIFY_ACCESS_TOKEN"

    def answer(self, asked: Asked) -> Answer:
        body = json.loads(asked.body)
        if body["operationName"] == "Clock":
            return Answer(b'{"data": {"shop": {"id": "gid://shopify/Shop/1"}}}')
        variables = body["variables"]
        asks = dict(re.findall(r"(updated_at:>=|updated_at:<=|created_at:<=|id:)'?([^' ]+)", variables["query"]))
        assert asks
        after = json.loads(variables["after"]) if variables["after"] else ["", 0]
        found = sorted((_time(each.changed), each.number) for each in self.things.values())
        low, high = asks.get("updated_at:>=", ""), asks.get("updated_at:<=", "~")
        found = [each for each in found if low <= each[0] <= high and [*each] > after]
        if number := asks.get("id:"):
            found = [each for each in found if each[1] == int(number)]
        page = found[: min(self.page, variables["first"])]
        info: dict[str, Any] = {
            "hasNextPage": len(found) > len(page),
            "endCursor": json.dumps(page[-1]) if page else None,
        }
        nodes = b",".join(self.bytes_of(self.things[number]) for _, number in page)
        answer = b'{"data": {"%s": {"nodes": [%s], "pageInfo": %s}}}'
        return Answer(answer % (self.stream.encode(), nodes, json.dumps(info).encode()))

    def too_many(self) -> Answer:
        return Answer(b'{"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}')


class ProductsAdapter(ShopifyAdapter):
    name = "shopify-products"
    stream = "products"
    required = "handle"

    def key(self, number: int) -> str:
        return f"gid://shopify/Product/{number}"

    def document(self, thing: Thing) -> Document:
        return {
            "id": thing.key,
            "title": "<hole>" if thing.hole else "Tea",
            "handle": "tea",
            "vendor": thing.mark,
            "productType": "Tea",
            "status": "ACTIVE",
            "createdAt": _time(thing.created),
            "updatedAt": _time(thing.changed),
            "variants": PARTS,
        }


class OrdersAdapter(ShopifyAdapter):
    name = "shopify-orders"
    stream = "orders"
    required = "displayFulfillmentStatus"
    money = (prices("1500", "JPY"), prices("1.234", "BHD"))

    def key(self, number: int) -> str:
        return f"gid://shopify/Order/{number}"

    def document(self, thing: Thing) -> Document:
        return {
            "id": thing.key,
            "name": thing.mark,
            **dict.fromkeys(("createdAt", "processedAt"), _time(thing.created)),
            "updatedAt": _time(thing.changed),
            **dict.fromkeys(("cancelledAt", "email", "customer", "shippingAddress")),
            **{"test": False, "taxesIncluded": True, **prices("1.5", "EUR")},
            **{"displayFinancialStatus": "PAID", "displayFulfillmentStatus": "FULFILLED"},
            **dict.fromkeys(("totalTaxSet", "totalDiscountsSet")),
            **{"shippingLines": PARTS, "lineItems": PARTS, "refunds": [], "transactions": []},
            **{"discountCodes": [], "cancelReason": "<hole>" if thing.hole else None},
        }


def _time(when: Any) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
