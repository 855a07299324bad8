"""The quarantine: listed, shown, replayed; and drift, which is not for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion import quarantine
from ingestion.source import Record
from ingestion.sync import sync_stream
from settings import HeadwaterError
from tests.ingestion import fakes
from tests.ingestion.conftest import Numbers, Query
from warehouse.writer import StreamBusy, StreamWriter


@pytest.fixture
def contract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The items' contract, in a copy that a test may put right."""
    import ingestion.sources.numbers as module

    given = fakes.FOLDER.parent / "contracts" / "numbers" / "items.json"
    copy = tmp_path / "contracts" / "numbers" / "items.json"
    copy.parent.mkdir(parents=True)
    copy.write_text(given.read_text())
    monkeypatch.setattr(module, "__file__", str(tmp_path / "sources" / "numbers.py"))
    return copy


def allow_null_text(contract: Path) -> None:
    contract.write_text(
        contract.read_text().replace('"text": {"type": "string"}', '"text": {"type": ["string", "null"]}')
    )


def test_replay_writes_what_passes_today_and_keeps_the_others_with_their_new_errors(
    numbers: Numbers, query: Query, contract: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ingestion.sources.numbers as module

    pipeline = numbers(count=10, bad=[2, 5, 7])
    sync_stream("numbers", "items", pipeline=pipeline)
    state = query("select state, watermark from ops.checkpoints")
    monkeypatch.setattr(quarantine, "REPLAY_AT_ONCE", 2)
    assert quarantine.replay("numbers", "items", pipeline=pipeline).written == 0

    allow_null_text(contract)
    contract.write_text(contract.read_text().replace('"date-time"', '"regex"'))
    seen = datetime(2026, 3, 1, 6, tzinfo=UTC)
    monkeypatch.setattr(
        module.Items,
        "version_of",
        lambda self, record: seen if record["id"] != "i7" else module.parse_time("no", "when"),
    )
    done = quarantine.replay("numbers", "items", pipeline=pipeline)
    assert (done.written, done.still_open) == (2, 1)
    assert query(
        "select record_key, record_version from raw.numbers_items where record_version = '2026-03-01 06:00Z'"
    ) == [
        ("i2", seen),
        ("i5", seen),
    ]
    assert query("select record_key, status, errors from ops.quarantine order by 1") == [
        *(
            (key, "replayed", ['updated_at: the value is not a "date-time"', 'text: the value is not of type "string"'])
            for key in ("i2", "i5")
        ),
        ("i7", "open", ["when: 'no' is not an ISO 8601 time"]),
    ]
    assert query("select state, watermark from ops.checkpoints") == state
    assert query("select received, kept from ops.loads where origin = 'replay'") == [(2, 2)]


def test_a_replay_keeps_the_version_that_stood_beside_the_record(
    numbers: Numbers, query: Query, contract: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ingestion.sources.numbers as module

    told = datetime(2026, 2, 3, tzinfo=UTC)
    whole = module.Items.pages

    def with_versions(self: Any, window: Any, cursor: Any) -> Any:
        for page in whole(self, window, cursor):
            yield page._replace(records=[Record(record.data, told, True) for record in page.records])

    monkeypatch.setattr(module.Items, "pages", with_versions)
    contract.write_text(contract.read_text().replace('"date-time"', '"regex"'))
    pipeline = numbers(count=1, bad=[0])
    sync_stream("numbers", "items", pipeline=pipeline)
    allow_null_text(contract)
    quarantine.replay("numbers", "items", pipeline=pipeline)
    assert query("select record_key, record_version, _deleted from raw.numbers_items") == [("i0", told, True)]


def test_a_replay_waits_for_no_sync(numbers: Numbers) -> None:
    pipeline = numbers(count=1, bad=[0])
    sync_stream("numbers", "items", pipeline=pipeline)
    with StreamWriter("numbers", "items"), pytest.raises(StreamBusy):
        quarantine.replay("numbers", "items", pipeline=pipeline)


def test_the_list_shows_open_records_newest_first_and_show_gives_one_whole(numbers: Numbers) -> None:
    sync_stream("numbers", "items", pipeline=numbers(count=10, bad=[2, 5]))
    found = quarantine.list_entries("numbers")
    assert [entry.key for entry in found] == ["i5", "i2"]
    assert quarantine.list_entries("shopify") == []
    kept = quarantine.show(found[0].id)
    assert (kept.origin, kept.entry.errors) == ("items 0 to 9", found[0].errors)
    assert kept.record.startswith(b'{"id": "i5"')
    with pytest.raises(HeadwaterError, match="no quarantined record 0"):
        quarantine.show(0)


def test_what_is_discarded_stays_with_its_reason_and_is_not_asked_for_again(numbers: Numbers, query: Query) -> None:
    pipeline = numbers(count=10, bad=[2, 5])
    sync_stream("numbers", "items", pipeline=pipeline)
    i5, i2 = (entry.id for entry in quarantine.list_entries("numbers"))
    for ids, why, told in (([i2, 0], "a test order", "Not open, or not there: 0"), ([i2], " ", "say why")):
        with pytest.raises(HeadwaterError, match=told):
            quarantine.discard(ids, why=why, by="ann")
    assert [entry.id for entry in quarantine.list_entries("numbers")] == [i5, i2]

    assert quarantine.discard([i2, i2], why="a test order", by="ann") == 1
    assert [entry.id for entry in quarantine.list_entries("numbers")] == [i5]
    kept = quarantine.show(i2)
    assert (kept.entry.status, kept.discarded_by, kept.discard_reason) == ("discarded", "ann", "a test order")
    assert kept.record.startswith(b'{"id": "i2"') and kept.resolved_at is not None
    assert quarantine.replay("numbers", "items", pipeline=pipeline).still_open == 1
    with pytest.raises(HeadwaterError, match="Not open"):
        quarantine.discard([i2], why="again", by="ann")

    query("update ops.checkpoints set state = '{}' returning 1")  # everything is read again
    assert sync_stream("numbers", "items", pipeline=pipeline).counts.rejected == 2
    assert query("select record_key, status from ops.quarantine order by 1") == [("i2", "discarded"), ("i5", "open")]


def test_a_new_field_is_kept_and_told_once_a_run(
    numbers: Numbers, query: Query, caplog: pytest.LogCaptureFixture
) -> None:
    result = sync_stream("numbers", "items", pipeline=numbers(count=10, new=[3, 4]))
    assert result.new_fields == ("colour",)
    assert result.counts.kept == 10
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "numbers.items has fields that its contract does not name: colour"
    ]
    assert query("select count(*) from raw.numbers_items where source_data->>'colour' = 'red'") == [(2,)]
