"""What a source says that it has, record by record, as far as raw can be held against it."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from settings import HeadwaterError


class Moved(NamedTuple):
    """By how much a balance was moved, in the smallest unit of `currency`, and how much of it (0.01) that is.

    `rate` is the exchange rate of a movement, from the currency of what it is about.
    """

    amount: int
    currency: str
    unit: Decimal
    rate: Decimal | None = None


class Item(NamedTuple):
    """One record (or file) that the source has, or that raw has.

    `created_at` is what a comparison of some days goes by, `day` the day to count it on where that is another one.
    `amount` is in the unit that the source writes (Stripe: minor units; Shopify: decimals), `kind` divides the sums
    further, `content` is a fingerprint, compared where both sides have one. `updated_at` is the source's time of this
    version where it tells one; `deleted`: its last word of the record is that it is gone. `source_of` is (stream, key)
    of the record that this one is about and that raw must have too. `moved` is what this movement of a balance came
    to, or what this record says that it moved the balance by.
    """

    key: str
    created_at: datetime
    amount: Decimal | int | None = None
    currency: str = ""
    kind: str = ""
    updated_at: datetime | None = None
    source_of: tuple[str, str] | None = None
    content: str = ""
    day: date | None = None
    deleted: bool = False
    moved: Moved | None = None


class Changed(NamedTuple):
    """A record that has changed since the last sync: what is listed of it is not yet to be in raw."""

    key: str


class NotReconcilable(HeadwaterError):
    """The source cannot say what it has; `reason` says why."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name} cannot be reconciled: {reason}.")
        self.reason = reason


def fingerprint(document: Any) -> str:
    """The same for the same values, however they are written and in whatever order."""
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()
