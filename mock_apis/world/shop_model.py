"""The shop's things, each as it stands at the world's `now`: what it sells, who buys, what was ordered.

Money is integer minor units. `Money.shop` is in the shop's currency (EUR), `Money.presentment` in the currency the
buyer saw (`currency`), which may have no decimals (JPY). Times are aware UTC datetimes with whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True, frozen=True)
class Money:
    """An amount in the shop's currency and in the buyer's."""

    shop: int
    presentment: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.shop + other.shop, self.presentment + other.presentment, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.shop - other.shop, self.presentment - other.presentment, self.currency)

    def times(self, quantity: int) -> Money:
        return Money(self.shop * quantity, self.presentment * quantity, self.currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(0, 0, currency)

    @classmethod
    def total(cls, parts: Iterable[Money], currency: str) -> Money:
        """The sum of `parts`, which may be none."""
        shop = presentment = 0
        for part in parts:
            shop += part.shop
            presentment += part.presentment
        return cls(shop, presentment, currency)


@dataclass(slots=True)
class Variant:
    id: int
    product_id: int
    sku: str
    title: str
    price: int  # minor units of the shop's currency
    cost: int | None
    updated_at: datetime
    compare_at_price: int | None = None  # crossed out beside the price while that is marked down


@dataclass(slots=True)
class Product:
    id: int
    title: str
    handle: str
    vendor: str
    product_type: str
    status: str  # ACTIVE, ARCHIVED, DRAFT
    created_at: datetime
    updated_at: datetime
    variants: list[Variant] = field(default_factory=list)


@dataclass(slots=True)
class Customer:
    id: int
    email: str
    first_name: str
    last_name: str
    phone: str | None
    country_code: str
    province_code: str | None
    city: str
    zip: str
    marketing_state: str  # SUBSCRIBED, UNSUBSCRIBED, NOT_SUBSCRIBED
    tags: list[str]
    created_at: datetime
    updated_at: datetime
    stripe_id: str | None = None
    marketing_updated_at: datetime | None = None  # None as long as the state is that of the beginning


@dataclass(slots=True)
class Line:
    """`quantity` is what was ordered first; an edit moves units to `removed`.

    `discount` and `tax` are the totals for the units that the order still
    asks for (`quantity - removed`), refunded ones included.
    """

    id: int
    product_id: int | None
    variant_id: int | None
    sku: str | None
    title: str
    quantity: int
    unit_price: Money
    discount: Money
    tax: Money
    tax_rate: float
    tax_title: str  # "" when nothing is taxed (tax_rate 0)
    removed: int = 0

    @property
    def ordered(self) -> int:
        return self.quantity - self.removed

    @property
    def price(self) -> Money:
        """What the ordered units cost after their discount, tax as the order has it."""
        return self.unit_price.times(self.ordered) - self.discount


@dataclass(slots=True)
class RefundLine:
    id: int
    line_id: int
    quantity: int
    subtotal: Money  # with the tax in it when the order's taxes are included
    tax: Money


@dataclass(slots=True)
class RefundShippingLine:
    id: int
    subtotal: Money  # with the tax in it when the order's taxes are included
    tax: Money


@dataclass(slots=True)
class OrderAdjustment:
    """By how much a refund differs from what came back: less than nothing when the buyer got more."""

    id: int
    amount: Money
    reason: str  # CUSTOMER, DAMAGE, FULL_RETURN_BALANCING_ADJUSTMENT


@dataclass(slots=True)
class Refund:
    id: int
    created_at: datetime
    lines: list[RefundLine]
    total: Money
    note: str | None = None
    shipping_lines: list[RefundShippingLine] = field(default_factory=list)
    adjustments: list[OrderAdjustment] = field(default_factory=list)


@dataclass(slots=True)
class Transaction:
    id: int
    kind: str  # AUTHORIZATION, CAPTURE, SALE, REFUND, VOID
    status: str  # SUCCESS, FAILURE, PENDING
    amount: Money
    processed_at: datetime
    parent_id: int | None = None
    payment_id: str | None = None  # the Stripe charge (or refund) behind it
    error_code: str | None = None
    gateway: str = "stripe"  # or paypal, gift_card, manual


@dataclass(slots=True)
class Order:
    id: int
    name: str
    customer_id: int | None  # None for a guest
    email: str
    country_code: str | None  # None: nothing is shipped, the order has no shipping address
    province_code: str | None
    city: str | None
    zip: str | None
    created_at: datetime
    processed_at: datetime  # earlier than created_at when the order was imported
    updated_at: datetime
    currency: str  # the buyer's
    taxes_included: bool
    lines: list[Line]
    shipping: Money
    shipping_tax: Money
    discount_codes: list[str]
    financial_status: str  # PAID, AUTHORIZED, PENDING, PARTIALLY_REFUNDED, REFUNDED, VOIDED, EXPIRED
    fulfillment_status: str  # UNFULFILLED, FULFILLED, PARTIALLY_FULFILLED
    test: bool = False
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    campaign_id: str | None = None  # what led to it, for the simulation only: no API serves it
    refunds: list[Refund] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)

    @property
    def total_tax(self) -> Money:
        return Money.total((line.tax for line in self.lines), self.currency) + self.shipping_tax

    @property
    def total_discounts(self) -> Money:
        return Money.total((line.discount for line in self.lines), self.currency)

    @property
    def total(self) -> Money:
        """What the order asks for after edits and before returns."""
        price = Money.total((line.price for line in self.lines), self.currency) + self.shipping
        return price if self.taxes_included else price + self.total_tax

    @property
    def total_refunded(self) -> Money:
        return Money.total((refund.total for refund in self.refunds), self.currency)

    @property
    def shipping_refunded(self) -> Money:
        """Of the shipping, with the tax in it when the order's taxes are included."""
        return Money.total((part.subtotal for r in self.refunds for part in r.shipping_lines), self.currency)

    @property
    def shipping_tax_refunded(self) -> Money:
        return Money.total((part.tax for r in self.refunds for part in r.shipping_lines), self.currency)

    @property
    def paid(self) -> Money:
        """What was taken from the buyer, before refunds."""
        taken = (t.amount for t in self.transactions if t.kind in ("SALE", "CAPTURE") and t.status == "SUCCESS")
        return Money.total(taken, self.currency)

    def refunded_units(self, line_id: int) -> int:
        return sum(part.quantity for r in self.refunds for part in r.lines if part.line_id == line_id)
