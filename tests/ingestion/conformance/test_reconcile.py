"""Held against raw: what is in is not missing, what raw lost is found, named, fetched and right again."""

from __future__ import annotations

import pytest

from ingestion.reconcile import Reconciled, reconcile
from tests.ingestion.conformance.adapter import Adapter
from tests.ingestion.conformance.conftest import Warehouse, expected
from tests.ingestion.conformance.test_paging import some


def held(adapter: Adapter, warehouse: Warehouse) -> Reconciled:
    [found] = reconcile(adapter.source, [adapter.stream], pipeline=adapter.pipeline("quarantine"), url=warehouse.url)
    assert found.error is None
    return found


def wrong(found: Reconciled) -> tuple[int, ...]:
    return found.missing, found.differing, found.repaired, found.only_in_raw, found.in_quarantine


def test_what_raw_lost_is_found_and_fetched(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter)
    warehouse.good()
    bookmark = warehouse.query("select state, watermark from ops.checkpoints")
    assert wrong(held(adapter, warehouse)) == (0, 0, 0, 0, 0)
    files = warehouse.query("delete from ops.files where name like '%.csv' returning name")
    if files:
        warehouse.query(f"delete from {warehouse.table}")
    gone = warehouse.query(
        f"delete from {warehouse.table} where record_key = (select min(record_key) from {warehouse.table})"
        " returning record_key"
    )
    lost = [key for (key,) in files or gone]
    found = held(adapter, warehouse)
    assert (found.missing, found.repaired, sorted(found.missing_keys)) == (len(lost), len(lost), sorted(lost))
    assert found.days
    assert warehouse.marks() == expected(adapter)
    assert wrong(held(adapter, warehouse)) == (0, 0, 0, 0, 0)
    assert warehouse.query("select state, watermark from ops.checkpoints") == bookmark


@pytest.mark.parametrize("adapter", ["rest", "app", "stripe-charges"], indirect=True)
def test_what_raw_has_otherwise_is_found_and_fetched_also_where_no_time_moved(
    adapter: Adapter, warehouse: Warehouse
) -> None:
    some(adapter)
    warehouse.good()
    thing = adapter.things[3]
    warehouse.query(
        f"update {warehouse.table} set source_data = replace(source_data::text, '{thing.mark}', 'mark-0-')::json,"
        f" content_hash = 'spoilt' where record_key = '{thing.key}'"
    )
    assert warehouse.marks() != expected(adapter)
    found = held(adapter, warehouse)
    assert (wrong(found), found.differing_keys) == ((0, 1, 1, 0, 0), [thing.key])
    assert warehouse.marks() == expected(adapter)


@pytest.mark.parametrize("adapter", ["rest", "app", "shopify-products", "stripe-charges"], indirect=True)
def test_what_changes_or_comes_after_the_last_run_is_the_next_ones_affair(
    adapter: Adapter, warehouse: Warehouse
) -> None:
    some(adapter)
    warehouse.good()
    adapter.tick(seconds=1)
    adapter.put(3, 100)
    adapter.put(20)
    adapter.tick(minutes=5)
    assert wrong(held(adapter, warehouse)) == (0, 0, 0, 0, 0)
    warehouse.good()
    assert wrong(held(adapter, warehouse)) == (0, 0, 0, 0, 0)
    assert warehouse.marks() == expected(adapter)
