"""Stripe's REST API: lists, the event log, one object as it is now."""

from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.ingestion.conformance.adapter import Document, Thing
from tests.ingestion.conformance.corpus import JSON, KEYS
from tests.ingestion.conformance.http_adapter import HttpAdapter
from tests.ingestion.scripted import Answer, Asked

Entry = tuple[int, str, bytes]  # when it was created, its id, its bytes


class StripeAdapter(HttpAdapter):
    """What all streams of Stripe share: `listed` gives the stream's objects."""

    source = "stripe"
    remembers = (*HttpAdapter.remembers, "events")
    corpus = (*JSON, *KEYS)
    address, credential = "STRIPE_API_URL", "STRIPE_API_KEY"

    def __init__(self, patch: pytest.MonkeyPatch):
        super().__init__(patch)
        self.events: list[Entry] = []

    def answer(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        asks = dict(parse_qsl(parts.query))
        _, _, collection, *wanted = parts.path.split("/")
        listed = {key: (created, key, data) for created, key, data in self.listed()}
        if wanted:
            return Answer(listed[wanted[0]][2]) if wanted[0] in listed else _unknown(wanted[0], 404)
        entries = self.events if collection == "events" else list(listed.values())
        entries.sort(key=lambda entry: entry[:2], reverse=True)
        after = asks.get("starting_after")
        if after and after not in [entry[1] for entry in entries]:
            return _unknown(after, 400)
        low, high = int(asks.get("created[gte]", 0)), int(asks.get("created[lte]", 10**12))
        bound = next((entry[:2] for entry in entries if entry[1] == after), (10**13, ""))
        found = [entry for entry in entries if low <= entry[0] <= high and entry[:2] < bound]
        page = found[: min(self.page, int(asks["limit"]))]
        more = b"true" if len(found) > len(page) else b"false"
        body = b'{"object": "list", "data": [%s], "has_more": %s}' % (b",".join(entry[2] for entry in page), more)
        return Answer(body)

    def listed(self) -> list[Entry]:
        return [(_seconds(each.created), each.key, self.bytes_of(each)) for each in self.things.values()]

    def tell(self, kind: str, thing: Thing, snapshot: bytes) -> None:
        event_id, when = f"evt_{len(self.events):06d}", int(max(thing.changed, thing.created).timestamp())
        event = b'{"id": "%s", "object": "event", "created": %d, "type": "%s", "data": {"object": %s}}'
        self.events.append((when, event_id, event % (event_id.encode(), when, kind.encode(), snapshot)))


class ChargesAdapter(StripeAdapter):
    """A stream that is followed by its events."""

    name = "stripe-charges"
    stream = "charges"
    required = "currency"
    money = ({"amount": 1500, "currency": "jpy"}, {"amount": 1234, "currency": "bhd"})

    def key(self, number: int) -> str:
        return f"ch_{number:07d}"

    def document(self, thing: Thing) -> Document:
        return {
            "id": thing.key,
            "object": "charge",
            **{"amount": 100, "amount_captured": 100, "amount_refunded": 0, "captured": True, "currency": "eur"},
            **{"created": _seconds(thing.created), "disputed": False, "status": "succeeded"},
            "description": "<hole>" if thing.hole else "Tea",
            "metadata": {"mark": thing.mark},
        }

    def told(self, thing: Thing) -> None:
        snapshot = json.dumps({"id": thing.key, "object": "charge"}).encode()
        self.tell("charge.updated", thing, snapshot)


class CustomersAdapter(StripeAdapter):
    """A stream whose events tell of deletions."""

    name = "stripe-customers"
    stream = "customers"
    required = "email"
    remembers = (*StripeAdapter.remembers, "deleted")
    tells_deletions = True

    def __init__(self, patch: pytest.MonkeyPatch):
        super().__init__(patch)
        self.deleted: dict[str, Entry] = {}

    def key(self, number: int) -> str:
        return f"cus_{number:07d}"

    def document(self, thing: Thing) -> Document:
        found = {"id": thing.key, "object": "customer", "created": _seconds(thing.created), "name": thing.mark}
        return {**found, "email": None, "description": "<hole>" if thing.hole else "a friend"}

    def told(self, thing: Thing) -> None:
        self.tell("customer.updated", thing, json.dumps({"id": thing.key, "object": "customer"}).encode())

    def gone(self, thing: Thing) -> None:
        thing.changed = self.now
        rest = json.dumps({"id": thing.key, "object": "customer", "deleted": True}).encode()
        self.deleted[thing.key] = (_seconds(thing.created), thing.key, rest)
        self.tell("customer.deleted", thing, rest)

    def answer(self, asked: Asked) -> Answer:
        wanted = urlsplit(asked.path).path.rpartition("/")[2]
        return Answer(self.deleted[wanted][2]) if wanted in self.deleted else super().answer(asked)


class BalanceAdapter(StripeAdapter):
    """A stream that is listed anew as far back as its lookback: Stripe changes only what is pending."""

    name = "stripe-balance"
    stream = "balance_transactions"
    required = "currency"
    money = (
        {"amount": 1500, "fee": 45, "net": 1455, "currency": "jpy"},
        {"amount": 1234, "fee": 37, "net": 1197, "currency": "bhd"},
    )

    def key(self, number: int) -> str:
        return f"txn_{number:07d}"

    def document(self, thing: Thing) -> Document:
        changed = thing.changed > thing.created
        return {
            "id": thing.key,
            "object": "balance_transaction",
            **{"amount": 100, "fee": 3, "net": 97, "currency": "eur", "type": "charge", "reporting_category": "charge"},
            **{"created": _seconds(thing.created), "available_on": _seconds(thing.changed)},
            "status": "available" if changed else "pending",
            "description": "<hole>" if thing.hole else "Tea",
            "source": thing.mark,
        }


def _seconds(when: datetime) -> int:
    return int(when.timestamp())


def _unknown(name: str, status: int) -> Answer:
    return Answer(json.dumps({"error": {"message": f"No such object: {name}"}}).encode(), status)
