"""Topics of a Kafka, streams declared in pipeline.yml; a message is a JSON document, or nothing at all (a tombstone).

    stock:
      type: kafka
      options:
        streams:
          levels:
            topic: stock-levels
            key: variant_id       # the field that names a record; without it, the message's key does
            version: changed_at   # the field with the record's own time; without it, the message's timestamp is it
            on_lost: fail         # or earliest: see below
      streams:
        levels:

A run goes from the bookmark to what was committed when it began, and ends; schedule it every few minutes. The offsets
are in the bookmark, which commits with the records: Kafka's own consumer groups are not used, so no rebalance, crash
or second consumer loses a message or brings it twice. New partitions are read from their beginning. Messages of open
and aborted transactions are left out by the brokers and the client (`isolation.level=read_committed`); that is Kafka's
own promise and no test of ours shows it, for the cluster that the tests have gives aborted messages all the same.

Promised: every message that the topic holds from the first run on comes once, in the order of its partition. With
timestamps as versions, the later message of a key wins when the two are less than a second apart, whatever their
producers' clocks say; beyond that a late message is an older version (see kafka_clock.py). A tombstone is a deletion,
kept as `null`; where `key` is a field, its message's key must be that field's value, alone or in a JSON object. What
is no JSON goes to the quarantine with its bytes, topic, partition and offset.

Offsets that are gone are an error that says how many: retention deleted them before they were read, or the topic was
made anew (it ends before the bookmark, lacks a partition, or the last message that was read is another one).
`on_lost: earliest` goes on with what is there instead, and logs the loss as an error; what was read before is known.

A reconciliation reads again what the topic still holds before the bookmark, and compares the newest message of each key
by partition; what is older than the topic's retention is not compared.

What cannot be known: messages that compaction or retention took before the first run, or that compaction took between
two runs (a later message of their key came in their place); a topic that was made anew and whose last message read
was compacted away. Headers are not kept. Avro and Protobuf are not decoded.

Settings of a source NAME: NAME_KAFKA_BOOTSTRAP_SERVERS (host:9092,host:9092) and, where the cluster asks for them,
NAME_KAFKA_SECURITY_PROTOCOL (SASL_SSL, SSL, SASL_PLAINTEXT; PLAINTEXT), NAME_KAFKA_SASL_MECHANISM (SCRAM-SHA-512),
NAME_KAFKA_USERNAME, NAME_KAFKA_PASSWORD, NAME_KAFKA_CA_FILE, NAME_KAFKA_CERTIFICATE_FILE and NAME_KAFKA_KEY_FILE. The
login needs Describe and Read on the topics only. Contracts: ingestion/contracts/kafka.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.kafka_stream import KafkaStream
from ingestion.source import BaseSource, Context, Stream
from settings import SettingsError, SourceSettings

Text = Annotated[str, Field(min_length=1)]


class TopicStream(BaseModel):
    """What pipeline.yml says of one stream; see the top."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: Text
    key: Text | None = None
    version: Text | None = None
    on_lost: Literal["fail", "earliest"] = "fail"


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    streams: Annotated[dict[str, TopicStream], Field(min_length=1)]


class Source(BaseSource):
    streams: ClassVar[dict[str, type[Stream]]] = {}

    def __init__(self, context: Context):
        super().__init__(context)
        self._options = _options(context.settings, context.source)
        self._built: list[KafkaStream] = []

    @classmethod
    def stream_names(cls, settings: SourceSettings) -> Collection[str]:
        return _options(settings, "type kafka").streams

    def stream(self, name: str) -> Stream:
        declared = self._options.streams[name]
        lost_is_fatal = declared.on_lost == "fail"
        stream = KafkaStream(self.context, name, declared.topic, declared.key, declared.version, lost_is_fatal)
        self._built.append(stream)
        return stream

    def close(self) -> None:
        for stream in self._built:
            stream.stop()


def _options(settings: SourceSettings, source: str) -> Options:
    try:
        return Options.model_validate(settings.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"pipeline.yml, options of {source}: {where}: {first['msg']}.") from None
