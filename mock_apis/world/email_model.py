"""The email tool's campaigns, and what became of each message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Campaign:
    id: str
    name: str
    subject: str
    status: str  # scheduled, sent
    sent_at: datetime
    cost: int  # minor units of the shop's currency
    updated_at: datetime


@dataclass(slots=True, frozen=True)
class EmailEvent:
    id: str
    type: str  # sent, open, click, bounce, unsubscribe
    campaign_id: str
    email: str
    occurred_at: datetime
    url: str | None = None
    bounce_type: str | None = None
