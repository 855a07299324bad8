"""A stream that is a Kafka topic: from the offsets of the bookmark to what was there when the run began."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from ingestion.contracts import decoded
from ingestion.inventory import Item
from ingestion.kafka_clock import PartitionClock
from ingestion.kafka_topic import Arrived, Bounds, Topic
from ingestion.records import GONE
from ingestion.source import Context, Page, Record, State, Stream
from settings import HeadwaterError

PAGE_RECORDS = 1_000
PAGE_BYTES = 4_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger(__name__)


class OffsetsLost(HeadwaterError):
    """Messages that were to be read are not there any more."""


@dataclass(slots=True)
class Place:
    """How far a partition is read: the `next` offset, and the last message that was read, by offset and timestamp."""

    next: int
    last: tuple[int, int] | None
    clock: PartitionClock

    @classmethod
    def of(cls, saved: dict[str, Any]) -> Place:
        return cls(saved["next"], tuple(saved["last"]) if saved["last"] else None, PartitionClock(saved["newest"]))

    def saved(self) -> dict[str, Any]:
        return {"next": self.next, "last": self.last, "newest": self.clock.newest}


class KafkaStream(Stream):
    """See ingestion/sources/kafka.py; `key_field`, `version_field` are None where the message's own serve."""

    forgets = True
    refetch_at_once = 10_000  # each time, the topic is read
    no_backfill = "a sync reads on from its offset through all that the topic still holds"

    def __init__(
        self,
        context: Context,
        name: str,
        topic: str,
        key_field: str | None,
        version_field: str | None,
        lost_is_fatal: bool,
    ):
        super().__init__(context)
        self.name, self.topic = name, topic
        self.key, self.version_field = key_field or "the message's key", version_field or "the message's timestamp"
        self.key_is_beside = key_field is None
        self._by_timestamp, self._lost_is_fatal = version_field is None, lost_is_fatal
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Whoever waits for the cluster gives up."""
        self._stopped.set()

    def key_of(self, record: dict[str, Any]) -> str:
        return "" if self.key_is_beside else super().key_of(record)

    def version_of(self, record: dict[str, Any]) -> datetime:
        if self._by_timestamp:
            raise ValueError("the message's timestamp: it is no time; name a field that is one (options, version)")
        return super().version_of(record)

    def read(self, state: State) -> Iterator[Page]:
        topic = Topic(self.context.source, self.topic, self.context.settings.http, self._stopped)
        try:
            yield from self._read(topic, self._places(state))
        finally:
            topic.close()

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item]:
        """The newest message of each key, of those before the bookmark that the topic still holds.

        Two of one time by a `version` field have no order but their log's, so then their bytes are not compared.
        """
        for record, kind in self._retained():
            key, version = self._named(record)
            if key and version and (start is None or version >= start):
                content = "" if record.deleted else self._content(record.data)
                yield Item(key, version, kind=kind, updated_at=version, content=content, deleted=record.deleted)

    def item_of(self, record: bytes) -> Item | None:
        return Item("", _EPOCH, content=self._content(record))

    def refetched(self, keys: Sequence[str], end: datetime) -> Iterator[Record]:
        """All that the topic holds of them, in its order: their history is to be whole too."""
        wanted = set(keys)
        yield from (record for record, _ in self._retained() if self._named(record)[0] in wanted)

    def _retained(self) -> Iterator[tuple[Record, str]]:
        """The messages before the bookmark that are there, each with the partition and range of offsets it is in."""
        assert self.context.known is not None  # a reconciliation lends it
        places = self._places(self.context.known.bookmark())
        topic = Topic(self.context.source, self.topic, self.context.settings.http, self._stopped)
        try:
            bounds = topic.bounds()
            self._check(topic, places, bounds)
            lows = {number: bounds[number].low for number, place in places.items() if bounds[number].low < place.next}
            ends = {number: places[number].next for number in lows}
            again = {number: Place(low, None, PartitionClock()) for number, low in lows.items()}
            for message in topic.messages(lows, ends):
                number = message.partition
                range_read = f"partition {number}, offsets {lows[number]} to {ends[number] - 1}"
                yield self._record(message, again[number]), range_read
        finally:
            topic.close()

    def _named(self, record: Record) -> tuple[str, datetime | None]:
        """Key and version, as its row will have them; "" or None where there is none."""
        if record.key and record.version:
            return record.key, record.version
        try:
            document = decoded(record.data)
            return record.key or self.key_of(document), record.version or self.version_of(document)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return "", None

    def _content(self, data: bytes) -> str:
        return hashlib.sha256(data).hexdigest() if self._by_timestamp else ""

    def _places(self, state: State) -> dict[int, Place]:
        if state and state["topic"] != self.topic:
            log.warning(
                "%s.%s: its topic was %s; %s is read from its beginning.", *self._names, state["topic"], self.topic
            )
            return {}
        return {int(number): Place.of(saved) for number, saved in state.get("partitions", {}).items()}

    def _read(self, topic: Topic, places: dict[int, Place]) -> Iterator[Page]:
        bounds = topic.bounds()
        self._check(topic, places, bounds)
        for number, there in bounds.items():
            places.setdefault(number, Place(there.low, None, PartitionClock()))
        ends = {number: there.high for number, there in bounds.items()}
        origin = f"{self.topic} up to {', '.join(f'{number}@{end}' for number, end in ends.items())}"
        records: list[Record] = []
        size = 0
        for message in topic.messages({number: place.next for number, place in places.items()}, ends):
            record = self._record(message, places[message.partition])
            records.append(record)
            size += len(record.data)
            if len(records) >= PAGE_RECORDS or size >= PAGE_BYTES:
                yield Page(records, self._state(places), origin, datetime.now(UTC))
                records, size = [], 0
        if self._stopped.is_set():
            return
        for number, end in ends.items():
            places[number].next = end  # what is left before it is no message
        yield Page(records, self._state(places), origin, datetime.now(UTC), watermark=_newest(places))

    def _check(self, topic: Topic, places: dict[int, Place], bounds: dict[int, Bounds]) -> None:
        """That the topic still is the one that the bookmark was made of, and holds all that comes after it."""
        for number, place in list(places.items()):
            there = bounds.get(number)
            if there is None:
                self._lose(places, number, "the partition is gone: the topic was made anew")
            elif there.high < place.next:
                reason = (
                    f"it ends at {there.high}, before the bookmark at {place.next}: the topic was made anew, or cut"
                )
                self._lose(places, number, reason)
            elif there.low > place.next:
                reason = f"offsets {place.next} to {there.low - 1} ({there.low - place.next}) were deleted unread"
                self._lose(places, number, reason)
        asked = {
            number: place.last[0]
            for number, place in places.items()
            if place.last and bounds[number].low <= place.last[0] and place.next < bounds[number].high
        }
        ends = {number: places[number].next for number in asked}
        for number, message in topic.first_messages(asked, ends).items():
            if (message.offset, message.milliseconds) != places[number].last:
                self._lose(places, number, f"offset {message.offset} is another message: the topic was made anew")

    def _lose(self, places: dict[int, Place], number: int, reason: str) -> None:
        """What is there is read from its beginning, if that is wanted."""
        told = f"{self.context.source}.{self.name} lost messages: {self.topic}[{number}]: {reason}."
        if self._lost_is_fatal:
            raise OffsetsLost(
                f"{told} Lengthen its retention or bring them back; to go on without them, run once with"
                f" `on_lost: earliest` in sources.{self.context.source}.options.streams.{self.name} of pipeline.yml."
            )
        log.error("%s Reading what is there.", told)
        del places[number]

    def _record(self, message: Arrived, place: Place) -> Record:
        data = message.value
        place.next, place.last = message.offset + 1, (message.offset, message.milliseconds)
        version = place.clock.version(message.milliseconds, message.offset)
        return Record(
            GONE if data is None else data,
            version if self._by_timestamp or data is None else None,
            deleted=data is None,
            origin=f"{self.topic}[{message.partition}]@{message.offset}",
            key=self._key(message.key) if self.key_is_beside or data is None else "",
        )

    def _key(self, key: bytes | None) -> str:
        """The message's key as text; empty when it has none that can serve."""
        try:
            text = (key or b"").decode()
        except UnicodeDecodeError:
            return ""
        if not self.key_is_beside:
            try:
                document = msgspec.json.decode(text)
            except msgspec.DecodeError:
                return text
            return super().key_of(document if isinstance(document, dict) else {self.key: document})
        return "" if "\x00" in text else text

    def _state(self, places: dict[int, Place]) -> State:
        return {"topic": self.topic, "partitions": {str(number): place.saved() for number, place in places.items()}}

    @property
    def _names(self) -> tuple[str, str]:
        return self.context.source, self.name


def _newest(places: dict[int, Place]) -> datetime | None:
    """The newest message's time, so that a topic which falls silent is seen; a producer whose clock is ahead must not
    hide that."""
    times = [time for place in places.values() if (time := place.clock.time())]
    return min(max(times), datetime.now(UTC)) if times else None
