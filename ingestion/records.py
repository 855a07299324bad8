"""One record against its contract: a row for raw, or a reject with every reason."""

from __future__ import annotations

from datetime import datetime

from ingestion.contracts import Contract, Verdict, has_lone_surrogates
from ingestion.source import Record, Stream
from warehouse.batch import RawRow, Reject

LONGEST_KEY = 1_000  # bytes: Postgres' index takes 2,700 with the version and the hash, and reads get slow before
GONE = b"null"  # the bytes of a deleted record of which the source says nothing more


def check_record(record: Record, stream: Stream, contract: Contract, extracted_at: datetime) -> RawRow | Reject:
    """The record as a row for raw, or as a reject with every reason it has."""
    is_gone = record.deleted and record.data == GONE
    document, errors = Verdict(None, []) if is_gone else contract.check(record.data)
    fields = document if isinstance(document, dict) else {}
    key = record.key or stream.key_of(fields)
    version = record.version
    if not errors:
        if not key or "\x00" in key:
            errors.append(f"{stream.key}: it cannot serve as the record's key")
        elif len(key) > LONGEST_KEY // 4 and len(key.encode()) > LONGEST_KEY:
            errors.append(f"{stream.key}: it is longer than {LONGEST_KEY:,} bytes and cannot serve as the record's key")
        elif "\ufffd" in key and has_lone_surrogates(record.data):
            # Read as U+FFFD, it would make one key of two.
            errors.append(f"{stream.key}: it has half a surrogate pair and cannot serve as the record's key")
        try:
            version = version or stream.version_of(fields)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            missing = isinstance(error, KeyError)
            errors.append(f"{stream.version_field}: it is missing" if missing else str(error))
    if errors or version is None:
        kept_key = key.replace("\x00", "") or None
        return Reject(kept_key, record.data, errors, record.origin, record.version, record.deleted)
    return RawRow(key, version, record.data, extracted_at, record.deleted or stream.is_deleted(fields))
