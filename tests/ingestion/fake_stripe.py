"""Stripe in the place of the HTTP client: objects, events and a clock that a test moves, three to a page."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ingestion.http import HttpError, Response

PAGE_SIZE = 3


class FakeStripe:
    """Every page is read as it is at that moment. `before(number)` is called before the request of that number."""

    def __init__(self, now: datetime):
        self.time = int(now.timestamp())
        self.things: dict[str, dict[str, dict[str, Any]]] = {"events": {}}
        self.asked: list[str] = []
        self.before: Callable[[int], None] = lambda _number: None
        self._one_at_a_time = threading.Lock()

    def add(self, path: str, object_id: str, at: int | None = None, **fields: Any) -> dict[str, Any]:
        """A thing of `path`, created `at` (now)."""
        noun = path.removesuffix("s")
        thing = {"id": object_id, "object": noun, "created": self.time if at is None else at, **fields}
        self.things.setdefault(path, {})[object_id] = thing
        return thing

    def tell(self, kind: str, thing: dict[str, Any], at: int | None = None) -> None:
        """An event about the thing as it is."""
        events = self.things["events"]
        event_id = f"evt_{len(events):06d}"
        self.add("events", event_id, at, type=kind, data={"object": json.loads(json.dumps(thing))})

    # What ingestion.http.HttpClient has.

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Response:
        with self._one_at_a_time:
            return self._answer(path, params)

    def _answer(self, path: str, params: Mapping[str, Any] | None) -> Response:
        self.before(len(self.asked))
        self.asked.append(path)
        _, collection, *object_id = path.split("/")
        things = self.things.get(collection, {})
        if object_id:
            if object_id[0] not in things:
                raise HttpError(f"No such object: {object_id[0]}", 404)
            return Response(json.dumps(things[object_id[0]]).encode(), {}, 200)
        return Response(json.dumps(self._list(things, dict(params or {}))).encode(), {}, 200)

    def server_time(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def close(self) -> None:
        return None

    def _list(self, things: dict[str, dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
        low, high = params.get("created[gte]", 0), params.get("created[lte]", 10**12)
        types = {value for name, value in params.items() if name.startswith("types[")}
        found = sorted(
            (each for each in things.values() if not each.get("deleted") and low <= each["created"] <= high),
            key=lambda each: (each["created"], each["id"]),
            reverse=True,
        )
        found = [each for each in found if not types or each["type"] in types]
        if after := params.get("starting_after"):
            if after not in things:
                raise HttpError(f"No such object: {after}", 400)
            cursor = (things[after]["created"], after)
            found = [each for each in found if (each["created"], each["id"]) < cursor]
        return {"object": "list", "data": found[:PAGE_SIZE], "has_more": len(found) > PAGE_SIZE}
