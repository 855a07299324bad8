"""How customers and addresses are answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mock_apis.shopify.fields import Resolver, constant, identified, of, plain, when
from mock_apis.shopify.nodes import AddressNode
from mock_apis.shopify.values import gid
from mock_apis.world.shop_model import Customer


def person(read: Callable[[Customer], Any]) -> Resolver:
    return lambda node, _info: read(node.person) if node.person else None


def full_name(customer: Customer) -> str:
    return f"{customer.first_name} {customer.last_name}".strip() or customer.email


def subscribed(customer: Customer) -> str | None:
    return "SINGLE_OPT_IN" if customer.marketing_state == "SUBSCRIBED" else None


CUSTOMER: dict[str, dict[str, Resolver]] = {
    "MailingAddress": {
        "id": of(lambda node: gid("MailingAddress", node.number)),
        "city": plain("source.city"),
        "zip": plain("source.zip"),
        "provinceCode": plain("source.province_code"),
        "countryCode": plain("source.country_code"),
        "countryCodeV2": plain("source.country_code"),
        "firstName": person(lambda each: each.first_name),
        "lastName": person(lambda each: each.last_name),
        "name": person(full_name),
    },
    "Customer": identified("Customer", "id")
    | {
        "email": plain("email"),
        "firstName": plain("first_name"),
        "lastName": plain("last_name"),
        "displayName": of(full_name),
        "phone": plain("phone"),
        "note": constant(None),
        "state": constant("DISABLED"),
        "locale": of(lambda customer: "de" if customer.country_code in ("DE", "AT") else "en"),
        "tags": plain("tags"),
        "taxExempt": constant(False),
        "verifiedEmail": constant(True),
        "validEmailAddress": constant(True),
        "createdAt": when("created_at"),
        "updatedAt": when("updated_at"),
        "numberOfOrders": lambda customer, info: str(len(info.context.orders_by_customer.get(customer.id, ()))),
        "lastOrder": lambda customer, info: max(
            info.context.orders_by_customer.get(customer.id, ()),
            key=lambda order: (order.processed_at, order.id),
            default=None,
        ),
        "defaultAddress": of(lambda customer: AddressNode(customer.id, customer, customer)),
        "defaultEmailAddress": of(lambda customer: customer if customer.email else None),
        "defaultPhoneNumber": of(lambda customer: customer if customer.phone else None),
        "emailMarketingConsent": of(lambda customer: customer if customer.email else None),
    },
    "CustomerEmailAddress": {
        "emailAddress": plain("email"),
        "marketingState": plain("marketing_state"),
        "marketingOptInLevel": of(subscribed),
        "marketingUpdatedAt": when("marketing_updated_at"),
        "validFormat": constant(True),
    },
    "CustomerPhoneNumber": {
        "phoneNumber": plain("phone"),
        "marketingState": constant("NOT_SUBSCRIBED"),
    },
    "CustomerEmailMarketingConsentState": {
        "marketingState": plain("marketing_state"),
        "marketingOptInLevel": of(subscribed),
        "consentUpdatedAt": when("marketing_updated_at"),
    },
}
