"""Who sends webhooks, and how each of them signs, names and times its events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple

import msgspec

from ingestion.catalog import source_class
from ingestion.refetch import Refetching
from ingestion.source import parse_time
from ingestion.webhooks.signatures import shopify_signed, stripe_signed
from ingestion.webhooks.store import Told
from settings import HeadwaterError, Pipeline, SettingsError, setting

SHORTEST_SECRET = 8


class Event(NamedTuple):
    """What tells one event from the others, and when it happened by the sender's clock."""

    event_id: str
    topic: str
    occurred_at: datetime


class Sender(ABC):
    """`kept_headers` are stored beside the body, `privacy_topics` ask for a person's data or their erasure.

    Header names are lower-case.
    """

    kept_headers: ClassVar[tuple[str, ...]]
    privacy_topics: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def signed(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> bool:
        """Whether one of the secrets signed it; `now` in Unix seconds."""

    @abstractmethod
    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        """Raises ValueError when a delivery that was signed is not what the sender documents."""


class _StripeEvent(msgspec.Struct):
    id: str
    type: str
    created: int


class Stripe(Sender):
    """An event's id is the same at every delivery of it."""

    kept_headers = ("stripe-signature", "user-agent")

    def signed(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> bool:
        return stripe_signed(headers.get("stripe-signature", ""), body, secrets, now)

    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        try:
            found = msgspec.json.decode(body, type=_StripeEvent)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"it is no event: {error}") from error
        return Event(found.id, found.type, parse_time(found.created, "created"))


class Shopify(Sender):
    """Its headers are not signed: a forged one could only make us fetch an object anew, or store a body twice."""

    kept_headers = (
        *("x-shopify-hmac-sha256", "x-shopify-topic", "x-shopify-webhook-id", "x-shopify-event-id"),
        *("x-shopify-triggered-at", "x-shopify-shop-domain", "x-shopify-api-version"),
    )
    privacy_topics = ("customers/data_request", "customers/redact", "shop/redact")

    def signed(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> bool:
        return shopify_signed(headers.get("x-shopify-hmac-sha256", ""), body, secrets)

    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        names = ("x-shopify-webhook-id", "x-shopify-topic", "x-shopify-triggered-at")
        webhook_id, topic, at = (headers.get(name, "").strip() for name in names)
        for name, value in zip(names, (webhook_id, topic, at), strict=True):
            if not value or "\x00" in value:
                raise ValueError(f"it has no {name}")
        return Event(webhook_id, topic, parse_time(at, names[2]))


SENDERS: dict[str, Sender] = {"stripe": Stripe(), "shopify": Shopify()}


def told_of(source_type: str, stream: str) -> bool:
    """Whether webhooks may tell of the stream's objects."""
    found = source_class(source_type).streams.get(stream)
    return found is not None and issubclass(found, Refetching) and bool(found.topics)


class Inbox:
    """One source of pipeline.yml that webhooks may arrive for."""

    def __init__(self, source: str, sender: Sender, secrets: Sequence[str], streams: Mapping[str, type]):
        self.source, self.sender, self.secrets = source, sender, secrets
        self._streams = {
            name: stream for name, stream in streams.items() if issubclass(stream, Refetching) and stream.topics
        }

    def told(self, headers: Mapping[str, str], body: bytes) -> Told:
        """The delivery as it is to be stored. Raises ValueError when it is no event at all."""
        event = self.sender.event(headers, body)
        kept = {name: headers[name] for name in self.sender.kept_headers if name in headers}
        purpose = "privacy" if event.topic in self.sender.privacy_topics else "data"
        streams: list[str] = []
        error = None
        try:
            for name, stream in self._streams.items():
                if stream.change_of(event.topic, body, event.occurred_at) is not None:
                    streams.append(name)
        except (ValueError, HeadwaterError, msgspec.DecodeError) as broken:
            streams, error = [], f"{broken}"[:2000]
        return Told(self.source, event.event_id, event.topic, event.occurred_at, purpose, body, kept, streams, error)


def inboxes(pipeline: Pipeline) -> dict[str, Inbox]:
    """Those sources of pipeline.yml whose `{SOURCE}_WEBHOOK_SECRET` is set (two, with a comma, while one replaces
    the other). Raises SettingsError when there is none, or a secret is too short to be one."""
    found: dict[str, Inbox] = {}
    known: list[str] = []
    for source, settings in pipeline.sources.items():
        if (sender := SENDERS.get(settings.type)) is None:
            continue
        name = f"{source.upper()}_WEBHOOK_SECRET"
        known.append(name)
        secrets = [each.strip() for each in setting(name, "").split(",") if each.strip()]
        if any(len(each) < SHORTEST_SECRET for each in secrets):
            raise SettingsError(f"{name} is shorter than any secret that a sender gives; copy it again.")
        if secrets:
            classes = source_class(settings.type).streams
            streams = {stream: classes[stream] for stream in settings.streams if stream in classes}
            found[source] = Inbox(source, sender, secrets, streams)
    if not found:
        raise SettingsError(
            f"No source takes webhooks: set {' or '.join(known)} to the secret that its sender signs with."
            if known
            else "No source of pipeline.yml has a sender of webhooks (stripe, shopify)."
        )
    return found
