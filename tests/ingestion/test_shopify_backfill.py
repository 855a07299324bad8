"""Backfills of Shopify by bulk operation: the same rows as by pages, and every way in which an operation can fail."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
import requests

from ingestion import http as http_module
from ingestion import shopify_bulk
from ingestion.backfill import plan_backfill, unfinished
from ingestion.backfill_workers import WindowResult, run_windows
from ingestion.http import HttpClient
from ingestion.shopify_bulk_file import BulkFile, Counted, FileLost, Shape
from ingestion.sources import shopify
from ingestion.sync import sync, sync_stream
from mock_apis.shopify.bulk_rules import read
from mock_apis.shopify.schema import schema
from mock_apis.world.world import World
from settings import HeadwaterError
from settings.pipeline import Http
from tests.ingestion.conftest import Query
from tests.ingestion.scripted import Answer, Scripted
from tests.mock_apis.serving import served
from warehouse.windows import progress

STREAMS = ("orders", "customers", "products")
RAW = "select record_key, record_version, content_hash, source_data::text from raw.shopify_{} order by 1, 2, 3"


@pytest.fixture
def world() -> World:
    return World(11, "tiny", date(2026, 3, 20))


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(http_module, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(shopify_bulk, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(shopify_bulk, "LONGEST_PAUSE", 0.05)
    with served(world) as base:
        monkeypatch.setenv("SHOPIFY_API_URL", f"{base}/shopify")
        monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_demo")
        yield base


def ask_for(shop: str, **fault: Any) -> None:
    assert requests.post(f"{shop}/_admin/faults", json={"target": "shopify_bulk", **fault}, timeout=10).ok


def plan(world: World, stream: str = "orders", windows: int = 1, **options: Any) -> UUID:
    """Over all that the shop has ever had."""
    end = world.now.replace(microsecond=0) - shopify.Orders.settle
    return plan_backfill("shopify", stream, datetime(2015, 1, 1, tzinfo=UTC), end, windows, **options)


def fill(backfill_id: UUID, stream: str = "orders", workers: int = 1) -> list[WindowResult]:
    return run_windows("shopify", stream, backfill_id, workers)


def errors(results: list[WindowResult]) -> list[str | None]:
    return [each.error for each in results]


def operations(shop: str) -> list[dict[str, Any]]:
    """As the shop knows them, the oldest first; looking at them takes them on."""
    answer = requests.post(
        f"{shop}/shopify/admin/api/2026-10/graphql.json",
        json={"query": "{ bulkOperations(first: 50) { nodes { id status query } } }"},
        headers={"X-Shopify-Access-Token": "shpat_demo"},
        timeout=10,
    )
    found: list[dict[str, Any]] = answer.json()["data"]["bulkOperations"]["nodes"]
    return found


def test_what_is_asked_in_bulk_is_sorted_by_nothing_and_shopify_takes_it() -> None:
    for stream in (shopify.Orders, shopify.Customers, shopify.Products):
        query = shopify.QUERIES.in_bulk(f"{stream.operation}InBulk", "created_at:>='2026-01-01'")
        read(query, schema())
        assert "sortKey" not in query and "\"created_at:>='2026-01-01'\"" in query


def test_raw_is_what_a_full_sync_leaves_to_the_byte(
    clean_warehouse: str, new_warehouse: Callable[[str], str], world: World, shop: str, query: Query
) -> None:
    synced = new_warehouse("bulk_against_sync")
    assert [result.error for result in sync("shopify", url=synced)] == [None] * 3
    assert any(order.refunds for order in world.orders.values())
    for stream in STREAMS:
        backfill_id = plan(world, stream, 3)
        assert errors(fill(backfill_id, stream)) == [None] * 3
        assert query(RAW.format(stream)) == query(RAW.format(stream), synced) != []
        kept = sum(window.counts.kept for window in progress(backfill_id))
        assert kept == len(getattr(world, stream))
    assert query("select count(*) from ops.quarantine") == [(0,)]
    assert query("select count(*) from ops.checkpoints") == [(0,)]


def test_after_a_sync_a_backfill_stores_nothing_twice(
    clean_warehouse: str, world: World, shop: str, query: Query
) -> None:
    sync("shopify")
    for stream in STREAMS:
        [found] = fill(plan(world, stream), stream)
        assert found.result and found.result.counts.kept == 0
        assert found.result.counts.already_there == len(getattr(world, stream))


@pytest.mark.fault(
    "More of Shopify's bulk operations are begun than may run at once",
    "The windows wait for their turn; everything is in.",
)
def test_more_windows_than_operations_may_run_at_once_wait_for_their_turn(
    clean_warehouse: str, world: World, shop: str, query: Query
) -> None:
    assert errors(fill(plan(world, windows=8), workers=8)) == [None] * 8
    assert query("select count(distinct record_key) from raw.shopify_orders") == [(len(world.orders),)]


@pytest.mark.fault(
    "A bulk operation is busy, fails or expires, or its file is short, cut or not to be had for a while",
    "It is waited for, begun again or fetched again; everything is in, once.",
)
@pytest.mark.parametrize(
    ("fault", "begun"),
    [
        ({"kind": "bulk_busy", "times": 2}, 1),
        ({"kind": "bulk_error"}, 2),
        ({"kind": "bulk_timeout", "times": 2}, 3),
        ({"kind": "bulk_expired"}, 2),
        ({"kind": "bulk_short"}, 2),
        ({"target": "shopify", "kind": "truncate", "match": ".jsonl"}, 1),
        ({"target": "shopify", "kind": "reset", "match": ".jsonl"}, 1),
        ({"target": "shopify", "kind": "503", "match": ".jsonl", "times": 2}, 1),
        ({"target": "shopify", "kind": "throttled", "match": "StartBulkOperation"}, 1),
        ({"target": "shopify", "kind": "throttled", "match": "BulkOperationById", "times": 2}, 1),
    ],
)
def test_what_may_pass_is_tried_again_and_all_is_there(
    clean_warehouse: str, world: World, shop: str, query: Query, fault: dict[str, Any], begun: int
) -> None:
    backfill_id = plan(world)
    ask_for(shop, **fault)
    assert errors(fill(backfill_id)) == [None]
    assert query("select count(*), count(distinct record_key) from raw.shopify_orders") == [(len(world.orders),) * 2]
    assert len(operations(shop)) == begun


@pytest.mark.fault(
    "A bulk operation is denied or canceled, fails or comes short each time",
    "The window fails with the reason within its bounds; the next run ends it.",
)
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "bulk_denied"}, "was denied; give the app of SHOPIFY_ACCESS_TOKEN the scope to read this"),
        ({"kind": "bulk_canceled"}, "somebody canceled gid://shopify/BulkOperation/1; run again to begin another"),
        ({"kind": "bulk_timeout", "times": 3}, r"brought nothing (FAILED (TIMEOUT)); try later, or with more and so"),
        ({"kind": "bulk_short", "times": 3}, "3 bulk operations one after the other brought nothing (its file has"),
        ({"target": "shopify", "kind": "500", "match": ".jsonl", "times": 9}, "answers 500, after"),
    ],
)
def test_what_does_not_pass_fails_the_window_and_the_next_run_ends_it(
    clean_warehouse: str, world: World, shop: str, query: Query, fault: dict[str, Any], told: str
) -> None:
    backfill_id = plan(world)
    ask_for(shop, **fault)
    [error] = errors(fill(backfill_id))
    assert error and told in error
    [left] = unfinished(backfill_id)
    assert (left.status, left.counts.received) == ("failed", 0)
    assert query("select count(*) from raw.shopify_orders") == [(0,)]
    requests.delete(f"{shop}/_admin/faults", timeout=10)
    assert errors(fill(backfill_id)) == [None]
    assert query("select count(*) from raw.shopify_orders") == [(len(world.orders),)]


class Killed(Exception):
    pass


@pytest.mark.fault(
    "A backfill is killed while it waits for a bulk operation",
    "The next run goes on with that operation; none is begun in vain.",
)
def test_a_run_that_is_killed_while_it_waits_finds_its_operation_again(
    clean_warehouse: str, world: World, shop: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill_id = plan(world)

    def die(_client: HttpClient, _seconds: float) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(HttpClient, "wait", die)
        [error] = errors(fill(backfill_id))
    assert error and error.startswith("Killed")
    [(state,)] = query("select state from ops.backfill_windows")
    assert state["cursor"]["operation"] == "gid://shopify/BulkOperation/1"
    assert errors(fill(backfill_id)) == [None]
    assert len(operations(shop)) == 1
    assert query("select count(*) from raw.shopify_orders") == [(len(world.orders),)]


@pytest.mark.fault(
    "A backfill is killed before it could note the bulk operation that it began",
    "The operation is known by its query and taken up.",
)
def test_an_operation_that_was_begun_and_not_noted_is_known_by_its_query(
    clean_warehouse: str, world: World, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill_id = plan(world)
    with monkeypatch.context() as patched:
        patched.setattr(shopify_bulk.BulkExport, "_bookmark", lambda *_: (_ for _ in ()).throw(Killed))
        assert errors(fill(backfill_id))[0]
    assert errors(fill(backfill_id)) == [None]
    assert len(operations(shop)) == 1


@pytest.mark.fault(
    "A backfill is killed within the file of a bulk operation",
    "The next run goes on behind what is in; nothing comes twice.",
)
def test_a_run_that_is_killed_within_the_file_goes_on_behind_what_is_in(
    clean_warehouse: str, world: World, shop: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shopify_bulk, "PAGE_RECORDS", 10)
    monkeypatch.setattr("ingestion.sync.BATCH_RECORDS", 10)
    backfill_id, whole = plan(world), shopify.Orders.filled
    filled = []

    def die(self: shopify.Orders, node: bytes) -> bytes:
        filled.append(node)
        if len(filled) == 45:
            raise Killed
        return whole(self, node)

    monkeypatch.setattr(shopify.Orders, "filled", die)
    [error] = errors(fill(backfill_id))
    assert error and error.startswith("Killed")
    [(state,)] = query("select state from ops.backfill_windows")
    in_already = state["cursor"]["done"]
    assert 0 < in_already <= 40
    assert query("select count(*) from raw.shopify_orders") == [(in_already,)]
    [found] = fill(backfill_id)
    assert found.result and found.result.counts.received == len(world.orders) - in_already
    assert query("select count(*) from raw.shopify_orders") == [(len(world.orders),)]
    assert len(operations(shop)) == 1


@pytest.mark.fault("An order changes while a bulk operation reads it", "Its newest state is what stands.")
def test_a_change_while_the_operation_runs_ends_with_the_newest_state(
    clean_warehouse: str, world: World, shop: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_stream("shopify", "orders")
    backfill_id, wait, lived = plan(world), HttpClient.wait, []

    def live_on(client: HttpClient, seconds: float) -> None:
        wait(client, seconds)
        if not lived:
            lived.append(seconds)
            requests.post(f"{shop}/_admin/advance", json={"days": 1}, timeout=30).raise_for_status()
            sync_stream("shopify", "orders")

    monkeypatch.setattr(HttpClient, "wait", live_on)
    assert errors(fill(backfill_id)) == [None]
    assert lived
    requests.post(f"{shop}/_admin/advance", json={"days": 1}, timeout=30).raise_for_status()
    sync_stream("shopify", "orders")
    current = query(
        "select distinct on (record_key) record_key, source_data->>'updatedAt' from raw.shopify_orders"
        " order by record_key, record_version desc, _load_timestamp desc"
    )
    assert dict(current) == {
        f"gid://shopify/Order/{order.id}": f"{order.updated_at:%Y-%m-%dT%H:%M:%SZ}" for order in world.orders.values()
    }


SHAPE = Shape(["id", "name", "parts", "last"], {"parts": "Part"})


def a_file(scripted: Scripted, lines: list[bytes]) -> BulkFile:
    scripted.then = lambda _asked: Answer(b"\n".join(lines) + b"\n")
    file = BulkFile().__enter__()
    file.fetch(f"{scripted.url}/result.jsonl", Http(attempts=2), lambda _seconds: None)
    return file


def test_parts_are_joined_in_their_order_wherever_they_stand_and_bytes_stay(scripted: Scripted) -> None:
    file = a_file(
        scripted,
        [
            b'{"id":"gid:\\/\\/1","name":"a \\\\\\/ \\u0000 \\ud800","last":1.50,"new":[]}',
            b'{"id":"gid:\\/\\/2","name":"b","last":2}',
            b'{"__typename":"Part","sku":"x","__parentId":"gid:\\/\\/2"}',
            b'{"__typename":"Part","sku":"y","__parentId":"gid:\\/\\/1"}',
            b'{"__typename":"Part","sku":"z","__parentId":"gid:\\/\\/2"}',
        ],
    )
    assert file.count() == Counted(5, 2)
    end = b'],"pageInfo":{"hasNextPage":false}}'
    assert list(file.records(SHAPE)) == [
        b'{"id":"gid://1","name":"a \\\\/ \\u0000 \\ud800","parts":{"nodes":[{"sku":"y"}'
        + end
        + b',"last":1.50,"new":[]}',
        b'{"id":"gid://2","name":"b","parts":{"nodes":[{"sku":"x"},{"sku":"z"}' + end + b',"last":2}',
    ]
    assert len(list(file.records(SHAPE, skip=1))) == 1
    assert [asked.headers.get("X-Shopify-Access-Token") for asked in scripted.asked] == [None]


@pytest.mark.fault(
    "The file of a bulk operation ends within a line, or has parts of a record that it lacks",
    "Nothing of it is taken.",
)
@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([b'{"id":"1"}', b'{"id":"2","na'], "a line of the file"),
        ([b'{"id":"1"}', b'{"__typename":"Part","__parentId":"2"}'], "1 lines of the file are parts of records"),
    ],
)
def test_a_file_that_is_cut_or_lacks_a_record_gives_nothing(scripted: Scripted, lines: list[bytes], told: str) -> None:
    with pytest.raises(FileLost, match=told):
        a_file(scripted, lines).count()


def test_an_address_that_is_over_is_lost_and_a_server_that_is_down_is_not(scripted: Scripted) -> None:
    with BulkFile() as file:
        scripted.then = lambda _asked: Answer(b"", status=403)
        with pytest.raises(FileLost, match="answers 403"):
            file.fetch(f"{scripted.url}/x", Http(attempts=2), lambda _seconds: None)
        scripted.then = lambda _asked: Answer(b"", status=500)
        with pytest.raises(HeadwaterError, match="answers 500, after 2 tries; run again: the operation is kept"):
            file.fetch(f"{scripted.url}/x", Http(attempts=2), lambda _seconds: None)


def test_memory_does_not_grow_with_the_file(scripted: Scripted) -> None:
    peaks = []
    for count in (2_000, 20_000):
        roots = [json.dumps({"id": str(n), "name": "n" * 500, "last": n}).encode() for n in range(count)]
        parts = [
            json.dumps({"__typename": "Part", "sku": "s" * 500, "__parentId": str(n)}).encode() for n in range(count)
        ]
        file = a_file(scripted, roots + parts)  # no part near its parent
        del roots, parts
        tracemalloc.start()
        assert file.count() == Counted(2 * count, count)
        assert sum(1 for _ in file.records(SHAPE)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        file.__exit__(None, None, None)
    assert peaks[1] < 1.5 * peaks[0], peaks
