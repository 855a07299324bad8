"""A topic of librdkafka's mock cluster, behind a proxy that counts what is asked of it and fails as it is told."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from ingestion import kafka_stream
from settings import Pipeline
from settings.pipeline import Http
from tests.ingestion.conformance.adapter import Adapter, Document, Fault, Thing
from tests.ingestion.conformance.corpus import JSON
from tests.ingestion.kafka_cluster import PARTITIONS, Cluster

TOPIC = b"stock-levels"
HOST = b"127.0.0.1"
FETCH = b"\0\1"
TOPIC_AUTHORIZATION_FAILED = 29
KEPT_BYTES = 1_000_000  # what is larger has a partition of its own: the cluster keeps 5 MB of each
ONE_RECORD = "a message is one record, and nothing stands before it"


class KafkaAdapter(Adapter):
    """What the shop's warehouse tells. A request is any that the client makes of the broker, its own asking for more
    among them; a broker that is away, or takes no more connections, hangs up."""

    name = "kafka"
    source, type, stream = "stock", "kafka", "levels"
    credential = "STOCK_KAFKA_USERNAME"
    required = "changed_at"
    times = ("changed_at",)
    tells_deletions = True  # by tombstones
    has_window = False  # it reads on from its offsets
    asks_until_bound = 20  # the client looks for its broker before
    corpus = JSON
    remembers = (*Adapter.remembers, "log")
    options: ClassVar[dict[str, Any]] = {"streams": {"levels": {"topic": TOPIC.decode()}}}
    exempt: ClassVar[dict[str, str]] = {
        "test_a_byte_order_mark_before_it_all_is_no_part_of_a_record": ONE_RECORD,
    }

    def __init__(self, patch: pytest.MonkeyPatch):
        super().__init__()
        self._patch, self._lock = patch, threading.Lock()
        self.log: list[dict[str, Any]] = []
        self._refuses = False
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._here = self._listener.getsockname()[1]
        patch.setenv("STOCK_KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{self._here}")
        self._cluster = self._new_cluster()
        threading.Thread(target=self._accept, daemon=True).start()

    def key(self, number: int) -> str:
        return str(number)

    def document(self, thing: Thing) -> Document:
        found = {"variant_id": thing.number, "sku": thing.mark, "available": 5, "changed_at": thing.changed.isoformat()}
        return {**found, "reason": "<hole>" if thing.hole else "sale"}

    def told(self, thing: Thing) -> None:
        self._send(thing, self.bytes_of(thing))

    def gone(self, thing: Thing) -> None:
        thing.changed = self.now
        self._send(thing, None)

    def restore(self, kept: dict[str, Any]) -> None:
        """A broker that was started anew with the log of then."""
        super().restore(kept)
        self._cluster.close()
        self._cluster = self._new_cluster()
        self._cluster.send(TOPIC.decode(), *self.log)

    def fail(self, kind: Fault, after: int = 0, times: int = 1) -> None:
        """A login that may not read the topic is refused from the start."""
        if kind == "auth":
            self._refuses = True
        else:
            super().fail(kind, after, times)

    def cut_off(self, after: int) -> None:
        self.fail("reset", after, times=1_000)

    def heal(self) -> None:
        super().heal()
        self._refuses = False

    def pipeline(self, on_reject: str = "quarantine") -> Pipeline:
        self._patch.setattr(kafka_stream, "PAGE_RECORDS", self.page)
        pipeline = super().pipeline(on_reject)
        block = pipeline.sources[self.source]
        lasts = any(fail.times > 10 for fail in self.fails)
        http = Http(attempts=1, timeout=timedelta(seconds=0.4 if lasts else 30))
        return pipeline.model_copy(update={"sources": {self.source: block.model_copy(update={"http": http})}})

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, which a close would not
        self._listener.close()
        self._cluster.close()

    def _send(self, thing: Thing, value: bytes | None) -> None:
        """All messages of a key in one partition."""
        partition = thing.number % (PARTITIONS - 1) if len(value or b"") < KEPT_BYTES else PARTITIONS - 1
        stamp = round(thing.changed.timestamp() * 1000)
        self.log.append({"key": thing.key, "value": value, "partition": partition, "timestamp": stamp})
        self._cluster.send(TOPIC.decode(), self.log[-1])

    def _new_cluster(self) -> Cluster:
        """With the topic, which a producer makes by asking for it."""
        cluster = Cluster()
        cluster.producer().list_topics(TOPIC.decode(), timeout=20)
        self._port = int(cluster.address.rpartition(":")[2])
        return cluster

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for pump in (self._to_server, self._to_client):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        fetches, begun = 0, len(self.log)
        try:
            while frame := _frame(client):
                fetches += frame[4:6] == FETCH
                if fetches > 5 and len(self.log) > begun:
                    time.sleep(0.2)  # a broker's quota: of a topic that grows the client asks on and on
                with self._lock:  # the client has several connections
                    if self.failing():
                        break
                server.sendall(frame)
        except OSError:
            pass  # one of them has gone
        finally:
            _end(client, server)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        """The broker's own address, wherever it says it, is ours; its word that the topic may be read may be no."""
        theirs, ours = (HOST + struct.pack("!i", port) for port in (self._port, self._here))
        name = bytes([len(TOPIC) + 1]) + TOPIC
        with contextlib.suppress(OSError):
            while frame := _frame(server):
                frame = frame.replace(theirs, ours)
                if self._refuses:
                    frame = frame.replace(b"\0\0" + name, struct.pack("!h", TOPIC_AUTHORIZATION_FAILED) + name)
                client.sendall(frame)
        _end(client, server)


def _frame(speaker: socket.socket) -> bytes:
    """The next request or answer, with its length before it; nothing at the end."""
    head = speaker.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        return b""
    return head + speaker.recv(struct.unpack("!i", head)[0], socket.MSG_WAITALL)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
