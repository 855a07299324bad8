"""The loop: read pages, hold each record against its contract, and commit them with their bookmark and counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from ingestion.ahead import ReadAhead
from ingestion.catalog import check_names, contract_of, source_class
from ingestion.contracts import Contract
from ingestion.records import Intake, Policy
from ingestion.source import Context, Page, Stream
from ingestion.webhooks.apply import apply_before_sync
from ingestion.webhooks.missed import count_missed
from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse.batch import Batch, Counts
from warehouse.writer import StreamWriter

# Small pages share a transaction up to these bounds; a page is never split.
BATCH_RECORDS = 2_000
BATCH_BYTES = 8 * 1024 * 1024
BATCH_SECONDS = 15.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one run of a stream did. `error` is None when it succeeded; what it had committed before stays."""

    source: str
    stream: str
    counts: Counts = field(default_factory=Counts)
    batches: int = 0
    bytes: int = 0
    seconds: float = 0.0
    new_fields: tuple[str, ...] = ()
    error: str | None = None

    @property
    def records_per_second(self) -> float:
        return self.counts.received / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: what it has read, and what of it is committed."""

    source: str
    stream: str
    read: int
    committed: int
    bytes: int
    seconds: float


def sync_stream(
    source: str,
    stream: str,
    *,
    pipeline: Pipeline | None = None,
    url: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Load what `stream` has that the warehouse has not, and say what was done.

    Raises HeadwaterError (StreamBusy, Fenced, HttpError, ContractBroken among them) when it could not come to its
    end: the batches committed until then stay, and the next run goes on after them.
    """
    pipeline = pipeline or load_pipeline()
    check_names(pipeline, source, [stream])
    settings = pipeline.source(source)
    contract = contract_of(source, settings.type, stream)
    apply_before_sync(source, stream, pipeline=pipeline, url=url)
    with StreamWriter(source, stream, url) as writer:
        context = Context(source, settings, writer.known)
        built = source_class(settings.type)(context)
        try:
            reader = built.stream(stream)
            policy = settings.stream(stream).on_reject
            result = copy_pages(reader.read(writer.state), reader, writer, contract, policy, on_progress)
        finally:
            built.close()
        count_missed(source, stream, settings.type, url)
    log.info("%s.%s: %s in %.1f s", source, stream, result.counts, result.seconds)
    return result


def copy_pages(
    pages: Iterator[Page],
    stream: Stream,
    writer: StreamWriter,
    contract: Contract,
    policy: Policy,
    on_progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Commit the pages batch by batch, to the last one; what was done. Raises what sync_stream raises."""
    run = _Run(writer, on_progress)
    groups = _grouped(run.counted(pages))
    ahead = ReadAhead((_batch(group, stream, contract, policy) for group in groups), f"{writer.source}.{writer.stream}")
    try:
        for batch in ahead:
            run.report()
            writer.commit(batch)
            run.report()
    finally:
        ahead.stop()
    run.check_balance()
    new_fields = tuple(sorted(contract.new_fields))
    if new_fields:
        names = ", ".join(new_fields)
        log.warning("%s.%s has fields that its contract does not name: %s", writer.source, writer.stream, names)
    counts, batches = writer.counts, writer.batches
    return RunResult(writer.source, writer.stream, counts, batches, run.bytes, run.seconds, new_fields)


def sync(
    source: str,
    streams: Iterable[str] | None = None,
    *,
    pipeline: Pipeline | None = None,
    url: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[RunResult]:
    """Run the streams of a source (all of them by default), each whatever happens to the others.

    Raises HeadwaterError for a name that is not there; a stream's failure is in its result's `error`.
    """
    pipeline = pipeline or load_pipeline()
    chosen = list(dict.fromkeys(streams or pipeline.source(source).streams))
    check_names(pipeline, source, chosen)
    results = []
    for stream in chosen:
        begun = time.monotonic()
        try:
            result = sync_stream(source, stream, pipeline=pipeline, url=url, on_progress=on_progress)
        except HeadwaterError as error:
            result = RunResult(source, stream, error=str(error))
        except Exception as error:
            # A bug in one stream's code must not keep the others' data back; it is shown whole in the log.
            log.exception("%s.%s failed", source, stream)
            result = RunResult(source, stream, error=f"{type(error).__name__}: {error}; its traceback is in the log.")
        if result.error:
            result = replace(result, seconds=time.monotonic() - begun)
        results.append(result)
    return results


def _batch(group: list[Page], stream: Stream, contract: Contract, policy: Policy) -> Batch:
    intake = Intake(stream, contract, policy)
    for page in group:
        for record in page.records:
            intake.add(record, page.extracted_at, page.origin)
    origin = group[0].origin if len(group) == 1 else f"{group[0].origin} … {group[-1].origin}"
    watermark = max((page.watermark for page in group if page.watermark), default=None)
    return intake.batch(group[-1].state, origin, watermark, [file for page in group for file in page.files])


def _grouped(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """Pages that share a transaction: the bookmark after it is the last one's.

    When the source fails, what it had given is handed out before its error is raised.
    """
    group: list[Page] = []
    records = size = 0
    begun = time.monotonic()
    failure: HeadwaterError | None = None
    try:
        for page in pages:
            group.append(page)
            records += len(page.records)
            size += sum(len(record.data) for record in page.records)
            # A bookmark that comes alone is kept at once: what it tells of may take long.
            alone = not page.records
            if alone or records >= BATCH_RECORDS or size >= BATCH_BYTES or time.monotonic() - begun >= BATCH_SECONDS:
                yield group
                group, records, size, begun = [], 0, 0, time.monotonic()
    except HeadwaterError as error:
        failure = error
    if group:
        yield group
    if failure:
        raise failure


class _Run:
    """What a run has read so far, told as it goes and weighed against what was written at its end."""

    def __init__(self, writer: StreamWriter, on_progress: Callable[[Progress], None] | None):
        self._writer, self._on_progress = writer, on_progress
        self._begun = time.monotonic()
        self.read = self.bytes = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def counted(self, pages: Iterable[Page]) -> Iterator[Page]:
        for page in pages:
            self.read += len(page.records)
            self.bytes += sum(len(record.data) for record in page.records)
            yield page

    def report(self) -> None:
        if self._on_progress:
            writer = self._writer
            committed = writer.counts.received
            self._on_progress(Progress(writer.source, writer.stream, self.read, committed, self.bytes, self.seconds))

    def check_balance(self) -> None:
        counts, name = self._writer.counts, f"{self._writer.source}.{self._writer.stream}"
        if not self.read == counts.received == counts.kept + counts.already_there + counts.rejected:
            raise HeadwaterError(f"The counts of {name} do not balance: read {self.read}, {counts}. This is a bug.")
