"""Writes the shop's stock to a Kafka topic, `stock-levels`, keyed by variant: at a given cluster, or at one of its own.

Its own is librdkafka's mock cluster: a real broker as far as the protocol goes, on a free port of 127.0.0.1, that keeps
its topics in memory. The same world gives the same messages at the same offsets, so a reader goes on after a restart
where it was. At a cluster that keeps them, what is there already is not written again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from mock_apis.state import MockError
from mock_apis.world.stock_model import StockChange
from mock_apis.world.world import World

OWN = "own"
TOPIC = "stock-levels"
PARTITIONS = 4
SECONDS = 30.0
Settings = dict[str, str | int | float | bool]

QUIET: Settings = {"log_level": 2}

log = logging.getLogger(__name__)


class StockTopic:
    """`servers` is the cluster (host:port,...), or OWN. `address` is where it can be read from. Raises MockError."""

    def __init__(self, servers: str) -> None:
        self._is_own = servers == OWN
        self._host: Producer | None = None
        self.address = self._cluster_of_our_own() if self._is_own else servers
        # Idempotent: neither a lost answer nor a second try changes the order, or writes a message twice.
        self._settings: Settings = {"bootstrap.servers": self.address, **QUIET}
        self._producer = Producer(self._settings | {"enable.idempotence": True, "compression.type": "zstd"})
        self._written = dict.fromkeys(range(PARTITIONS), 0)

    def write(self, world: World) -> None:
        """Write what the topic lacks of the world's stock, in its order. A cluster that is away gets it next time."""
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Any) -> None:
            if error:
                failed.append(error)

        try:
            there = self._written if self._is_own else self._what_is_there()
            changes = by_partition(world)
            for number, all_of_it in changes.items():
                for change in all_of_it[there[number] :]:
                    self._producer.produce(TOPIC, partition=number, on_delivery=delivered, **message(change))
                    self._producer.poll(0)
            if self._producer.flush(SECONDS):
                self._producer.purge()  # or they would come a second time with the next write
                self._producer.flush(SECONDS)
            if failed:
                raise KafkaException(failed[0])
            self._written = {number: len(all_of_it) for number, all_of_it in changes.items()}
        except KafkaException as error:
            log.warning("The stock's messages are not written to %s: %s.", self.address, error.args[0].str())

    def close(self) -> None:
        self._host = None

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self._written[message.partition()] = message.offset() + 1

    def _cluster_of_our_own(self) -> str:
        self._host = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "its own", **QUIET})
        try:
            brokers = self._host.list_topics(timeout=SECONDS).brokers.values()
        except KafkaException as error:
            raise MockError(f"The pretend Kafka does not start: {error.args[0].str()}.") from error
        return ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def _what_is_there(self) -> dict[int, int]:
        """How many messages each partition has had."""
        self._make_topic()
        reader = Consumer(self._settings | {"group.id": "pretend shop"})
        try:
            return {
                number: reader.get_watermark_offsets(TopicPartition(TOPIC, number), timeout=SECONDS)[1]
                for number in range(PARTITIONS)
            }
        finally:
            reader.close()

    def _make_topic(self) -> None:
        admin = AdminClient(self._settings)
        if TOPIC in admin.list_topics(timeout=SECONDS).topics:
            return
        wanted = NewTopic(TOPIC, PARTITIONS, 1, config={"retention.ms": "-1"})
        for future in admin.create_topics([wanted], request_timeout=SECONDS).values():
            future.result()


def by_partition(world: World) -> dict[int, list[StockChange]]:
    """All changes of a variant are in one partition, in their order."""
    found: dict[int, list[StockChange]] = {number: [] for number in range(PARTITIONS)}
    for change in world.stock_changes:
        found[crc32(str(change.variant_id).encode()) % PARTITIONS].append(change)
    return found


def message(change: StockChange) -> dict[str, Any]:
    """A change as it is produced; a variant that is no longer kept is a tombstone."""
    value = None if change.available is None else msgspec.json.encode(dict(_fields(change)))
    return {"key": str(change.variant_id), "value": value, "timestamp": round(change.at.timestamp() * 1000)}


def _fields(change: StockChange) -> Iterator[tuple[str, Any]]:
    yield "variant_id", change.variant_id
    yield "sku", change.sku
    yield "available", change.available
    yield "change", change.change
    yield "reason", change.reason
    if change.order_id is not None:
        yield "order_id", change.order_id
    yield "changed_at", change.at.isoformat().replace("+00:00", "Z")
