"""Fetch what a reconciliation found missing, and write it by the one way into raw."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from ingestion.catalog import contract_of
from ingestion.records import Intake
from ingestion.source import Stream
from ingestion.sync import sync_stream
from settings import Pipeline
from warehouse.inventories import Inventories
from warehouse.writer import StreamWriter

AT_ONCE = 100


def repair_records(
    inventories: Inventories, source: str, stream: Stream, end: datetime, pipeline: Pipeline, url: str | None
) -> Iterator[list[str]]:
    """Fetch the wanted keys, a few batches at a time; give the keys once what came of them is committed.

    The bookmark stays as it is. Raises HeadwaterError; StreamBusy when a sync of the stream runs.
    """
    settings = pipeline.source(source)
    contract = contract_of(source, settings.type, stream.name)
    policy = settings.stream(stream.name).on_reject
    after, origin = "", f"reconciliation up to {end:%Y-%m-%dT%H:%M:%SZ}"
    with StreamWriter(source, stream.name, url, kind="reconciliation") as writer:
        while keys := inventories.wanted(after, stream.refetch_at_once):
            # A source that forgets tells of deletions itself, and each in its order.
            deletions = {} if stream.forgets else inventories.deletions(keys)
            fetched = iter(stream.refetched(keys, end))
            while records := list(islice(fetched, AT_ONCE)):
                extracted_at = datetime.now(UTC)
                intake = Intake(stream, contract, policy, deletions)
                for record in records:
                    intake.add(record, extracted_at, origin)
                writer.commit(intake.batch(writer.state, origin))
            yield keys
            after = keys[-1]


def repair_files(inventories: Inventories, source: str, stream: str, pipeline: Pipeline, url: str | None) -> int:
    """Files are found by listing them all, which every sync does: run one; return how many are still not loaded."""
    sync_stream(source, stream, pipeline=pipeline, url=url)
    loaded = {(name, size) for name, size, _ in inventories.files(stream)}
    rows = inventories.connection.execute(
        "select s.key, s.amount::bigint from wanted w join at_source s on s.key = w.key"
    ).fetchall()
    return sum((key, size) not in loaded for key, size in rows)
