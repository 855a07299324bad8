"""What web analytics saw."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class WebItem:
    product_id: str
    sku: str
    title: str
    quantity: int
    price: int  # minor units of the shop's currency


@dataclass(slots=True, frozen=True)
class WebEvent:
    """What web analytics saw. `late` ones reach only a corrected export, `spam` ones are gone from it."""

    micros: int  # since 1970
    name: str  # session_start, page_view, view_item, add_to_cart, begin_checkout, purchase
    user: str
    session: int
    page: int
    index: int  # within the page's batch
    source: tuple[str, str, str]  # source, medium, campaign
    device: tuple[str, str, str]  # category, brand, operating system
    country: str | None
    order_id: int | None
    items: tuple[WebItem, ...]
    late: bool
    spam: bool
