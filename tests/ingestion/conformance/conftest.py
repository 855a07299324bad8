"""The adapters, and a warehouse to hold what a source had against."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from ingestion import http as http_module
from ingestion import sftp as sftp_module
from ingestion import shopify_api
from ingestion import sync as sync_module
from ingestion.sync import RunResult, sync
from tests.ingestion.conformance.adapter import Adapter
from tests.ingestion.conformance.app import AppAdapter
from tests.ingestion.conformance.export import ExportAdapter
from tests.ingestion.conformance.files import EmailAdapter, FolderAdapter, UploadsAdapter
from tests.ingestion.conformance.kafka import KafkaAdapter
from tests.ingestion.conformance.rest import REST
from tests.ingestion.conformance.shopify import OrdersAdapter, ProductsAdapter
from tests.ingestion.conformance.stripe import BalanceAdapter, ChargesAdapter, CustomersAdapter
from tests.ingestion.s3_bucket import Bucket, moto_bucket
from warehouse.migrate import migrate


class Room(NamedTuple):
    """What a test lends an adapter; `fixture` gives any of pytest's by its name."""

    patch: pytest.MonkeyPatch
    folder: Path
    fixture: Callable[[str], Any]


ADAPTERS: dict[str, Callable[[Room], Adapter]] = {
    **{name: lambda room, make=make: make(room.patch, room.folder) for name, make in REST.items()},
    "shopify-products": lambda room: ProductsAdapter(room.patch),
    "shopify-orders": lambda room: OrdersAdapter(room.patch),
    "stripe-charges": lambda room: ChargesAdapter(room.patch),
    "stripe-customers": lambda room: CustomersAdapter(room.patch),
    "stripe-balance": lambda room: BalanceAdapter(room.patch),
    "email": lambda room: EmailAdapter(room.patch),
    "uploads-sftp": lambda room: UploadsAdapter(room.patch),
    "uploads-folder": lambda room: FolderAdapter(room.patch, room.folder),
    "app": lambda room: AppAdapter(room.patch, room.fixture("postgres")),
    "kafka": lambda room: KafkaAdapter(room.patch),
    "google-analytics": lambda room: ExportAdapter(room.patch, room.fixture("s3")),
}


@pytest.fixture(scope="package")
def s3() -> Iterator[Bucket]:
    with moto_bucket() as bucket:
        yield bucket


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Adapter]:
    monkeypatch.setattr(http_module, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(sftp_module, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(shopify_api.random, "uniform", lambda *_: 0.01)
    monkeypatch.setattr(sync_module, "BATCH_RECORDS", 1)  # each page is a transaction
    made = ADAPTERS[request.param](Room(monkeypatch, tmp_path, request.getfixturevalue))
    varied = [value for name, value in request.node.callspec.params.items() if name != "adapter"]
    case = f"{request.function.__name__}[{'-'.join(getattr(value, '__name__', str(value)) for value in varied)}]"
    if why := made.exempt.get(request.function.__name__) or made.exempt.get(case):
        made.close()
        pytest.skip(why)
    yield made
    made.close()


class Warehouse:
    """What one stream left in a warehouse."""

    def __init__(self, url: str, adapter: Adapter):
        self.url, self._adapter = url, adapter
        self.table = f"raw.{adapter.source}_{adapter.stream}"
        migrate(url, adapter.pipeline())

    def empty(self) -> None:
        self.query(f"truncate {self.table}, ops.quarantine, ops.files, ops.loads, ops.runs, ops.checkpoints")

    def run(self, on_reject: str = "quarantine") -> RunResult:
        pipeline = self._adapter.pipeline(on_reject)
        [result] = sync(self._adapter.source, pipeline=pipeline, url=self.url)
        return result

    def good(self) -> RunResult:
        result = self.run()
        assert result.error is None
        return result

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def marks(self) -> dict[str, str]:
        """Of each key that is not deleted the mark of its current version."""
        rows = self.query(
            f"select distinct on (record_key) record_key, source_data::text, _deleted from {self.table}"
            " order by record_key, record_version desc, _load_timestamp desc, content_hash desc"
        )
        return {key: found[0] for key, text, gone in rows if not gone and (found := re.search(r"mark-\d+-", text))}

    def everything(self) -> list[Any]:
        """All that two runs must agree on."""
        return [
            self.query(f"select record_key, record_version, content_hash, _deleted from {self.table} order by 1, 2, 3"),
            self.query("select record_key, record, errors from ops.quarantine order by 1, 2"),
            self.query("select state, watermark, last_record_at from ops.checkpoints"),
            self.query("select name, sha256, records from ops.files order by 1"),
            self.query("select sum(received), sum(kept), sum(already_there), sum(rejected) from ops.loads"),
        ]

    def hashes(self) -> tuple[set[bytes], set[bytes]]:
        """Of the bytes: those in raw, those in the quarantine; each is what its bytes say."""
        raw = self.query(f"select content_hash, convert_to(source_data::text, 'UTF8') from {self.table}")
        rejected = self.query("select content_hash, record from ops.quarantine")
        for digest, data in [*raw, *rejected]:
            assert hashlib.sha256(data).digest() == digest
        return {digest for digest, _ in raw}, {digest for digest, _ in rejected}


@pytest.fixture
def warehouse(clean_warehouse: str, adapter: Adapter) -> Warehouse:
    return Warehouse(clean_warehouse, adapter)


def expected(adapter: Adapter) -> dict[str, str]:
    """Of each key its newest mark at the source."""
    return {thing.key: thing.mark for thing in adapter.things.values()}
