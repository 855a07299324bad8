"""A stream from Kafka: every message once, whatever crashes, joins or goes, and never silently less."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from confluent_kafka import Consumer

from ingestion import kafka_stream, kafka_topic
from ingestion.contracts import Contract
from ingestion.kafka_topic import Bounds, Topic
from ingestion.quarantine import replay
from ingestion.reconcile import reconcile
from ingestion.sync import RunResult, sync_stream
from settings import HeadwaterError, Pipeline, SettingsError
from tests.ingestion.conftest import SHOP, Query
from tests.ingestion.faults.killed import Job, Warehouse, run
from tests.ingestion.kafka_cluster import PARTITIONS, Cluster, level
from warehouse.migrate import migrate

TOPIC = "stock-levels"
CURRENT = (
    "select distinct on (record_key) record_key, source_data::text, _deleted from raw.stock_levels"
    " order by record_key, record_version desc, _load_timestamp desc, content_hash desc"
)
BOOKMARK = "select state from ops.checkpoints"


class Stock:
    """A cluster, and a pipeline that reads its topic."""

    def __init__(self, cluster: Cluster, warehouse: str, file: Path, monkeypatch: pytest.MonkeyPatch):
        self.cluster, self.warehouse, self._file = cluster, warehouse, file
        self._set, self.patience = monkeypatch.setenv, "60s"
        self._set("STOCK_KAFKA_BOOTSTRAP_SERVERS", cluster.address)

    def send(self, *messages: dict[str, Any], **settings: Any) -> None:
        self.cluster.send(TOPIC, *messages, **settings)

    def pipeline(self, **options: Any) -> Pipeline:
        block = {
            **{"type": "kafka", "schedule": "0 2 * * *", "freshness": "26h"},
            **{"http": {"attempts": 1, "timeout": self.patience}, "streams": {"levels": None}},
            "options": {"streams": {"levels": {"topic": TOPIC, **options}}},
        }
        data = {**SHOP, "sources": {"stock": block}}
        self._file.write_text(yaml.safe_dump(data))
        self._set("HEADWATER_PIPELINE", str(self._file))
        pipeline = Pipeline.model_validate(data)
        migrate(self.warehouse, pipeline)
        return pipeline

    def sync(self, **options: Any) -> RunResult:
        return sync_stream("stock", "levels", pipeline=self.pipeline(**options))

    def another_cluster(self) -> None:
        """The same addressless name, a topic of nothing."""
        self.cluster.close()
        self.cluster = Cluster()
        self._set("STOCK_KAFKA_BOOTSTRAP_SERVERS", self.cluster.address)


@pytest.fixture
def stock(clean_warehouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    with Cluster() as cluster:
        stock = Stock(cluster, clean_warehouse, tmp_path / "pipeline.yml", monkeypatch)
        yield stock
        stock.cluster.close()


@pytest.fixture
def current(query: Query) -> Callable[[], dict[str, int | None]]:
    """What each variant's current row says is available; None when it is deleted."""
    return lambda: {key: None if deleted else json.loads(text)["available"] for key, text, deleted in query(CURRENT)}


def test_each_run_reads_on_from_its_bookmark_to_what_was_there_when_it_began(
    stock: Stock, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_stream, "PAGE_RECORDS", 10)
    stock.send(*(level(each, 5, partition=each % 3) for each in range(95)))
    assert stock.sync().counts[:2] == (95, 95)
    state = query(BOOKMARK)[0][0]
    assert {number: place["next"] for number, place in state["partitions"].items()} == {
        "0": 32,
        "1": 32,
        "2": 31,
        "3": 0,
    }
    assert stock.sync().counts.received == 0
    stock.send(*(level(each, 4, partition=each % PARTITIONS) for each in range(12)))  # the fourth for the first time
    assert stock.sync().counts[:2] == (12, 12)
    [(first, last, now)] = query("select min(record_version), max(record_version), now() from raw.stock_levels")
    assert query("select watermark from ops.checkpoints") == [(last,)]
    assert first < last < now


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_read(stock: Stock, codec: str) -> None:
    stock.send(*(level(each, 5) for each in range(50)), **{"compression.type": codec})
    assert stock.sync().counts.kept == 50


def test_rule_5_what_comes_while_a_run_reads_belongs_to_the_next(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is fetched with what belongs to this one."""
    stock.send(*(level(each, 5, partition=each % 2) for each in range(20)))
    ask, later = Topic.bounds, [level(each, 4, partition=each % 3) for each in range(30)]

    def ask_and_send_more(topic: Topic) -> dict[int, Bounds]:
        answer = ask(topic)
        stock.send(*later)
        later.clear()
        return answer

    monkeypatch.setattr(Topic, "bounds", ask_and_send_more)
    assert stock.sync().counts.received == 20
    assert stock.sync().counts.received == 30


@pytest.mark.fault(
    "A sync of a Kafka topic is killed (SIGKILL) around each of its commits",
    "A rerun reads on from the last commit; raw, quarantine, bookmark and counts are those of an undisturbed run.",
)
def test_rule_1_killed_around_any_commit_and_run_again_leaves_the_same(stock: Stock) -> None:
    spoilt = {"key": "1", "value": b"{spoilt", "partition": 1, "timestamp": 1_772_000_000_000}
    stock.send(*(level(each % 17, each, partition=each % 3) for each in range(60)), spoilt)
    stock.pipeline()
    names = ("STOCK_KAFKA_BOOTSTRAP_SERVERS", "HEADWATER_PIPELINE", "WAREHOUSE_URL")
    job = Job("stock", "levels", {name: os.environ[name] for name in names})
    warehouse = Warehouse(stock.warehouse)
    warehouse.save("before")
    undisturbed = run(job)
    assert undisturbed
    kept = warehouse.kept(job)
    assert kept["counts"][0][:4] == (61, 60, 0, 1)
    labels = undisturbed.labels["write"]
    kills = [it for it in undisturbed.every_kill() if it.thread == "write" and labels[it.number - 1] == "COMMIT"]
    assert len(kills) > 9
    killed = 0
    for kill in kills:
        warehouse.restore("before")
        killed += run(job, kill) is None
        run(job)
        assert warehouse.kept(job) == kept, kill
    assert killed == len(kills)


@pytest.mark.fault(
    "A consumer of the same group joins, commits its own offsets, and the group is rebalanced",
    "Nothing: where a Kafka stream is read from is in the warehouse's bookmark alone.",
)
def test_other_consumers_of_the_group_change_nothing(stock: Stock, query: Query) -> None:
    stock.send(*(level(each, 5, partition=each % PARTITIONS) for each in range(40)))
    assert stock.sync().counts.kept == 40
    stock.send(*(level(each, 4, partition=each % PARTITIONS) for each in range(40)))
    others = [_member(stock) for _ in range(2)]
    try:
        deadline, seen = time.monotonic() + 30, 0
        while seen < 80 or not all(other.assignment() for other in others):
            seen += sum(len(other.consume(100, 0.1)) for other in others)
            assert time.monotonic() < deadline
        others[0].commit(asynchronous=False)
        assert stock.sync().counts[:2] == (40, 40)
    finally:
        for other in others:
            other.close()
    assert query("select count(*), count(distinct record_key) from raw.stock_levels") == [(80, 40)]


def _member(stock: Stock) -> Consumer:
    consumer = Consumer(
        {
            **{"bootstrap.servers": stock.cluster.address, "group.id": "headwater.stock", "log_level": 2},
            **{"auto.offset.reset": "earliest", "session.timeout.ms": 6000},
        }
    )
    consumer.subscribe([TOPIC])
    return consumer


def test_of_messages_of_one_key_at_one_moment_the_later_in_the_log_is_current(
    stock: Stock, current: Callable[[], dict[str, int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a page ends between them, the first and the last are alike, and a clock is a little behind."""
    monkeypatch.setattr(kafka_stream, "PAGE_RECORDS", 2)
    at = 1_772_500_000_000
    stock.send(*(level(1, available, at) for available in (5, 6, 7, 6, 5)), level(2, 9, at), level(2, 8, at - 400))
    assert stock.sync().counts.kept == 7
    assert current() == {"1": 5, "2": 8}
    stock.send(level(1, 4, at), level(2, 99, at - 60_000))  # late by a minute: an older version
    assert stock.sync().counts.kept == 2
    assert current() == {"1": 4, "2": 8}


def test_a_tombstone_deletes_and_a_later_message_brings_back(
    stock: Stock, current: Callable[[], dict[str, int | None]], query: Query
) -> None:
    gone = [{"key": key, "value": None, "timestamp": 1_772_900_000_000 + n} for n, key in enumerate(("1", "2", "3"))]
    stock.send(level(1, 5), level(2, 5), *gone, level(2, 7, 1_772_900_000_009))
    assert stock.sync().counts[:2] == (6, 6)
    assert current() == {"1": None, "2": 7, "3": None}
    assert query("select source_data::text from raw.stock_levels where _deleted") == [("null",)] * 3


def test_keys_and_versions_can_be_fields(stock: Stock, query: Query) -> None:
    stock.send(
        level(12, 5, key="no matter"),
        *({"key": key, "value": None} for key in ("13", '{"variant_id": 14}', '"15"', '{"other": 1}')),
    )
    assert stock.sync(key="variant_id", version="changed_at").counts == (5, 4, 0, 1)
    assert query("select record_key from raw.stock_levels order by 1") == [("12",), ("13",), ("14",), ("15",)]
    assert query(
        "select record_version = (source_data ->> 'changed_at')::timestamptz from raw.stock_levels where not _deleted"
    ) == [(True,)]


@pytest.mark.fault(
    "A Kafka message is no JSON, no UTF-8, has no key, or breaks its contract",
    "It is quarantined with its exact bytes, topic, partition and offset, and can be replayed under its message's key.",
)
def test_rule_3_what_cannot_be_kept_is_quarantined_with_where_it_came_from(
    stock: Stock, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [b"", b"\xff\xfe{}", b"[1, 2", b'{"variant_id": "x"}', level(1, 1)["value"], level(1, 1)["value"]]
    keys = [b"a", b"b", b"c", b"d", None, b"\xff"]
    stock.send(*({"key": key, "value": value, "partition": 2} for key, value in zip(keys, values, strict=True)))
    stock.send(level(7, 1, key="7", timestamp=10**17), level(8, 1))
    assert stock.sync().counts == (8, 1, 0, 7)
    rejected = query("select record, origin, record_key, errors::text from ops.quarantine order by quarantine_id")
    found = {origin: (bytes(record), key, errors) for record, origin, key, errors in rejected}
    assert [found[f"{TOPIC}[2]@{offset}"][0] for offset in range(6)] == values
    assert [found[f"{TOPIC}[2]@{offset}"][1] for offset in range(6)] == ["a", "b", "c", "d", None, None]
    assert "message's key" in found[f"{TOPIC}[2]@4"][2]
    assert "message's timestamp: it is no time" in found[f"{TOPIC}[0]@0"][2]

    monkeypatch.setattr("ingestion.quarantine.contract_of", lambda *_: Contract({"type": "object"}))
    done = replay("stock", "levels", pipeline=stock.pipeline())
    assert (done.written, done.still_open) == (1, 6)
    assert query("select record_key from raw.stock_levels order by 1") == [("8",), ("d",)]


def test_a_message_of_10_megabytes_comes_whole(stock: Stock, query: Query) -> None:
    big = json.loads(level(1, 1)["value"]) | {"note": "x" * 10_000_000}
    stock.send(level(1, 1) | {"value": json.dumps(big).encode()})
    assert stock.sync().counts.kept == 1
    assert query("select octet_length(source_data::text) > 10000000 from raw.stock_levels") == [(True,)]


def test_gaps_in_the_offsets_are_no_loss(stock: Stock, query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    """The marks of transactions have offsets too, also the last one."""
    real = kafka_topic.Consumer  # the mock cluster's marks have no check sums
    monkeypatch.setattr(kafka_topic, "Consumer", lambda given, **more: real(given | {"check.crcs": False}, **more))
    producer = stock.cluster.producer(**{"transactional.id": "test"})
    producer.init_transactions(20)
    for number in range(3):
        producer.begin_transaction()
        producer.produce(TOPIC, **level(number, 5, partition=0))
        producer.commit_transaction(20)
    assert stock.sync().counts.kept == 3
    place = query(BOOKMARK)[0][0]["partitions"]["0"]
    assert (place["next"], place["last"][0]) == (6, 4)
    stock.send(level(9, 5))
    assert stock.sync().counts.kept == 1


@pytest.mark.fault(
    "Kafka's retention deleted messages before they were read",
    "The stream fails and says how many offsets are gone; with `on_lost: earliest` it logs that and goes on.",
)
def test_offsets_that_retention_deleted_are_told_and_never_skipped_silently(
    stock: Stock, query: Query, caplog: pytest.LogCaptureFixture
) -> None:
    stock.send(level(1, 5), level(2, 5, partition=1))
    assert stock.sync().counts.kept == 2
    _fill(stock, 120)
    with pytest.raises(
        HeadwaterError, match=r"stock-levels\[0\]: offsets 1 to \d+ \(\d+\) were deleted unread"
    ) as told:
        stock.sync()
    assert "on_lost: earliest" in str(told.value)
    assert query("select count(*) from raw.stock_levels") == [(2,)]
    there = stock.sync(on_lost="earliest").counts.kept
    assert 0 < there < 120
    assert "were deleted unread" in caplog.text
    assert stock.sync().counts.received == 0


def _fill(stock: Stock, messages: int) -> None:
    """More than the broker keeps of a partition; each in a batch of its own, for it deletes by batch."""
    producer = stock.cluster.producer(**{"linger.ms": 0})
    for number in range(messages):
        value = json.loads(level(3, number)["value"]) | {"note": "x" * 100_000}
        producer.produce(TOPIC, partition=0, key="3", value=json.dumps(value).encode())
        producer.flush(20)


@pytest.mark.fault(
    "A Kafka topic was deleted and made anew",
    "The stream fails, whether the new one is shorter than the bookmark or has grown past it.",
)
@pytest.mark.parametrize(
    ("messages", "reason"), [(3, "it ends at 3, before the bookmark at 10"), (30, "is another message")]
)
def test_a_topic_that_was_made_anew_is_noticed(
    stock: Stock, messages: int, reason: str, current: Callable[[], dict[str, int | None]]
) -> None:
    stock.send(*(level(each, 5) for each in range(10)))
    assert stock.sync().counts.kept == 10
    stock.another_cluster()
    stock.send(*(level(each, 6) for each in range(messages)))
    with pytest.raises(HeadwaterError, match=reason):
        stock.sync()
    assert stock.sync(on_lost="earliest").counts.kept == messages
    assert {current()[str(each)] for each in range(messages)} == {6}


def test_a_broker_that_comes_back_with_the_same_log_is_read_on(stock: Stock) -> None:
    """What the pretend shop's does at each start."""
    first, more = [level(each, 5) for each in range(10)], [level(each, 6) for each in range(5)]
    stock.send(*first)
    assert stock.sync().counts.kept == 10
    stock.another_cluster()
    stock.send(*first, *more)
    assert stock.sync().counts == (5, 5, 0, 0)


def test_another_topic_is_read_from_its_beginning(stock: Stock) -> None:
    stock.send(*(level(each, 5) for each in range(10)))
    assert stock.sync().counts.kept == 10
    stock.cluster.send("other", level(1, 5))
    assert stock.sync(topic="other").counts.kept == 1


@pytest.mark.fault("Kafka is down, or refuses us", "The stream fails within its bounds, with what to look at.")
def test_a_broker_that_is_not_there_is_told_within_the_bounds(stock: Stock) -> None:
    stock.patience = "3s"
    pipeline = stock.pipeline()
    stock.cluster.close()
    with pytest.raises(HeadwaterError, match=r"did not answer within 3 s: .*; check STOCK_KAFKA_BOOTSTRAP_SERVERS"):
        sync_stream("stock", "levels", pipeline=pipeline)


@pytest.mark.fault(
    "The broker goes away while a topic is read",
    "What was read until then is kept; the stream fails within its bounds, and the next run goes on from there.",
)
def test_a_broker_that_goes_away_while_it_is_read_leaves_what_was_read(
    stock: Stock, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.kafka_topic.READ_AHEAD_KB", 256)
    monkeypatch.setattr("ingestion.sync.BATCH_RECORDS", 1)
    value = json.loads(level(1, 1)["value"]) | {"note": "x" * 50_000}  # far more than is on its way at any moment
    messages = (level(each, 1, partition=each % PARTITIONS) for each in range(320))
    stock.send(*(message | {"value": json.dumps(value).encode()} for message in messages))
    monkeypatch.setattr(kafka_stream, "PAGE_RECORDS", 5)
    stock.patience = "5s"
    pipeline = stock.pipeline()
    with pytest.raises(HeadwaterError, match="did not answer"):
        sync_stream("stock", "levels", pipeline=pipeline, on_progress=lambda _progress: stock.cluster.close())
    [(kept, received)] = query("select count(*), (select sum(received) from ops.loads) from raw.stock_levels")
    assert kept == received == sum(place["next"] for place in query(BOOKMARK)[0][0]["partitions"].values())
    assert 0 < kept < 320


def test_a_topic_that_is_not_there_is_named(stock: Stock) -> None:
    with pytest.raises(HeadwaterError, match=r"has no topic nowhere; set it in sources\.stock\.options"):
        stock.sync(topic="nowhere")


def test_mistakes_in_the_settings_are_named(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"streams\.levels\.topics: Extra inputs"):
        stock.sync(topics="x")
    monkeypatch.setenv("STOCK_KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(SettingsError, match=r"STOCK_KAFKA_SECURITY_PROTOCOL is 'TLS'; it is one of PLAINTEXT, SSL"):
        stock.sync()
    monkeypatch.setenv("STOCK_KAFKA_SECURITY_PROTOCOL", "sasl_ssl")
    with pytest.raises(SettingsError, match="STOCK_KAFKA_USERNAME is not set"):
        stock.sync()
    monkeypatch.setenv("STOCK_KAFKA_USERNAME", "me")
    monkeypatch.setenv("STOCK_KAFKA_PASSWORD", "hush")
    monkeypatch.setenv("STOCK_KAFKA_CA_FILE", "/no/such.pem")
    with pytest.raises(SettingsError, match=r"STOCK_KAFKA_CA_FILE names /no/such\.pem, which is no file"):
        stock.sync()
    monkeypatch.delenv("STOCK_KAFKA_CA_FILE")
    monkeypatch.setenv("STOCK_KAFKA_SASL_MECHANISM", "GUESS")
    with pytest.raises(SettingsError, match="STOCK_KAFKA_") as told:
        stock.sync()
    assert "hush" not in str(told.value)
    monkeypatch.setenv("STOCK_KAFKA_SASL_MECHANISM", "PLAIN")
    stock.patience = "3s"
    with pytest.raises(HeadwaterError, match=r"did not answer within 3 s: .*SSL.*; check STOCK_KAFKA_"):
        stock.sync()  # the cluster speaks no TLS


# Held against raw.


def test_what_the_topic_still_has_is_held_against_raw(stock: Stock, current: Callable[[], Any], query: Query) -> None:
    stock.send(*(level(each, 5, partition=each % 2) for each in range(6)), level(4, 6), level(1, 7, partition=1))
    stock.send({"key": "2", "value": None, "timestamp": 1_772_900_000_000})
    stock.sync()
    whole, versions = current(), query("select record_key, record_version from raw.stock_levels order by 1, 2")
    stock.send(level(8, 1))  # which only the next sync is to bring

    def held() -> tuple[Any, ...]:
        [found] = reconcile("stock", pipeline=stock.pipeline())
        assert found.error is None
        days = sorted((it.kind, it.source_records, it.raw_records) for it in found.days)
        return found.missing_keys, found.differing_keys, found.repaired, days

    assert held() == ([], [], 0, [])
    with psycopg.connect(stock.warehouse) as connection:
        for gone in ("record_key = '1'", "record_key = '2' and _deleted", "source_data::text like '%: 6,%'"):
            assert connection.execute(f"delete from raw.stock_levels where {gone}".encode()).rowcount
    days = [("partition 0, offsets 0 to 4", 0, 1), ("partition 1, offsets 0 to 3", 3, 2)]
    assert held() == (["1", "2"], ["4"], 3, days)
    assert current() == whole
    assert query("select record_key, record_version from raw.stock_levels order by 1, 2") == versions
    assert held() == ([], [], 0, [])
