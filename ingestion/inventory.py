"""What a source says that it has, record by record, as far as raw can be held against it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from settings import HeadwaterError


class Item(NamedTuple):
    """One record (or file) that the source has, or that raw has.

    `amount` is in the unit that the source writes (Stripe: minor units; Shopify: decimals), `kind` divides the sums
    further. `updated_at` is the source's time of this version where it tells one. `source_of` is (stream, key) of the
    record that this one is about and that raw must have too.
    """

    key: str
    created_at: datetime
    amount: Decimal | int | None = None
    currency: str = ""
    kind: str = ""
    updated_at: datetime | None = None
    source_of: tuple[str, str] | None = None


class NotReconcilable(HeadwaterError):
    """The source cannot say what it has."""
