"""Hostile values: each is stored exactly or quarantined with its bytes, the counts balance, the sync goes on."""

from __future__ import annotations

import codecs
import hashlib

import pytest

from tests.ingestion.conformance.adapter import Adapter
from tests.ingestion.conformance.conftest import Warehouse
from tests.ingestion.conformance.test_paging import settled


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


def test_a_byte_order_mark_before_it_all_is_no_part_of_a_record(adapter: Adapter, warehouse: Warehouse) -> None:
    adapter.before_all = codecs.BOM_UTF8
    adapter.put(*range(5))
    settled(adapter)
    assert warehouse.good().counts.kept == 5
    kept, _ = warehouse.hashes()
    assert kept == {hashlib.sha256(adapter.bytes_of(thing)).digest() for thing in adapter.things.values()}
