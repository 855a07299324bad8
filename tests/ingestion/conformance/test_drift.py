"""What the source changes in its records' shape: a new field is kept and told, a broken record is kept apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ingestion.conformance.adapter import Adapter, Document
from tests.ingestion.conformance.conftest import Warehouse, expected
from tests.ingestion.conformance.test_paging import settled, some

Change = Callable[[Document, str], Document]


def added(document: Document, _field: str) -> Document:
    return {**document, "brand_new": "yes"}


def removed(document: Document, field: str) -> Document:
    return {name: value for name, value in document.items() if name != field}


def renamed(document: Document, field: str) -> Document:
    return {f"{name}_v2" if name == field else name: value for name, value in document.items()}


def retyped(document: Document, field: str) -> Document:
    return {**document, field: 7} if not isinstance(document[field], str) else {**document, field: ["7"]}


@pytest.mark.fault(
    "Records without a key, a time or anything that they should have",
    "They go to quarantine, and the pages behind them are read, also where they stand at a page's end.",
)
def test_records_that_are_nothing_are_kept_apart_and_stop_nothing(adapter: Adapter, warehouse: Warehouse) -> None:
    broken = (2, 3, 5, 8)  # one of them, at least, ends a page from whichever end the list is read
    for number in range(11):
        if number in broken:
            adapter.put(number, spoil=nothing)
        else:
            adapter.put(number)
        adapter.tick(seconds=1)
    settled(adapter)
    counts = warehouse.good().counts
    assert counts.received == counts.kept + counts.already_there + counts.rejected
    assert warehouse.marks() == {it.key: it.mark for it in adapter.things.values() if it.number not in broken}
    assert warehouse.query("select count(*) from ops.quarantine") == [(4,)]


def nothing(document: Document) -> Document:
    return {"nothing of": str(document)}


@pytest.mark.fault(
    "A source sends a field that the contract does not name",
    "The record is kept with it, and the run tells its name.",
)
def test_a_new_field_is_kept_and_told(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter, 4)
    adapter.put(7, spoil=lambda document: added(document, ""))
    settled(adapter)
    result = warehouse.good()
    assert "brand_new" in result.new_fields
    assert (result.counts.received, result.counts.kept) == (5, 5)
    assert warehouse.query(f"select count(*) from {warehouse.table} where source_data->>'brand_new' = 'yes'") == [(1,)]


@pytest.mark.fault(
    "A field that must be there is gone, renamed or of another type",
    "Its record (of a CSV file without the column: the file) is kept apart and the field named; the others are loaded.",
)
@pytest.mark.parametrize("change", [removed, renamed, retyped])
def test_a_required_field_that_is_not_as_it_was_is_named_and_the_others_go_on(
    adapter: Adapter, warehouse: Warehouse, change: Change
) -> None:
    some(adapter, 4)
    adapter.put(7, spoil=lambda document: change(document, adapter.required))
    adapter.tick(seconds=1)
    adapter.put(8)
    settled(adapter)
    if adapter.drift_breaks_the_file:
        told = warehouse.run().error
        assert told and adapter.required in told
    else:
        counts = warehouse.good().counts
        assert (counts.received, counts.kept, counts.rejected) == (6, 5, 1)
        [(errors, record)] = warehouse.query("select errors, record from ops.quarantine")
        assert any(adapter.required in error for error in errors)
        assert record == adapter.bytes_of(adapter.things[7])
    good = expected(adapter)
    del good[adapter.key(7)]
    assert warehouse.marks() == good
    # The source puts it right: the record is in, and a run is good again.
    adapter.put(7)
    settled(adapter)
    if adapter.drift_breaks_the_file:
        assert warehouse.run().error  # the broken file is still there, and still named
    else:
        warehouse.good()
    assert warehouse.marks() == expected(adapter)
