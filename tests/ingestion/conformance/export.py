"""Daily exports on moto's S3 server, behind one that has the test's clock and fails as it is told."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import datetime
from typing import Any, ClassVar

import boto3
import pytest
import requests

from ingestion import daily_export
from settings import Pipeline
from tests.ingestion.conformance.adapter import Document, Thing
from tests.ingestion.conformance.corpus import LINES
from tests.ingestion.conformance.http_adapter import HttpAdapter
from tests.ingestion.s3_bucket import Bucket
from tests.ingestion.scripted import Answer, Asked

DAY = "20260301"
SESSION = boto3.session.Session()
ERROR = "<Error><Code>%s</Code><Message>no</Message></Error>"
Shard = tuple[datetime, dict[int, bytes]]  # when it was written, and its lines by their record's number


class ExportAdapter(HttpAdapter):
    """Google Analytics. What appears together is one object of the day; what changes moves from its old object."""

    name = "google-analytics"
    source, stream = "google_analytics", "events"
    address, credential = "GA_S3_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"
    required = "event_name"
    tells_deletions = True
    has_window = False
    before_answers = False
    asks_until_bound = 2
    corpus = LINES
    remembers = (*HttpAdapter.remembers, "shards")
    options: ClassVar[dict[str, Any]] = {"settle_hours": 0, "relist_days": 365}

    def __init__(self, patch: pytest.MonkeyPatch, bucket: Bucket):
        super().__init__(patch)
        self._patch, self._bucket, self._session = patch, bucket, requests.Session()
        self.shards: dict[str, Shard] = {}
        self._written = 0
        patch.setenv("GA_S3_URL", "s3://exports/ga4")
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIADEMO")
        patch.setattr("boto3.session.Session", lambda: SESSION)  # a new one reads S3's whole description
        patch.setattr("ingestion.s3.BACKOFF_SECONDS", 0.01)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)
        bucket.empty()

    def key(self, number: int) -> str:
        parts = [f"u{number}", str(number), "view", None, None, None]
        return DAY + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def document(self, thing: Thing) -> Document:
        found = {"event_date": DAY, "event_timestamp": str(thing.number), "event_name": "view"}
        more = {"user_pseudo_id": f"u{thing.number}", "platform": "WEB", "user_id": thing.mark}
        return {**found, **more, "stream_id": "<hole>" if thing.hole else "1"}

    def shown(self, things: list[Thing]) -> None:
        self._leave_out({thing.number for thing in things})
        self._written += 1
        self._write(f"part-{self._written:05d}.json.gz", {it.number: self.bytes_of(it) for it in things})

    def gone(self, thing: Thing) -> None:
        self._leave_out({thing.number})

    def restore(self, kept: dict[str, Any]) -> None:
        super().restore(kept)
        self._bucket.empty()
        for name in self.shards:
            self._put(name)

    def pipeline(self, on_reject: str = "quarantine") -> Pipeline:
        self._patch.setattr(daily_export, "PAGE_ROWS", self.page)
        return super().pipeline(on_reject)

    def answer(self, asked: Asked) -> Answer:
        headers = {name: value for name, value in asked.headers.items() if name != "Host"}
        given = self._session.request(asked.method, self._bucket.endpoint + asked.path, headers=headers)
        left_out = ("content-length", "date", "connection", "server")
        return Answer(
            given.content,
            given.status_code,
            {name: value for name, value in given.headers.items() if name.lower() not in left_out},
        )

    def refused(self) -> Answer:
        return Answer((ERROR % "SignatureDoesNotMatch").encode(), 403)

    def too_many(self) -> Answer:
        return Answer((ERROR % "SlowDown").encode(), 503)

    def _leave_out(self, numbers: set[int]) -> None:
        for name, (_, lines) in list(self.shards.items()):
            if numbers & lines.keys():
                self._write(name, {number: line for number, line in lines.items() if number not in numbers})

    def _write(self, name: str, lines: dict[int, bytes]) -> None:
        self.shards[name] = (self.now, lines)
        self._put(name)

    def _put(self, name: str) -> None:
        modified, lines = self.shards[name]
        content = self.before_all + b"".join(line + b"\n" for line in lines.values())
        self._bucket.put(f"events_{DAY}/{name}", gzip.compress(content, 1, mtime=0), modified)
