"""Hostile values: each is stored exactly or quarantined with its bytes, the counts balance, the sync goes on."""

from __future__ import annotations

import codecs
import hashlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.ingestion.conformance.adapter import Adapter, Document
from tests.ingestion.conformance.conftest import Warehouse, expected
from tests.ingestion.conformance.corpus import WHOLE_FILES
from tests.ingestion.conformance.test_paging import settled

SHOPS_CLOCK = ZoneInfo("Europe/Berlin")
DAYS = {
    "23 hours": [datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)],
    "25 hours": [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)],
}
"""Half past one and half past three with no hour between them; half past two, twice."""


@pytest.mark.fault(
    "Hostile values: null characters, broken UTF-8, NaN, 64-bit ids, 10 MB, 10,000 levels and more",
    "Each is stored exactly or quarantined with its bytes; the counts balance.",
)
def test_every_hostile_value_is_stored_exactly_or_quarantined_with_its_bytes(
    adapter: Adapter, warehouse: Warehouse
) -> None:
    adapter.put(1)
    for number, hostile in enumerate(adapter.corpus):
        adapter.put(100 + number, hole=hostile.value)
        adapter.tick(seconds=1)
    adapter.put(2)
    settled(adapter)
    counts = warehouse.good().counts
    kept, quarantined = warehouse.hashes()
    found = {}
    for number, hostile in enumerate(adapter.corpus):
        digest = hashlib.sha256(adapter.bytes_of(adapter.things[100 + number])).digest()
        found[hostile.name] = "kept" if digest in kept else "quarantined" if digest in quarantined else "lost"
    assert found == {hostile.name: hostile.outcome for hostile in adapter.corpus}
    # What a list cannot be gone on from comes again with its next page.
    assert len(adapter.things) <= counts.received == counts.kept + counts.already_there + counts.rejected
    assert len(kept) + len(quarantined) == len(adapter.things)

    adapter.put(3, 4)
    settled(adapter)
    assert warehouse.good().counts.kept >= 2
    assert {adapter.key(number) for number in (1, 2, 3, 4)} <= warehouse.marks().keys()


@pytest.mark.fault(
    "A cell of a CSV file has 10 MB, is no UTF-8, or is quoted wrongly",
    "Nothing of its file is loaded; the run names the file and the line, and every other file is loaded.",
)
def test_a_cell_that_costs_its_whole_file_is_named_and_every_other_file_is_loaded(
    adapter: Adapter, warehouse: Warehouse
) -> None:
    if not adapter.drift_breaks_the_file:
        pytest.skip("what is wrong with a record of this source costs that record alone")
    adapter.put(1)
    for number, cell in enumerate(WHOLE_FILES.values()):
        adapter.put(100 + number, hole=cell)
        adapter.tick(seconds=1)
    adapter.put(2)
    settled(adapter)
    result = warehouse.run()
    assert result.error and f"{len(WHOLE_FILES)} file(s)" in result.error
    assert [said for said in WHOLE_FILES if said not in result.error] == []
    assert warehouse.marks().keys() == {adapter.key(1), adapter.key(2)}
    assert warehouse.query("select count(*), (select sum(received) from ops.loads) from ops.files") == [(2, 2)]


@pytest.mark.fault(
    "A record's own amount is in a currency of no or of three decimals",
    "The record is kept as it was sent; nobody has multiplied or divided it.",
)
def test_a_records_own_amount_in_any_currency_is_kept_as_it_was_sent(adapter: Adapter, warehouse: Warehouse) -> None:
    if not adapter.money:
        pytest.skip("its records have no amount of money")
    adapter.put(1)
    for number, money in enumerate(adapter.money):
        adapter.put(10 + number, spoil=lambda document, money=money: {**document, **money})
        adapter.tick(seconds=1)
    settled(adapter)
    assert warehouse.good().counts.kept == len(adapter.things)
    kept, _ = warehouse.hashes()
    assert kept == {hashlib.sha256(adapter.bytes_of(thing)).digest() for thing in adapter.things.values()}


@pytest.mark.fault(
    "A record changes on either side of a change of the clocks, and its times are written by the shop's",
    "Its versions are the moments that they were, in their order.",
)
@pytest.mark.parametrize("moments", DAYS.values(), ids=DAYS)
def test_versions_on_days_of_23_and_25_hours_are_the_moments_that_they_were(
    adapter: Adapter, warehouse: Warehouse, moments: list[datetime]
) -> None:
    def by_the_shops_clock(document: Document) -> Document:
        there = (field for field in adapter.times if isinstance(document.get(field), str))
        local = {field: datetime.fromisoformat(document[field]).astimezone(SHOPS_CLOCK) for field in there}
        return {**document, **{field: time.isoformat() for field, time in local.items()}}

    for moment in moments:
        adapter.now = moment
        adapter.put(1, spoil=by_the_shops_clock)
        settled(adapter)
        warehouse.good()
        assert warehouse.marks() == expected(adapter)
    found = warehouse.query(f"select record_version from {warehouse.table} order by _load_timestamp")
    assert [version for (version,) in found] == moments


def test_a_byte_order_mark_before_it_all_is_no_part_of_a_record(adapter: Adapter, warehouse: Warehouse) -> None:
    adapter.before_all = codecs.BOM_UTF8
    adapter.put(*range(5))
    settled(adapter)
    assert warehouse.good().counts.kept == 5
    kept, _ = warehouse.hashes()
    assert kept == {hashlib.sha256(adapter.bytes_of(thing)).digest() for thing in adapter.things.values()}
