"""The world's records as graph nodes: a child together with the parent it needs to answer for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mock_apis.shopify.connections import Key, Ordered, in_order
from mock_apis.world.shop_model import (
    Customer,
    Line,
    Money,
    Order,
    OrderAdjustment,
    Product,
    Refund,
    RefundLine,
    RefundShippingLine,
    Transaction,
    Variant,
)

if TYPE_CHECKING:
    from mock_apis.shopify.bulk import BulkOperations
    from mock_apis.world.world import World


@dataclass(slots=True)
class LineNode:
    line: Line
    order: Order

    @property
    def current_quantity(self) -> int:
        """Units that the customer keeps: ordered and not refunded."""
        refunded = sum(
            each.quantity for refund in self.order.refunds for each in refund.lines if each.line_id == self.line.id
        )
        return self.line.ordered - refunded


@dataclass(slots=True)
class RefundNode:
    refund: Refund
    order: Order


@dataclass(slots=True)
class RefundLineNode:
    refund_line: RefundLine
    order: Order


@dataclass(slots=True)
class RefundShippingLineNode:
    part: RefundShippingLine
    order: Order


@dataclass(slots=True)
class AdjustmentNode:
    adjustment: OrderAdjustment
    order: Order


@dataclass(slots=True)
class TransactionNode:
    transaction: Transaction
    order: Order


@dataclass(slots=True)
class VariantNode:
    variant: Variant
    product: Product
    position: int


@dataclass(slots=True)
class TaxNode:
    title: str
    rate: float
    price: Money


@dataclass(slots=True)
class ShippingNode:
    order: Order


@dataclass(slots=True)
class InventoryNode:
    variant: Variant
    product: Product


@dataclass(slots=True)
class AddressNode:
    """The one address of an order's buyer or of a customer."""

    number: int
    source: Order | Customer
    person: Customer | None


@dataclass
class Graph:
    """One state of the world with the look-ups that requests need, each made when first asked for.

    `search_notes` is what the answer to the current request must say of its searches, `base_url` where it was sent to.
    """

    world: World
    bulk: BulkOperations
    search_notes: list[dict[str, Any]] = field(default_factory=list)
    base_url: str = ""
    _sorted: dict[tuple[str, str], Ordered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._now = self.world.now

    def still_true(self, world: World) -> bool:
        """Whether the world is the one that the look-ups were made from."""
        return world is self.world and world.now == self._now

    def in_order(self, kind: str, sort: str, things: Iterable[Any], key_of: Callable[[Any], Key]) -> Ordered:
        """All things of a kind in a sort order."""
        if (kind, sort) not in self._sorted:
            self._sorted[kind, sort] = in_order(things, key_of)
        return self._sorted[kind, sort]

    @cached_property
    def orders_by_customer(self) -> dict[int, list[Order]]:
        found: dict[int, list[Order]] = {}
        for order in self.world.orders.values():
            if order.customer_id is not None:
                found.setdefault(order.customer_id, []).append(order)
        return found

    def variants_of(self, product: Product) -> list[VariantNode]:
        return [VariantNode(each, product, place) for place, each in enumerate(product.variants, start=1)]

    @cached_property
    def variants(self) -> dict[int, VariantNode]:
        return {node.variant.id: node for each in self.world.products.values() for node in self.variants_of(each)}

    def node(self, kind: str, number: int) -> Any | None:
        """The thing behind a global id, or None."""
        world = self.world
        match kind:
            case "Order":
                return world.orders.get(number)
            case "Customer":
                return world.customers.get(number)
            case "Product":
                return world.products.get(number)
            case "ProductVariant":
                return self.variants.get(number)
            case "BulkOperation":
                return self.bulk.find(number)
            case "InventoryItem":
                variant = self.variants.get(number)
                return InventoryNode(variant.variant, variant.product) if variant else None
            case "LineItem" | "Refund" | "RefundShippingLine" | "OrderAdjustment" | "OrderTransaction":
                return next((found for found in self._children(kind) if found[0] == number), (0, None))[1]
            case _:
                return None

    def _children(self, kind: str) -> Iterable[tuple[int, Any]]:
        for order in self.world.orders.values():
            if kind == "LineItem":
                yield from ((each.id, LineNode(each, order)) for each in order.lines)
            elif kind == "Refund":
                yield from ((each.id, RefundNode(each, order)) for each in order.refunds)
            elif kind == "RefundShippingLine":
                parts = (each for refund in order.refunds for each in refund.shipping_lines)
                yield from ((each.id, RefundShippingLineNode(each, order)) for each in parts)
            elif kind == "OrderAdjustment":
                adjustments = (each for refund in order.refunds for each in refund.adjustments)
                yield from ((each.id, AdjustmentNode(each, order)) for each in adjustments)
            else:
                yield from ((each.id, TransactionNode(each, order)) for each in order.transactions)
