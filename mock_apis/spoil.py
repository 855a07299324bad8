"""Answers gone wrong: a wrong value in one record among good ones, a schema that has drifted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

# The first of these that a record has is spoilt, or renamed: fields that a contract is sure to name.
REQUIRED = ("totalPriceSet.shopMoney.amount", "title", "firstName", "amount", "name", "email")
RENAMED = ("displayFinancialStatus", "vendor", "locale", "currency", "description", "email")


def with_bad_record(body: bytes, field: str | None = None) -> bytes:
    """The same answer; in the middle one of its records a required field has a value of a wrong type."""
    answer = msgspec.json.decode(body)
    records = list(_records(answer))
    if records:
        record = records[len(records) // 2]
        for path in (field,) if field else REQUIRED:
            if _spoil(record, path.split(".")):
                break
    return msgspec.json.encode(answer)


def with_drift(body: bytes, field: str | None = None) -> bytes:
    """The same answer; all its records have a field nobody knows, and one under another name."""
    answer = msgspec.json.decode(body)
    for record in _records(answer):
        record["loyaltyTier"] = {"name": "gold", "since": "2026-01-01"}
        old = next((name for name in ((field,) if field else RENAMED) if name in record), None)
        if old:
            record[f"{old}_v2"] = record.pop(old)
    return msgspec.json.encode(answer)


def _records(answer: Any) -> Iterator[dict[str, Any]]:
    """The records of an answer: nodes of Shopify's connections; Stripe's list, event objects or single object."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if isinstance(data, dict):
        for part in data.values():
            if isinstance(part, dict):
                found = part.get("nodes") or [edge["node"] for edge in part.get("edges", ())] or [part]
                yield from (node for node in found if isinstance(node, dict) and "id" in node)
            elif isinstance(part, list):
                yield from (node for node in part if isinstance(node, dict))
    elif isinstance(data, list):
        yield from (each["data"]["object"] if each.get("object") == "event" else each for each in data)
    elif isinstance(answer, dict) and "id" in answer:
        yield answer


def _spoil(record: Any, path: list[str]) -> bool:
    for name in path[:-1]:
        record = record.get(name) if isinstance(record, dict) else None
    if not isinstance(record, dict) or path[-1] not in record:
        return False
    value = record[path[-1]]
    record[path[-1]] = None if path[-1] == "amount" and isinstance(value, str) else {"value": value}
    return True
