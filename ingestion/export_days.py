"""The days of a daily export in a bucket: which objects make up a day, and whether the day is complete."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ingestion.s3 import S3Object

MARKER = "_SUCCESS"
_SHARD = re.compile(r"(?P<day>\d{8})(?:/|[._-]).*\.(?:json|jsonl|ndjson)(?:\.gz)?")


@dataclass(slots=True)
class Day:
    """One day's objects under `prefix`; `marker` says that the export of the day was complete then."""

    name: str  # YYYYMMDD
    prefix: str
    shards: list[S3Object] = field(default_factory=list)
    marker: S3Object | None = None

    @property
    def changed(self) -> datetime:
        """When the day last changed."""
        return max(it.modified for it in (*self.shards, *([self.marker] if self.marker else [])))

    def is_complete(self, now: datetime, settle: timedelta) -> bool:
        """Its marker is there and not older than any shard; or it has none and stood still for `settle`."""
        newest = max(shard.modified for shard in self.shards)
        return self.marker.modified >= newest if self.marker else now - newest >= settle


def days_of(objects: Iterable[S3Object], prefix: str) -> dict[str, Day]:
    """The days by name, of objects such as `{prefix}20260301/part-0000.json.gz`; whatever else lies there is no day."""
    days: dict[str, Day] = {}
    for it in objects:
        rest = it.name.removeprefix(prefix)
        name = rest[:8]
        if shard := _SHARD.fullmatch(rest):
            name = shard["day"]
        elif rest != f"{name}/{MARKER}":
            continue
        day = days.setdefault(name, Day(name, f"{prefix}{name}"))
        if shard:
            day.shards.append(it)
        else:
            day.marker = it
    return {name: day for name, day in days.items() if day.shards}


def midnight(day: str) -> datetime:
    """When a day begins that is written as YYYYMMDD, as if its time zone were UTC."""
    return datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
