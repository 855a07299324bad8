"""What the warehouse of the pretend shop says of its stock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True, frozen=True)
class StockChange:
    """`available` is how many there are after it; None when the warehouse no longer keeps the variant."""

    at: datetime
    variant_id: int
    sku: str
    available: int | None
    change: int
    reason: str  # count, sale, delivery, dropped
    order_id: int | None = None
