"""The executable schema: Shopify's types from schema.graphql, with a resolver on every field."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from graphql import GraphQLEnumType, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, build_schema

from mock_apis.shopify.bulk import BULK_MUTATION, BULK_OPERATION, BULK_QUERY, BulkOperation
from mock_apis.shopify.customers import CUSTOMER
from mock_apis.shopify.fields import Resolver, key, of
from mock_apis.shopify.nodes import (
    AdjustmentNode,
    InventoryNode,
    LineNode,
    RefundNode,
    RefundShippingLineNode,
    TransactionNode,
    VariantNode,
)
from mock_apis.shopify.orders import ORDER, ORDER_PARTS, error_code
from mock_apis.shopify.products import PRODUCT, SHOP
from mock_apis.shopify.queries import QUERY, orders_of
from mock_apis.world.shop_model import Customer, Order, Product

SDL = Path(__file__).with_name("schema.graphql")
TYPE_OF: dict[type, str] = {
    Order: "Order",
    Customer: "Customer",
    Product: "Product",
    VariantNode: "ProductVariant",
    InventoryNode: "InventoryItem",
    LineNode: "LineItem",
    RefundNode: "Refund",
    RefundShippingLineNode: "RefundShippingLine",
    AdjustmentNode: "OrderAdjustment",
    TransactionNode: "OrderTransaction",
    BulkOperation: "BulkOperation",
}
CONNECTION: dict[str, Resolver] = {
    "nodes": of(lambda page: page.nodes),
    "edges": of(lambda page: page.edges()),
    "pageInfo": of(lambda page: page.page_info()),
}


def _resolvers(schema: GraphQLSchema) -> dict[str, dict[str, Resolver]]:
    codes = schema.type_map["OrderTransactionErrorCode"]
    assert isinstance(codes, GraphQLEnumType)
    known = frozenset(codes.values)
    found = (
        {
            "QueryRoot": QUERY | BULK_QUERY,
            "Mutation": BULK_MUTATION,
            "BulkOperation": BULK_OPERATION,
            "Order": ORDER,
            "Shop": SHOP,
        }
        | ORDER_PARTS
        | CUSTOMER
        | PRODUCT
    )
    found["Customer"] = found["Customer"] | {"orders": orders_of}
    found["OrderTransaction"] = found["OrderTransaction"] | {"errorCode": of(lambda node: error_code(node, known))}
    return found


def _type_name(value: Any, _info: Any, _abstract: Any) -> str:
    return TYPE_OF.get(type(value), "Shop")


@cache
def schema() -> GraphQLSchema:
    """The schema, built once a process.

    Raises KeyError if a field of the file has no resolver.
    """
    built = build_schema(SDL.read_text(encoding="utf-8"))
    resolvers = _resolvers(built)
    for name, kind in built.type_map.items():
        if isinstance(kind, GraphQLInterfaceType):
            kind.resolve_type = _type_name
        if not isinstance(kind, GraphQLObjectType) or name.startswith("__"):
            continue
        for field_name, field in kind.fields.items():
            if name.endswith("Connection"):
                field.resolve = CONNECTION[field_name]
            elif name in resolvers:
                field.resolve = resolvers[name][field_name]
            else:
                # Edges, page info, counts and money are plain dicts.
                field.resolve = key(field_name)
    return built
