"""A Kafka topic as one run reads it: where its partitions begin and end, and its messages.

Partitions are assigned by hand, never by a consumer group: where to read is the bookmark's affair alone. Raises
SettingsError for what cannot be used of the settings, HeadwaterError for a cluster that cannot be reached or refuses,
within the bounds of `http`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingestion.kafka_settings import REFUSED, client_settings
from settings import HeadwaterError, SettingsError
from settings.pipeline import Http

ASK_SECONDS = 5.0
POLL_SECONDS = 0.1
MESSAGES_AT_ONCE = 200
READ_AHEAD_KB = 16 * 1024

T = TypeVar("T")

log = logging.getLogger(__name__)


class Bounds(NamedTuple):
    """The first offset that is there, and the one after the last that is committed."""

    low: int
    high: int


class Arrived(NamedTuple):
    """A message. `milliseconds` is its timestamp, below zero when it has none; `value` is None for a tombstone."""

    partition: int
    offset: int
    milliseconds: int
    key: bytes | None
    value: bytes | None


class Topic:
    """`name` at the cluster that the settings of `source` name. `stop` makes whoever waits in it give up."""

    def __init__(self, source: str, name: str, http: Http, stopped: threading.Event):
        self.name, self._source, self._stopped = name, source, stopped
        self._patience = min(http.timeout * http.attempts, http.deadline).total_seconds()
        self._refusal: KafkaError | None = None
        self._last_words = ""
        settings = {
            **client_settings(source),
            "group.id": f"headwater.{source}",  # the client demands a name; nothing is ever committed under it
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "check.crcs": True,
            "queued.max.messages.kbytes": READ_AHEAD_KB,
            "error_cb": self._heard,
            "log_level": 2,  # it logs each of its tries; what matters of them _heard tells
        }
        try:
            self._consumer = Consumer(settings, logger=log)
        except (KafkaException, ValueError) as error:
            raise SettingsError(f"The settings {source.upper()}_KAFKA_… cannot be used: {_words(error)}.") from None

    def bounds(self) -> dict[int, Bounds]:
        """Of every partition, as they are now; the high one is that of committed transactions."""
        found = self._ask(lambda wait: self._consumer.list_topics(self.name, timeout=wait)).topics[self.name]
        if found.error is not None:
            raise self._explained(found.error)
        return {number: self._bounds(number) for number in sorted(found.partitions)}

    def _bounds(self, partition: int) -> Bounds:
        place = TopicPartition(self.name, partition)
        return Bounds(*self._ask(lambda wait: self._consumer.get_watermark_offsets(place, timeout=wait)))

    def messages(self, starts: dict[int, int], ends: dict[int, int]) -> Iterator[Arrived]:
        """The messages from `starts` on and before `ends`, by partition; in the order of the log within each."""
        left = {number for number, start in starts.items() if start < ends[number]}
        places = [TopicPartition(self.name, number, starts[number]) for number in sorted(left)]
        self._consumer.assign(places)
        self._consumer.resume(places)  # one that was paused stays so, whoever is assigned
        heard_at = time.monotonic()
        while left and not self._stopped.is_set():
            some = self._consumer.consume(MESSAGES_AT_ONCE, POLL_SECONDS)
            if not some and (self._refusal or time.monotonic() - heard_at > self._patience):
                raise self._explained(self._refusal or KafkaError(KafkaError._TIMED_OUT))
            for message in some:
                arrived = self._arrived(message)
                end = ends[arrived.partition]
                if message.error() is None and arrived.offset < end:
                    yield arrived
                # What lies between the last message and the end (marks of transactions, what compaction took) is
                # never given: then the client tells that the partition ended.
                if arrived.partition in left and arrived.offset >= (end if message.error() else end - 1):
                    left.remove(arrived.partition)
                    self._consumer.pause([TopicPartition(self.name, arrived.partition)])
            if some:
                heard_at = time.monotonic()  # our reader may have taken its time

    def first_messages(self, starts: dict[int, int], ends: dict[int, int]) -> dict[int, Arrived]:
        """By partition, the first message from its start on, where there is one before its end."""
        found: dict[int, Arrived] = {}
        for message in self.messages(starts, ends):
            found.setdefault(message.partition, message)
        return found

    def close(self) -> None:
        self._consumer.close()

    def _arrived(self, message: Message) -> Arrived:
        """The message; of the end of a partition, the offset at which it ends."""
        if (error := message.error()) and error.code() != KafkaError._PARTITION_EOF:
            raise self._explained(error)
        partition, offset, (kind, stamp) = message.partition(), message.offset(), message.timestamp()
        assert partition is not None and offset is not None  # only what was never sent has none
        key, value = (None, None) if error else (message.key(), message.value())
        return Arrived(partition, offset, -1 if kind == TIMESTAMP_NOT_AVAILABLE else stamp, key, value)

    def _ask(self, question: Callable[[float], T]) -> T:
        """Ask until it is answered or refused; a broker that is starting, or changes, is asked again."""
        deadline = time.monotonic() + self._patience
        while True:
            wait = min(ASK_SECONDS, max(0.1, deadline - time.monotonic()))
            try:
                return question(wait)
            except KafkaException as error:
                self._consumer.poll(0)  # what the client heard meanwhile goes to _heard
                told: KafkaError = self._refusal or error.args[0]
                if told.code() in REFUSED or time.monotonic() >= deadline or self._stopped.is_set():
                    raise self._explained(told) from None
                self._stopped.wait(POLL_SECONDS)

    def _heard(self, error: KafkaError) -> None:
        """The client tells what it will try again, and what it will not get by trying."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # which says no more than that
            self._last_words = error.str()
        if error.code() in REFUSED:
            self._refusal = error

    def _explained(self, error: KafkaError) -> HeadwaterError:
        code, settings = error.code(), f"{self._source.upper()}_KAFKA_"
        servers = f"the Kafka of {self._source}"
        if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            return HeadwaterError(
                f"{servers} has no topic {self.name}; set it in sources.{self._source}.options of pipeline.yml, or"
                " create it."
            )
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return HeadwaterError(
                f"{servers} refused us {self.name}: grant the login of {settings}USERNAME Describe and Read on it."
            )
        if code in REFUSED:
            return HeadwaterError(f"{servers} refused us: {error.str()}; check {settings}… in .env or the environment.")
        if code == KafkaError._AUTO_OFFSET_RESET:
            return HeadwaterError(
                f"{self.name} lost messages while they were read ({error.str()}): its retention is shorter than a run."
                " The next run says how many."
            )
        if code in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
            reason = self._last_words or error.str()
            return HeadwaterError(
                f"{servers} did not answer within {self._patience:.0f} s: {reason}; check {settings}BOOTSTRAP_SERVERS."
            )
        return HeadwaterError(f"{servers} failed at {self.name}: {error.str()}; run again.")


def _words(error: Exception) -> str:
    return error.args[0].str() if error.args and isinstance(error.args[0], KafkaError) else str(error)
