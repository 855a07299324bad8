"""A pretend Stripe of customers whose every state is remembered: lists, events, single objects, and a clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.ingestion.scripted import Answer, Asked, Scripted

T0 = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
PAGE = 3
EVENTS_REACH_BACK = 30 * 86_400
UNKNOWN = Answer(b'{"error": {"message": "No such object"}}', 404)
RESET = Answer(reset=True)
REFUSED = Answer(b'{"error": {"message": "Invalid API Key"}}', 401)


class State(NamedTuple):
    """What a customer was from the second `at` on; the event log shows it from `seen` on (late, when that is later)."""

    at: int
    seen: int
    data: bytes
    deleted: bool
    event_id: str
    event: bytes


@dataclass
class Customer:
    key: str
    created: int
    states: list[State]

    @property
    def deleted(self) -> bool:
        return self.states[-1].deleted


class Said(NamedTuple):
    """Bytes of a customer that the source gave in a list ("list") or as the answer to its id ("one")."""

    how: str
    key: str
    data: bytes


class Customers:
    """Everything happens at `now`, the source's own clock in Unix seconds; only a test moves it.

    No customer goes back, within one second, to what it was in that second: nobody could tell the two apart.

    `said` is what it answered since `listen`. `meanwhile` is done right before the request of that number (from 1),
    `broken` is how many requests from there on are broken off, or refused with "auth".
    """

    def __init__(self) -> None:
        self.server = Scripted()
        self.server.then = self._answered
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.now = T0
        self.customers: dict[str, Customer] = {}
        self.events: dict[str, tuple[str, int]] = {}  # of which customer, and which of its states
        self.ever_said: set[tuple[str, bytes]] = set()
        self.listen()

    def listen(self) -> None:
        self.said: list[Said] = []
        self.requests = 0
        self.meanwhile: dict[int, Callable[[], None]] = {}
        self.broken: dict[int, Answer] = {}

    def live(self) -> list[Customer]:
        return [each for each in self.customers.values() if not each.deleted]

    # What happens at the source.

    def create(self, name: str, email: str | None, late: int = 0) -> None:
        key = f"cus_{len(self.customers):04d}"
        customer = self.customers[key] = Customer(key, self.now, [])
        self._become(customer, "created", _document(customer, name, email), late)

    def update(self, customer: Customer, name: str, email: str | None, late: int = 0) -> None:
        self._become(customer, "updated", _document(customer, name, email), late)

    def delete(self, customer: Customer, late: int = 0) -> None:
        rest = json.dumps({"id": customer.key, "object": "customer", "deleted": True}).encode()
        self._become(customer, "deleted", rest, late)

    def _become(self, customer: Customer, kind: str, data: bytes, late: int) -> None:
        if any(state.at == self.now and state.data == data for state in customer.states):
            return
        event_id = f"evt_{len(self.events):05d}"
        self.events[event_id] = (customer.key, len(customer.states))
        event = b'{"id": "%s", "object": "event", "type": "customer.%s", "created": %d, "data": {"object": %s}}'
        event %= (event_id.encode(), kind.encode(), self.now, data)
        customer.states.append(State(self.now, self.now + late, data, kind == "deleted", event_id, event))

    # What it answers.

    def _answered(self, asked: Asked) -> Answer:
        with self._lock:
            self.requests += 1
            if act := self.meanwhile.pop(self.requests, None):
                act()
            self.server.date = format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True)
            return self.broken.pop(self.requests, None) or self._answer(asked)

    def _answer(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        asks = dict(parse_qsl(parts.query))
        _, _, collection, *wanted = parts.path.split("/")
        if wanted:
            if wanted[0] not in self.customers:
                return UNKNOWN
            data = self.customers[wanted[0]].states[-1].data
            self._say("one", wanted[0], data)
            return Answer(data)
        if collection == "events":
            entries = self._shown_events()
        else:
            entries = [(each.created, each.key, each.states[-1].data) for each in self.live()]
        entries.sort(reverse=True)
        after = next((entry for entry in entries if entry[1] == asks.get("starting_after")), None)
        if "starting_after" in asks and after is None:
            return UNKNOWN
        low, high = int(asks.get("created[gte]", 0)), int(asks.get("created[lte]", 10**12))
        found = [each for each in entries if low <= each[0] <= high and (after is None or each < after)]
        page = found[: min(PAGE, int(asks["limit"]))]
        if collection == "customers" and asks["limit"] != "1":  # that asks only for the time
            for _, key, data in page:
                self._say("list", key, data)
        more = b"true" if len(found) > len(page) else b"false"
        data = b",".join(entry[2] for entry in page)
        return Answer(b'{"object": "list", "data": [%s], "has_more": %s}' % (data, more))

    def _shown_events(self) -> list[tuple[int, str, bytes]]:
        states = [state for each in self.customers.values() for state in each.states]
        horizon = self.now - EVENTS_REACH_BACK
        return [(it.at, it.event_id, it.event) for it in states if it.seen <= self.now and it.at >= horizon]

    def _say(self, how: str, key: str, data: bytes) -> None:
        self.said.append(Said(how, key, data))
        self.ever_said.add((key, data))


def _document(customer: Customer, name: str, email: str | None) -> bytes:
    found = {"id": customer.key, "object": "customer", "created": customer.created, "name": name, "email": email}
    return json.dumps(found).encode()
