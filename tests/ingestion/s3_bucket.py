"""A bucket of moto's S3 server, whose objects and their times are what a test says."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

T0 = datetime(2026, 3, 2, tzinfo=UTC)
BUCKET = "exports"


class Bucket:
    def __init__(self, endpoint: str):
        self.endpoint = endpoint
        self.client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
        )
        self.client.create_bucket(Bucket=BUCKET)

    def put(self, name: str, rows: list[dict[str, Any]] | bytes, at: datetime = T0) -> None:
        """Rows are written as newline JSON, gzipped; bytes as they are."""
        data = rows if isinstance(rows, bytes) else gzip.compress(lines(rows), mtime=0)
        self.client.put_object(Bucket=BUCKET, Key=f"ga4/{name}", Body=data)
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET].keys[f"ga4/{name}"].last_modified = at

    def done(self, day: str, at: datetime = T0) -> None:
        self.put(f"events_{day}/_SUCCESS", b"", at)

    def empty(self) -> None:
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET].keys.clear()

    def take(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"ga4/{name}")


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def event(number: int, day: str = "20260301", **more: Any) -> dict[str, Any]:
    return {
        "event_date": day,
        "event_timestamp": str(1_772_355_600_000_000 + number),
        "event_name": "page_view",
        "user_pseudo_id": f"u{number}",
        "event_params": [{"key": "ga_session_id", "value": {"int_value": str(number)}}],
        **more,
    }


@contextmanager
def moto_bucket() -> Iterator[Bucket]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Bucket(f"http://{host}:{port}")
    finally:
        server.stop()
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()
