"""What a query costs, before it runs and after.

Shopify publishes: a scalar or enum costs 0, an object 1, an interface or union
the most that can be selected in it, a connection is sized by `first` or
`last`, and the actual cost comes from what came back. How the sizing is done
it keeps to itself, saying only that it grows with the logarithm. The formula
here, 2 + floor(2 ln n) times the cost of one node, money bags and page info
free, is inferred: it gives the costs which Shopify's documentation and answers
that apps have made public show for queries of one to 250 nodes, within a point.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
)

MAX_QUERY_COST = 1000
CONNECTION_COST = 2
FREE = frozenset({"MoneyBag", "MoneyV2", "PageInfo"})


@dataclass(slots=True)
class Priced:
    """One selected field that costs something: a connection, a list or an object.

    `size` is how many were asked for: a number, the name of a variable, or
    None where the field takes no size.
    """

    key: str
    kind: str  # "connection", "list", "object"
    on: str  # the type that it was selected on, for fragments
    size: int | str | None = None
    children: list[Priced] = field(default_factory=list)


def scaled(count: int) -> int:
    """By how much `count` nodes of a connection multiply the cost of one."""
    return 0 if count <= 0 else max(1, math.floor(2 * math.log(count)))


def requested(fields: list[Priced], variables: dict[str, Any]) -> int:
    """The cost of the fields, taking every connection to come back full."""
    by_type: dict[str, int] = {}
    for each in fields:
        by_type[each.on] = by_type.get(each.on, 0) + _requested(each, variables)
    common = by_type.pop("", 0)
    return common + max(by_type.values(), default=0)


def _requested(each: Priced, variables: dict[str, Any]) -> int:
    one = 1 + requested(each.children, variables)
    size = variables.get(each.size) if isinstance(each.size, str) else each.size
    if each.kind == "connection":
        return CONNECTION_COST + scaled(size or 0) * one
    return one * scaled(size) if size else one


def actual(fields: list[Priced], data: dict[str, Any] | None) -> int:
    """The cost of what came back: nothing for what is null, but 1 for the look-up of an object."""
    return sum(_actual(each, data.get(each.key)) for each in fields) if data else 0


def _actual(each: Priced, value: Any) -> int:
    if each.kind == "connection":
        nodes = value.get("nodes") or [edge.get("node") for edge in value.get("edges") or ()] if value else []
        return CONNECTION_COST + _many(each, nodes)
    if each.kind == "list":
        return _many(each, value or []) or 1
    return 1 + actual(each.children, value)


def _many(each: Priced, nodes: list[Any]) -> int:
    if not nodes:
        return 0
    total = sum(1 + actual(each.children, node) for node in nodes)
    return max(1, round(total / len(nodes) * scaled(len(nodes))))


def plan(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> list[Priced]:
    """The priced fields of a validated operation."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    root = schema.get_root_type(operation.operation)
    assert root is not None  # the schema file has one
    return list(_plan(schema, fragments, root, operation.selection_set, ""))


def _plan(
    schema: GraphQLSchema,
    fragments: dict[str, FragmentDefinitionNode],
    parent: Any,
    selected: SelectionSetNode,
    on: str,
) -> Iterator[Priced]:
    for node in selected.selections:
        if isinstance(node, FieldNode):
            yield from _field(schema, fragments, parent, node, on)
            continue
        fragment: FragmentDefinitionNode | InlineFragmentNode
        if isinstance(node, FragmentSpreadNode):
            fragment = fragments[node.name.value]
        else:
            assert isinstance(node, InlineFragmentNode)  # there is no fourth kind of selection
            fragment = node
        condition = fragment.type_condition
        target: Any = schema.get_type(condition.name.value) if condition else parent
        narrowed = isinstance(parent, GraphQLInterfaceType) and isinstance(target, GraphQLObjectType)
        yield from _plan(schema, fragments, target, fragment.selection_set, target.name if narrowed else on)


def _field(
    schema: GraphQLSchema,
    fragments: dict[str, FragmentDefinitionNode],
    parent: Any,
    node: FieldNode,
    on: str,
) -> Iterator[Priced]:
    definition = parent.fields.get(node.name.value)
    named = get_named_type(definition.type) if definition else None
    if node.selection_set is None or not is_composite_type(named) or named.name in FREE:
        return
    inner = list(_plan(schema, fragments, named, node.selection_set, ""))
    key = node.alias.value if node.alias else node.name.value
    if named.name.endswith("Connection"):
        # `nodes` and `edges { node }` name the same things: they are paid for once.
        children: dict[str, Priced] = {}
        for part in inner:
            below = part.children if part.key == "nodes" else [c for e in part.children for c in e.children]
            children |= {child.key: child for child in below}
        yield Priced(key, "connection", on, _size(node), list(children.values()))
    elif isinstance(get_nullable_type(definition.type), GraphQLList):
        yield Priced(key, "list", on, _size(node), inner)
    else:
        yield Priced(key, "object", on, None, inner)


def _size(node: FieldNode) -> int | str | None:
    for argument in node.arguments or ():
        if argument.name.value in ("first", "last", "ids"):
            value = argument.value
            if isinstance(value, IntValueNode):
                return int(value.value)
            if isinstance(value, VariableNode) and argument.name.value != "ids":
                return value.name.value
    return None
