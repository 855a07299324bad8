"""Runs a GraphQL request against the world: parse, validate, price, execute, account for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from mock_apis.faults import Faults
from mock_apis.shopify import cost
from mock_apis.shopify.bucket import Bucket
from mock_apis.shopify.bulk import BulkOperations
from mock_apis.shopify.nodes import Graph
from mock_apis.shopify.schema import schema
from mock_apis.world.ref import WorldRef

LIMITS = "https://shopify.dev/api/usage/limits#rate-limits"
MAX_COST_TEXT = """Query cost is {cost}, which exceeds the single query max cost limit ({limit}).

See https://shopify.dev/concepts/about-apis/rate-limits for more information on how the
cost of a query is calculated.

To query larger amounts of data with fewer limits, bulk operations should be used instead.
See https://shopify.dev/api/usage/bulk-operations/queries for usage details.
"""


@dataclass(slots=True)
class Prepared:
    """A document that is fit to run: or the errors that say why it is not."""

    document: DocumentNode | None
    operation: OperationDefinitionNode | None
    priced: list[cost.Priced]
    errors: list[dict[str, Any]]


@lru_cache(maxsize=256)
def prepare(query: str, operation_name: str | None) -> Prepared:
    """Parse and validate once for each text: a sync sends the same one for every page."""
    try:
        document = parse(query)
    except GraphQLSyntaxError as error:
        return Prepared(None, None, [], [dict(error.formatted)])
    errors = validate(schema(), document)
    if errors:
        return Prepared(None, None, [], [_formatted(each) for each in errors])
    operation = get_operation_ast(document, operation_name)
    if operation is None:
        message = f'No operation named "{operation_name}"' if operation_name else "An operation name is required"
        return Prepared(None, None, [], [{"message": message}])
    return Prepared(document, operation, cost.plan(schema(), document, operation), [])


def _formatted(error: GraphQLError) -> dict[str, Any]:
    """A validation error, in Shopify's words where clients are known to read them."""
    formatted: dict[str, Any] = dict(error.formatted)
    words = error.message.split("'")
    if error.message.startswith("Cannot query field '") and len(words) > 3:
        formatted["message"] = f"Field '{words[1]}' doesn't exist on type '{words[3]}'"
        formatted["extensions"] = {"code": "undefinedField", "typeName": words[3], "fieldName": words[1]}
    return formatted


def throttled(status: dict[str, float], asked: int | None) -> dict[str, Any]:
    """The answer to a query that finds too little in the bucket (under HTTP 200)."""
    return {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": LIMITS}}],
        "extensions": {
            "cost": {"requestedQueryCost": asked, "actualQueryCost": None, "throttleStatus": status},
        },
    }


class Engine:
    """Answers GraphQL requests; `answer` is safe to call from several threads."""

    def __init__(self, world_ref: WorldRef, bucket: Bucket, faults: Faults | None = None) -> None:
        self._world_ref = world_ref
        self.bulk = BulkOperations(schema, faults or Faults())
        self._bucket = bucket
        self._graph: Graph | None = None

    def _graph_now(self) -> Graph:
        """The world as a graph, made anew when the clock has moved; called with the world's lock held."""
        world = self._world_ref.world
        if self._graph is None or not self._graph.still_true(world):
            self._graph = Graph(world, self.bulk)
        self._graph.search_notes = []
        return self._graph

    def answer(
        self,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        encode: Callable[[Any], bytes],
        base_url: str = "",
    ) -> bytes:
        """The encoded body of the answer, which is always sent with HTTP 200; files are under `base_url`."""
        prepared = prepare(query, operation_name)
        if prepared.document is None or prepared.operation is None:
            return encode({"errors": prepared.errors})
        given = variables or {}
        asked = cost.requested(prepared.priced, _with_defaults(prepared.operation, given))
        if asked > cost.MAX_QUERY_COST:
            return encode({"errors": [_too_dear(asked)]})
        if not self._bucket.take(asked):
            return encode(throttled(self._bucket.status(), asked))
        with self._world_ref.lock:
            graph = self._graph_now()
            graph.base_url = base_url
            result = execute_sync(
                schema(),
                prepared.document,
                context_value=graph,
                variable_values=given,
                operation_name=operation_name,
            )
            notes = graph.search_notes
        used = min(asked, cost.actual(prepared.priced, result.data))
        self._bucket.give_back(asked - used)
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body = {"errors": [dict(each.formatted) for each in result.errors], "data": result.data}
        body["extensions"] = {
            "cost": {
                "requestedQueryCost": asked,
                "actualQueryCost": used,
                "throttleStatus": self._bucket.status(),
            }
        }
        if notes:
            body["extensions"]["search"] = notes
        return encode(body)


def _too_dear(asked: int) -> dict[str, Any]:
    return {
        "message": MAX_COST_TEXT.format(cost=asked, limit=cost.MAX_QUERY_COST),
        "extensions": {
            "code": "MAX_COST_EXCEEDED",
            "cost": asked,
            "maxCost": cost.MAX_QUERY_COST,
            "documentation": LIMITS,
        },
    }


def _with_defaults(operation: OperationDefinitionNode, given: dict[str, Any]) -> dict[str, int]:
    """The whole-number variables, with the defaults that the operation declares."""
    found: dict[str, int] = {}
    for each in operation.variable_definitions or ():
        name = each.variable.name.value
        value = given.get(name, getattr(each.default_value, "value", None))
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
            found[name] = int(value)
    return found
