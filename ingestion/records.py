"""Records against their contract: each a row for raw, or a reject with every reason; together what a batch holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from ingestion.contracts import Contract, Verdict, has_lone_surrogates
from ingestion.source import Record, Stream
from settings import HeadwaterError
from warehouse.batch import Batch, LoadedFile, RawRow, Reject

LONGEST_KEY = 1_000  # bytes: Postgres' index takes 2,700 with the version and the hash, and reads get slow before
Policy = Literal["quarantine", "skip", "stop"]  # what becomes of records that break their contract
GONE = b"null"  # the bytes of a deleted record of which the source says nothing more


class ContractBroken(HeadwaterError):
    """A record broke its contract and the stream's policy is `stop`."""


class Intake:
    """Takes the records of one batch in, as the contract and the stream's policy say.

    `deletions` are the versions, by key, of those that raw holds as deleted: a record wins over its own.
    """

    def __init__(
        self, stream: Stream, contract: Contract, policy: Policy, deletions: Mapping[str, datetime] | None = None
    ):
        self._stream, self._contract, self._policy = stream, contract, policy
        self._deletions = deletions or {}
        self._rows: list[RawRow] = []
        self._rejects: list[Reject] = []
        self._skipped = 0

    def add(self, record: Record, extracted_at: datetime, origin: str = "") -> None:
        """Check it; `origin` where its own is not known. Raises ContractBroken when the policy is `stop`."""
        checked = check_record(record, self._stream, self._contract, extracted_at)
        if isinstance(checked, RawRow):
            deletion = self._deletions.get(checked.key)
            if deletion and not checked.deleted:
                checked = checked._replace(version=max(checked.version, deletion + timedelta(microseconds=1)))
            self._rows.append(checked)
        elif self._policy == "stop":
            raise ContractBroken(
                f"A record ({(checked.key or 'without a key')[:100]}, from {checked.origin or origin}) broke its"
                f" contract and the policy is `stop`: {'; '.join(checked.errors)}. Nothing of its batch was kept."
            )
        elif self._policy == "skip":
            self._skipped += 1
        else:
            self._rejects.append(checked if checked.origin else checked._replace(origin=origin))

    def __bool__(self) -> bool:
        return bool(self._rows or self._rejects or self._skipped)

    def batch(
        self,
        state: dict[str, Any],
        origin: str,
        watermark: datetime | None = None,
        files: Sequence[LoadedFile] = (),
    ) -> Batch:
        """What was taken in, with the bookmark after it."""
        return Batch(
            self._rows, state, origin, rejects=self._rejects, skipped=self._skipped, watermark=watermark, files=files
        )


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
