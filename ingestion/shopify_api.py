"""Shopify's Admin GraphQL API: ask a query, stay within the points that it restores, raise what it refuses."""

from __future__ import annotations

import logging
import random
import re
import time
from pathlib import Path
from typing import Any

import msgspec

from ingestion.cut import at, members
from ingestion.http import HttpClient, Response
from ingestion.window import CursorRefused
from settings import HeadwaterError, secret, setting
from settings.pipeline import Http

VERSION = "2026-10"
PATH = f"admin/api/{VERSION}/graphql.json"

log = logging.getLogger(__name__)


class QueryTooDear(HeadwaterError):
    """One query would cost more points than Shopify ever allows; ask for fewer records."""


class PageInfo(msgspec.Struct, rename="camel"):
    """What a connection says of the page after this one."""

    has_next_page: bool
    end_cursor: str | None = None


class _Throttle(msgspec.Struct, rename="camel"):
    currently_available: float
    restore_rate: float


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float | None = None
    throttle_status: _Throttle | None = None


class _Extensions(msgspec.Struct):
    cost: _Cost | None = None


class _Outcome(msgspec.Struct):
    """What of an answer is not data."""

    errors: Any = None
    extensions: _Extensions | None = None


class Queries:
    """The operations of a .graphql file, each with the fragments that it uses."""

    def __init__(self, path: Path):
        text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        parts = re.split(r"^(?=query |mutation |fragment )", text, flags=re.MULTILINE)
        self._parts = {part.split()[1].partition("(")[0]: part.strip() for part in parts if part.strip()}

    def text(self, operation: str) -> str:
        wanted, position = [operation], 0
        while position < len(wanted):
            used = re.findall(r"\.\.\.(\w+)", self._parts[wanted[position]])
            wanted += [name for name in dict.fromkeys(used) if name != "on" and name not in wanted]
            position += 1
        return "\n".join(self._parts[name] for name in wanted)

    def in_bulk(self, operation: str, query: str) -> str:
        """The text that a bulk operation runs, which takes no variables: with `query` in the place of $query."""
        _, _, body = self.text(operation).partition("\n")
        return "{\n" + body.replace("$query", msgspec.json.encode(query).decode())

    def fields(self, fragment: str) -> list[str]:
        """The names that the fragment selects, in their order, those of the fragments within it in their place."""
        found: list[str] = []
        for spread, name in re.findall(r"^  (\.\.\.)?(\w+)", self._parts[fragment], flags=re.MULTILINE):
            found += self.fields(name) if spread else [name]
        return found

    def size(self, operation: str, field: str) -> int:
        """How many of `field` the operation asks for."""
        found = re.search(rf"\b{field}\(first: (\d+)", self.text(operation))
        if not found:
            raise LookupError(f"{operation} asks for no number of {field}")
        return int(found[1])


class ShopifyApi:
    """Asks the operations of `queries` at `{SOURCE}_API_URL` with `{SOURCE}_ACCESS_TOKEN`.

    Raises HeadwaterError when one of them is not set.
    """

    def __init__(self, queries: Queries, http: Http, source: str):
        self.token = f"{source.upper()}_ACCESS_TOKEN"
        headers = {"X-Shopify-Access-Token": secret(self.token)}
        self.http = HttpClient(setting(f"{source.upper()}_API_URL"), headers, http, source, self.token)
        self.limits, self.source = http, source
        self.queries = queries
        self._costs: dict[str, float] = {}
        self._available = float("inf")
        self._restore_rate = 1.0
        self._seen = time.monotonic()
        self._version_noted = False

    def ask(self, operation: str, *path: str, **variables: object) -> bytes:
        """The bytes of what stands at `path` in the answer's data.

        Raises QueryTooDear, HttpError, and HeadwaterError with Shopify's own words for what it refuses; an answer
        with errors is never taken in part.
        """
        payload = {"query": self.queries.text(operation), "operationName": operation, "variables": variables}
        deadline = time.monotonic() + self.limits.deadline.total_seconds()
        for attempt in range(1, self.limits.attempts + 1):
            self._wait_for_points(operation, deadline)
            answer = self.http.post_json(PATH, payload)
            outcome = self._outcome(answer)
            self._learn(operation, outcome, answer)
            if outcome.errors is None:
                return self._found(operation, answer, path)
            reason = self._judge(operation, outcome.errors)
            pause = random.uniform(0.5, 1.0) * min(30.0, 0.5 * 2**attempt)
            if attempt == self.limits.attempts or time.monotonic() + pause >= deadline:
                break
            log.warning("%s: %s; trying again in %.1f s", self.source, reason, pause)
            self.http.wait(pause)
        raise HeadwaterError(f"{self.source} still answers {reason!r} to {operation} after {attempt} tries; try later.")

    def _found(self, operation: str, answer: Response, path: tuple[str, ...]) -> bytes:
        try:
            return at(answer.body, "data", *path)
        except ValueError as error:  # a proxy's answer, or an object that was deleted since its page was read
            raise HeadwaterError(f"{self.source} answered {operation} in another shape: {error}; try again.") from error

    def _outcome(self, answer: Response) -> _Outcome:
        try:
            return msgspec.json.decode(answer.body, type=_Outcome)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # A record inside cannot be decoded (its contract will say so); the errors must still be seen.
            errors = members(answer.body).get("errors")
            return _Outcome(errors=errors.decode("utf-8", "replace") if errors else None)

    def _learn(self, operation: str, outcome: _Outcome, answer: Response) -> None:
        cost = outcome.extensions.cost if outcome.extensions else None
        if cost and cost.requested_query_cost:
            self._costs[operation] = cost.requested_query_cost
        if cost and cost.throttle_status:
            self._available = cost.throttle_status.currently_available
            self._restore_rate = max(1.0, cost.throttle_status.restore_rate)
            self._seen = time.monotonic()
        served = answer.headers.get("X-Shopify-API-Version", VERSION)
        if served != VERSION and not self._version_noted:
            log.warning("%s serves API version %s instead of %s, which it has retired", self.source, served, VERSION)
            self._version_noted = True

    def _wait_for_points(self, operation: str, deadline: float) -> None:
        """Sleep until the points that this operation last cost are there again."""
        there = self._available + (time.monotonic() - self._seen) * self._restore_rate
        missing = self._costs.get(operation, 0.0) - there
        if missing > 0:
            pause = min(missing / self._restore_rate + random.uniform(0, 0.2), max(0.0, deadline - time.monotonic()))
            log.info("%s: waiting %.1f s for %.0f points to be restored", self.source, pause, missing)
            self.http.wait(pause)

    def _judge(self, operation: str, errors: Any) -> str:
        """The reason of errors that may pass; raises for the others."""
        first = errors[0] if isinstance(errors, list) and errors else errors
        message, code = str(first), ""
        if isinstance(first, dict):
            message = str(first.get("message", first))
            code = str((first.get("extensions") or {}).get("code", ""))
        message = " ".join(message.split())[:300]
        if code in ("THROTTLED", "INTERNAL_SERVER_ERROR"):
            return message
        if code == "MAX_COST_EXCEEDED":
            raise QueryTooDear(f"{self.source}: {message}")
        if code == "ACCESS_DENIED":
            raise HeadwaterError(
                f"{self.source} denies {operation}: {message} Give the app of {self.token} the access scope it names."
            )
        if "invalid cursor" in message.lower():
            raise CursorRefused(f"{self.source} refused {operation}: {message}")
        raise HeadwaterError(f"{self.source} refused {operation}: {message}")
