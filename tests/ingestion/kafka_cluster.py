"""A Kafka for tests: librdkafka's mock cluster, real brokers as far as the protocol goes, in this process.

Others reach it by its address. It forgets all at its end, cannot change a topic once it is there, and keeps about 5 MB
of a partition. It takes transactions, with their marks in the log, but also gives what was not committed.
"""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from types import TracebackType
from typing import Any

from confluent_kafka import Producer

SECONDS = 20
PARTITIONS = 4  # of each of its topics


class Cluster:
    def __init__(self) -> None:
        # It lives as long as this client; the address that the client was given is not used.
        self._host: Producer | None = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 2}
        )
        brokers = self._host.list_topics(timeout=SECONDS).brokers.values()
        self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def producer(self, **settings: Any) -> Producer:
        return Producer(
            {"bootstrap.servers": self.address, "log_level": 2, "message.max.bytes": 20_000_000, **settings}
        )

    def send(self, topic: str, *messages: dict[str, Any], **settings: Any) -> None:
        """Produce in this order; each has value, and may have key, partition (0) and timestamp (in milliseconds)."""
        producer = self.producer(**settings)
        for message in messages:
            producer.produce(topic, **{"partition": 0, **message})
        assert producer.flush(SECONDS) == 0

    def close(self) -> None:
        self._host = None


_AT = itertools.count(1_772_000_000_000)


def level(variant: int, available: int, at: int | None = None, **more: Any) -> dict[str, Any]:
    """A message that says how many of `variant` there are, at a time (in milliseconds) of its own."""
    at = next(_AT) if at is None else at
    document = {
        "variant_id": variant,
        "available": available,
        "reason": "sale",
        "changed_at": datetime.fromtimestamp(at / 1000).astimezone().isoformat(),
    }
    return {"key": str(variant), "value": json.dumps(document).encode(), "timestamp": at, **more}
