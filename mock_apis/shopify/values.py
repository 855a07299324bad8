"""How Shopify writes ids, times and amounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mock_apis.world.shop_model import Money

ZERO_DECIMAL = frozenset({"JPY"})


def gid(kind: str, number: int) -> str:
    """The global id of a thing: `gid://shopify/Order/1`."""
    return f"gid://shopify/{kind}/{number}"


def timestamp(when: datetime | None) -> str | None:
    """A DateTime: ISO 8601 in UTC, whole seconds."""
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal(minor: int, currency: str) -> str:
    """A Decimal as Shopify's server prints it: as short as can be, yet with one decimal at least."""
    if currency in ZERO_DECIMAL:
        return f"{minor}.0"
    sign, rest = ("-", -minor) if minor < 0 else ("", minor)
    units, cents = divmod(rest, 100)
    return f"{sign}{units}.{cents // 10}" if cents % 10 == 0 else f"{sign}{units}.{cents:02d}"


def money_scalar(minor: int) -> str:
    """The older Money scalar (a variant's price): always two decimals."""
    return f"{minor // 100}.{minor % 100:02d}"


def money(minor: int, currency: str) -> dict[str, str]:
    """A MoneyV2."""
    return {"amount": decimal(minor, currency), "currencyCode": currency}


def money_bag(value: Money, shop_currency: str) -> dict[str, Any]:
    """A MoneyBag: the amount in the shop's currency and in the buyer's."""
    return {
        "shopMoney": money(value.shop, shop_currency),
        "presentmentMoney": money(value.presentment, value.currency),
    }
