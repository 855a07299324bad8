"""The stock's topic: the same world has the same log, wherever and however often it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from confluent_kafka import Consumer, TopicPartition

from mock_apis.kafka import OWN, StockTopic
from mock_apis.kafka.topic import PARTITIONS, TOPIC
from mock_apis.world.world import World
from tests.ingestion.kafka_cluster import Cluster

TODAY = date(2026, 3, 20)


def world(days: int = 0) -> World:
    made = World(7, "tiny", TODAY)
    made.advance(days) if days else None
    return made


@contextmanager
def topic(servers: str = OWN) -> Iterator[StockTopic]:
    made = StockTopic(servers)
    yield made
    made.close()


def log_of(address: str) -> dict[int, list[tuple[int, int, bytes, bytes | None]]]:
    """(offset, timestamp, key, value) of every message, by partition."""
    reader = Consumer({"bootstrap.servers": address, "group.id": "test", "enable.partition.eof": True, "log_level": 2})
    reader.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    found: dict[int, list[tuple[int, int, bytes, bytes | None]]] = {number: [] for number in range(PARTITIONS)}
    ended = 0
    while ended < PARTITIONS:
        message = reader.poll(20)
        assert message is not None, "the topic cannot be read"
        if message.error():
            ended += 1
        else:
            where = found[message.partition()]
            where.append((message.offset(), message.timestamp()[1], message.key(), message.value()))
    reader.close()
    return found


def test_after_a_restart_the_log_is_the_same_and_goes_on() -> None:
    with topic() as first:
        first.write(world())
        before = log_of(first.address)
        then = world()
        then.advance()
        first.write(then)
        after = log_of(first.address)
    with topic() as again:
        again.write(world(days=1))
        assert log_of(again.address) == after
    assert 100 < sum(map(len, before.values())) < sum(map(len, after.values()))
    for number, messages in before.items():
        assert after[number][: len(messages)] == messages
        assert [offset for offset, *_ in after[number]] == list(range(len(after[number])))


def test_a_levels_changes_add_up_in_the_order_of_the_log() -> None:
    with topic() as stock:
        stock.write(world(days=20))
        log = log_of(stock.address)
    for messages in log.values():
        assert [at for _, at, _, _ in messages] == sorted(at for _, at, _, _ in messages)
        there: dict[bytes, int] = {}
        for _, _, key, value in messages:
            if value is None:
                del there[key]
                continue
            document = json.loads(value)
            there[key] = there.get(key, 0) + document["change"]
            assert (document["available"], str(document["variant_id"]).encode()) == (there[key], key)


def test_what_a_given_cluster_has_is_not_written_again() -> None:
    with Cluster() as cluster:
        cluster.send(TOPIC, *({"value": b"{}", "partition": number} for number in range(PARTITIONS)))
        with topic(cluster.address) as stock:
            stock.write(world())
            stock.write(world())
        with topic(cluster.address) as another:
            another.write(world(days=1))
        given = log_of(cluster.address)
    with topic() as own:
        own.write(world(days=1))
        assert {number: log[1:] for number, log in log_of(own.address).items()} == {
            number: log[1:] for number, log in given.items()
        }
