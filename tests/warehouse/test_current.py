"""Which of a record's rows is the current one: everybody takes the same, also where only the hash decides."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from tests.conftest import ROOT
from warehouse.batch import Batch, RawRow
from warehouse.inventories import Inventories
from warehouse.known import NEWEST
from warehouse.writer import StreamWriter

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("number", range(4))
def test_of_two_rows_with_one_version_and_one_load_all_take_the_same(clean_warehouse: str, number: int) -> None:
    told = [b'{"id": %d, "said": %d}' % (number, said) for said in (1, 2)]
    _, winner = sorted(told, key=lambda data: hashlib.sha256(data).digest())
    with StreamWriter("shopify", "orders") as writer:
        writer.commit(Batch([RawRow("one", AT, data, AT) for data in told], {}, "a test"))
        assert writer.known.documents(["one"]) == [("one", AT, winner)]
        assert writer.known.current(["one"])["one"].content_hash == hashlib.sha256(winner).digest()
    with Inventories("shopify", clean_warehouse) as inventories:
        assert [(it.key, it.data) for it in inventories.documents("orders", None)] == [("one", winner)]


def test_dbt_has_the_same_order() -> None:
    assert f"order by record_key, {NEWEST}\n" in (ROOT / "dbt/macros/current_versions.sql").read_text()
