"""What a bulk operation's query may be: Shopify's own refusals, in its words."""

from __future__ import annotations

from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLList,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    parse,
    validate,
)

MOST_CONNECTIONS = 5
DEEPEST = 2


class Refused(Exception):
    """Why the query may not run as a bulk operation; each argument is one reason."""


def read(text: str, schema: GraphQLSchema) -> DocumentNode:
    """The document of a bulk query. Raises Refused."""
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        raise Refused(f"Invalid bulk query: {error.message}") from None
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY:
        raise Refused("Invalid operation type. Only `query` operations are supported.")
    if errors := validate(schema, document):
        raise Refused(*(f"Invalid bulk query: {error.message}" for error in errors))
    found = _Walk(document)
    found.fields(schema.query_type, operations[0].selection_set, depth=0, in_list=False)
    if any(
        isinstance(it, FieldNode) and it.name.value in ("node", "nodes")
        for it in operations[0].selection_set.selections
    ):
        found.errors.append("Bulk queries cannot contain a top level `node` field.")
    if not found.connections:
        found.errors.append("Bulk queries must contain at least one connection.")
    if found.connections > MOST_CONNECTIONS:
        found.errors.append(f"Bulk queries cannot contain more than {MOST_CONNECTIONS} connections.")
    if found.deepest > DEEPEST:
        found.errors.append(f"Bulk queries cannot contain connections with a nesting depth greater than {DEEPEST}.")
    if found.errors:
        raise Refused(*dict.fromkeys(found.errors))
    return document


class _Walk:
    def __init__(self, document: DocumentNode) -> None:
        each = (it for it in document.definitions if isinstance(it, FragmentDefinitionNode))
        self._fragments = {it.name.value: it for it in each}
        self.connections = self.deepest = 0
        self.errors: list[str] = []

    def fields(self, parent: Any, selected: SelectionSetNode, depth: int, in_list: bool) -> None:
        for node in self._flat(selected):
            field = parent.fields.get(node.name.value)
            if field is None or node.selection_set is None:
                continue
            kind: Any = get_named_type(field.type)
            if not kind.name.endswith("Connection"):
                is_list = isinstance(get_nullable_type(field.type), GraphQLList)
                self.fields(kind, node.selection_set, depth, in_list or is_list)
                continue
            self.connections += 1
            self.deepest = max(self.deepest, depth)
            if in_list:
                self.errors.append(
                    "Queries that contain a connection field within a list field are not currently supported."
                )
            self._connection(node, kind, depth)

    def _connection(self, node: FieldNode, kind: Any, depth: int) -> None:
        name = node.name.value
        inner = {it.name.value: it for it in self._flat(node.selection_set)}
        if "nodes" in inner or "edges" not in inner:
            self.errors.append(
                "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g:"
                " 'products { edges { node {'. Selecting via 'nodes' is not supported. Invalid connection fields:"
                f" '{name}'."
            )
            return
        edge = next(it for it in self._flat(inner["edges"].selection_set) if it.name.value == "node")
        thing: Any = get_named_type(get_named_type(kind.fields["edges"].type).fields["node"].type)
        below = self.connections
        assert edge.selection_set is not None  # it was validated
        self.fields(thing, edge.selection_set, depth + 1, in_list=False)
        plain = [it for it in self._flat(edge.selection_set) if it.name.value == "id" and it.alias is None]
        if self.connections > below and not plain:
            self.errors.append(
                "The parent 'node' field for a nested connection must select the 'id' field without an alias and must"
                f" be of 'ID' return type. Connection fields without 'id': {name}."
            )

    def _flat(self, selected: SelectionSetNode | None) -> list[FieldNode]:
        found: list[FieldNode] = []
        for node in selected.selections if selected else ():
            if isinstance(node, FieldNode):
                found.append(node)
            elif isinstance(node, FragmentSpreadNode):
                found += self._flat(self._fragments[node.name.value].selection_set)
            else:
                found += self._flat(node.selection_set)  # type: ignore[attr-defined]  # an inline fragment has one
        return found
