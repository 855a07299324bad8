"""Google Analytics' daily exports (GA4, the shape of its BigQuery export) as gzipped newline JSON in an S3 bucket.

`events_YYYYMMDD/part-0000.json.gz` and more for each day of the property's time zone, with or without an object
`_SUCCESS` that says that the day is complete. `events_intraday_…` is provisional and is not read.

Google promises: a day's export comes after the day, and may come again for some days (it says 72 hours) with events
that were late or were corrected; here any later correction is found too, within `relist_days` at the next run, beyond
them at the next full listing. A corrected day replaces the day: events that it no longer holds become deleted, never
from a day that is still arriving, and never because a bucket's rules let old objects expire. Order lies in the
events' own times; nothing is promised about the order in which days and objects come.

An export has no event id. The key is the day and a hash of what tells events apart: user_pseudo_id, event_timestamp,
event_name, and the place in the batch that the browser sent (batch_page_id, batch_ordering_id, batch_event_index).
Events alike in all of these cannot be told apart: they are one record, and the last one read stands.

A reconciliation reads every object of its days again, and compares the keys of their rows; the bytes too, where an
object is not loaded under its ETag (a correction of a day that is older than `relist_days`).

What cannot be known: whether a day without an export was quiet or is late; for a day without `_SUCCESS`, that its
writer had not merely paused for longer than `settle_hours` (what was then told as deleted comes back when it arrives).

Settings: GA_S3_URL, GA_S3_ENDPOINT_URL (for an S3 that is not Amazon's), of a source that is called otherwise
<SOURCE>_S3_URL and <SOURCE>_S3_ENDPOINT_URL; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION are one for all. In
pipeline.yml `options: {relist_days: 10, full_relist_days: 7, settle_hours: 6}`.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, ClassVar

from ingestion.daily_export import DailyExport
from ingestion.s3 import S3Folder
from ingestion.source import BaseSource, Context, Stream

IDENTITY = (
    "user_pseudo_id",
    "event_timestamp",
    "event_name",
    "batch_page_id",
    "batch_ordering_id",
    "batch_event_index",
)
_DAY = re.compile(r"\d{8}", re.ASCII)


class Events(DailyExport):
    name = "events"
    prefix = "events_"
    key = "event_date"

    def key_of(self, record: dict[str, Any]) -> str:
        day = record.get("event_date")
        if not isinstance(day, str) or not _DAY.fullmatch(day):
            return ""
        # BigQuery writes 64-bit integers as text, other tools as numbers: the same event either way.
        parts = [None if (value := record.get(name)) is None else str(value) for name in IDENTITY]
        return day + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class Source(BaseSource):
    streams: ClassVar[dict[str, type[Stream]]] = {"events": Events}

    def __init__(self, context: Context):
        super().__init__(context)
        self._folder = S3Folder(_prefix(context.source), context.settings.http)

    def stream(self, name: str) -> Stream:
        return {"events": Events}[name](self.context, self._folder)

    def close(self) -> None:
        self._folder.close()


def _prefix(source: str) -> str:
    return "GA" if source == "google_analytics" else source.upper()
