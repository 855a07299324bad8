"""Records that broke their contract: list them, look at one, discard them, or replay them under a better contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import namedtuple_row

from ingestion.catalog import check_names, contract_of, source_class
from ingestion.records import check_record
from ingestion.source import Context, Record
from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse.batch import Batch, RawRow
from warehouse.connection import connect
from warehouse.writer import StreamWriter

REPLAY_AT_ONCE = 500


class Entry(NamedTuple):
    """One line of the list; `errors` is every reason that the record has."""

    id: int
    source: str
    stream: str
    key: str | None
    status: str
    quarantined_at: datetime
    errors: list[str]


class Kept(NamedTuple):
    """A quarantined record whole: its exact bytes, where it came from, and who did not want it, and why."""

    entry: Entry
    record: bytes
    origin: str
    record_version: datetime | None
    resolved_at: datetime | None
    discarded_by: str | None
    discard_reason: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did: `written` went to raw, `still_open` were given their errors of today."""

    source: str
    stream: str
    written: int
    still_open: int


ENTRY = "quarantine_id, source, stream, record_key, status, quarantined_at, errors"


def list_entries(
    source: str | None = None,
    stream: str | None = None,
    *,
    everything: bool = False,
    limit: int = 50,
    url: str | None = None,
) -> list[Entry]:
    """The newest entries, open ones unless `everything` is asked for."""
    with connect("loader", url=url) as connection:
        rows = connection.execute(
            f"select {ENTRY} from ops.quarantine where (source = %(source)s or %(source)s::text is null)"
            " and (stream = %(stream)s or %(stream)s::text is null) and (status = 'open' or %(everything)s)"
            " order by quarantine_id desc limit %(limit)s".encode(),
            {"source": source, "stream": stream, "everything": everything, "limit": limit},
        ).fetchall()
    return [Entry(*row) for row in rows]


def show(quarantine_id: int, *, url: str | None = None) -> Kept:
    """One entry with its bytes; raises HeadwaterError when there is none of this number."""
    with connect("loader", url=url) as connection:
        row = connection.execute(
            f"select {ENTRY}, record, origin, record_version, resolved_at, discarded_by, discard_reason"
            " from ops.quarantine where quarantine_id = %s".encode(),
            (quarantine_id,),
        ).fetchone()
    if row is None:
        raise HeadwaterError(f"There is no quarantined record {quarantine_id}; `quarantine list --all` shows them.")
    size = len(Entry._fields)
    return Kept(Entry(*row[:size]), *row[size:])


def discard(quarantine_ids: Sequence[int], *, why: str, by: str, url: str | None = None) -> int:
    """Mark open entries as discarded, with who decided it and why; return how many.

    Raises HeadwaterError, and changes nothing, when there is no reason or an entry is not open.
    """
    if not why.strip() or not by.strip():
        raise HeadwaterError("A record is discarded by somebody, for a reason: say why.")
    wanted = sorted(set(quarantine_ids))
    with connect("loader", url=url) as connection, connection.transaction():
        rows = connection.execute(
            "update ops.quarantine set status = 'discarded', resolved_at = clock_timestamp(), discarded_by = %s,"
            " discard_reason = %s where quarantine_id = any(%s) and status = 'open' returning quarantine_id",
            (by.strip(), why.strip(), wanted),
        ).fetchall()
        if left := sorted(set(wanted) - {found for (found,) in rows}):
            numbers = ", ".join(map(str, left))
            raise HeadwaterError(f"Not open, or not there: {numbers}. Nothing was discarded; `quarantine list` shows.")
    return len(wanted)


def streams_with_open(source: str | None = None, *, url: str | None = None) -> list[tuple[str, str]]:
    """The (source, stream) pairs that have open entries."""
    with connect("loader", url=url) as connection:
        rows = connection.execute(
            "select distinct source, stream from ops.quarantine where status = 'open'"
            " and (source = %(source)s or %(source)s::text is null) order by 1, 2",
            {"source": source},
        ).fetchall()
    return [(str(a), str(b)) for a, b in rows]


def replay(source: str, stream: str, *, pipeline: Pipeline | None = None, url: str | None = None) -> Replayed:
    """Hold the stream's open entries against today's contract; write those that pass and mark them replayed.

    Raises HeadwaterError; StreamBusy when a sync of the stream runs. Each step of 500 is one transaction.
    """
    pipeline = pipeline or load_pipeline()
    check_names(pipeline, source, [stream])
    settings = pipeline.source(source)
    contract = contract_of(source, settings.type, stream)
    built = source_class(settings.type)(Context(source, settings))
    written = still_open = after = 0
    try:
        reader = built.stream(stream)
        with StreamWriter(source, stream, url, kind="replay") as writer, connect("loader", url=url) as connection:
            while entries := _open_entries(connection, source, stream, after):
                rows: list[RawRow] = []
                passed: list[int] = []
                for entry in entries:
                    key = (entry.record_key or "") if reader.key_is_beside else ""
                    record = Record(entry.record, entry.record_version, entry.deleted, entry.origin, key)
                    checked = check_record(record, reader, contract, entry.quarantined_at)
                    if isinstance(checked, RawRow):
                        rows.append(checked)
                        passed.append(entry.quarantine_id)
                    else:
                        still_open += 1
                        connection.execute(
                            "update ops.quarantine set errors = %s where quarantine_id = %s and errors <> %s",
                            (checked.errors, entry.quarantine_id, checked.errors),
                        )
                if rows:
                    writer.commit(Batch(rows=rows, state=writer.state, origin="replay", replayed=passed))
                    written += len(rows)
                after = entries[-1].quarantine_id
    finally:
        built.close()
    return Replayed(source, stream, written, still_open)


def _open_entries(connection: psycopg.Connection[Any], source: str, stream: str, after: int) -> list[Any]:
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(
            "select quarantine_id, record_key, record, record_version, deleted, origin, quarantined_at"
            " from ops.quarantine where source = %s and stream = %s and status = 'open' and quarantine_id > %s"
            " order by quarantine_id limit %s",
            (source, stream, after, REPLAY_AT_ONCE),
        ).fetchall()
