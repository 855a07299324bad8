"""The rules that hold for every sync, each shown on a run: 1 to 4 and 7 here, 5 in test_window.py."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ingestion import sync as sync_module
from ingestion.records import ContractBroken
from ingestion.sync import Progress, sync, sync_stream
from settings import HeadwaterError
from tests.conftest import ROOT
from tests.ingestion.conftest import Numbers, Query
from warehouse import writer as writer_module
from warehouse.batch import Counts
from warehouse.fence import Fenced
from warehouse.migrate import migrate
from warehouse.writer import StreamBusy, StreamWriter

RAW = "select record_key, record_version, content_hash, source_data::text from raw.numbers_items order by 1, 2, 3"


def start(url: str) -> subprocess.Popen[str]:
    """A real sync in a process of its own."""
    command = [sys.executable, "-m", "tests.ingestion.fakes", "sync", "numbers", "items", "--quiet"]
    environment = {**os.environ, "WAREHOUSE_URL": url, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def test_rule_1_a_run_killed_at_any_batch_and_run_again_leaves_what_an_undisturbed_run_leaves(
    clean_warehouse: str, new_warehouse: Callable[[str], str], numbers: Numbers, query: Query
) -> None:
    pipeline = numbers(count=12_000, page=500, pause=0.02, bad=[3, 7_777, 11_999])
    for loads in (1, 4):
        process = start(clean_warehouse)
        until(lambda n=loads: query("select count(*) from ops.loads")[0][0] >= n, process)  # type: ignore[misc]
        process.kill()
        process.communicate()
        assert process.returncode == -9
    assert query("select count(*) from ops.runs where status = 'running'") == [(1,)]
    last = sync_stream("numbers", "items", pipeline=pipeline)
    assert 0 < last.counts.received < 12_000

    undisturbed = new_warehouse("undisturbed_numbers")
    migrate(undisturbed, pipeline)
    sync_stream("numbers", "items", pipeline=pipeline, url=undisturbed)
    for question in (
        RAW,
        "select record_key, record, errors from ops.quarantine order by 1",
        "select state, watermark, last_record_at from ops.checkpoints",
        "select sum(received), sum(kept), sum(already_there), sum(rejected) from ops.loads",
    ):
        assert query(question) == query(question, undisturbed)
    assert query("select count(*) from raw.numbers_items") == [(11_997,)]
    assert query("select status, count(*) from ops.runs group by 1 order by 1") == [("failed", 2), ("succeeded", 1)]


@pytest.mark.fault(
    "A source fails in the middle of a window",
    "What it had given is kept with its bookmark; the next run goes on after it.",
)
def test_rule_1_what_a_failing_source_had_given_is_kept_and_the_next_run_goes_on_after_it(
    numbers: Numbers, query: Query
) -> None:
    result, other = sync("numbers", pipeline=numbers(count=1_000, fails_at=300))
    assert (result.error, other.error) == ("numbers is down; try later.",) * 2
    assert query("select count(*) from raw.numbers_items") == [(300,)]
    assert query("select state->'window'->>'cursor', watermark from ops.checkpoints") == [("300", None)] * 2
    again = sync_stream("numbers", "items", pipeline=numbers(count=1_000))
    assert again.counts == Counts(received=700, kept=700)


def test_rule_2_a_version_delivered_twice_changes_nothing_and_a_new_one_is_a_new_row(
    numbers: Numbers, query: Query
) -> None:
    sync_stream("numbers", "items", pipeline=numbers(count=10))
    before = query(RAW)
    assert before[0][3] == '{"id": "i0", "updated_at": "2026-03-01T00:00:00Z", "text": "ééééé"}'
    same = sync_stream("numbers", "items", pipeline=numbers(count=10, now="2026-03-03T00:00:00Z"))
    assert same.counts == Counts(received=10, already_there=10)
    assert query(RAW) == before
    changed = sync_stream("numbers", "items", pipeline=numbers(count=10, size=6, now="2026-03-04T00:00:00Z"))
    assert changed.counts == Counts(received=10, kept=10)
    assert set(before) < set(query(RAW))


@pytest.mark.fault(
    "A record breaks its contract",
    "It goes to quarantine with all its errors and its exact bytes; the others are kept.",
)
def test_rule_3_a_broken_record_goes_to_quarantine_with_every_error_and_its_bytes(
    numbers: Numbers, query: Query
) -> None:
    result = sync_stream("numbers", "items", pipeline=numbers(count=10, page=4, bad=[5]))
    assert result.counts == Counts(received=10, kept=9, rejected=1)
    [(key, record, errors, origin, status)] = query(
        "select record_key, record, errors, origin, status from ops.quarantine"
    )
    assert (key, origin, status) == ("i5", "items 4 to 7", "open")
    assert record == b'{"id": "i5", "updated_at": "yesterday", "text": null}'
    assert sorted(errors) == ['text: the value is not of type "string"', 'updated_at: the value is not a "date-time"']


KEYS = {
    rb"x" * 1_000: None,
    rb"y" * 1_001: "id: it is longer than 1,000 bytes and cannot serve as the record's key",
    "é".encode() * 501: "id: it is longer than 1,000 bytes and cannot serve as the record's key",
    rb"z" * 100_000: "id: it is longer than 1,000 bytes and cannot serve as the record's key",
    rb"half \ud83d": "id: it has half a surrogate pair and cannot serve as the record's key",
    rb"half \ud83e": "id: it has half a surrogate pair and cannot serve as the record's key",
    rb"nul \u0000": "id: it cannot serve as the record's key",
    rb"whole \ud83d\ude00": None,
    "said so \ufffd".encode(): None,
}


@pytest.mark.fault(
    "A record's key is too long for an index, or has a character that Postgres cannot hold",
    "The record goes to quarantine; the rest of its batch is kept.",
)
def test_rule_3_a_key_that_cannot_serve_takes_no_other_record_with_it(
    numbers: Numbers, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers_module = __import__("ingestion.sources.numbers", fromlist=["Items"])
    document = b'{"id": "%b", "updated_at": "2026-03-01T00:00:00Z", "text": ""}'
    records = [document % key for key in KEYS]
    monkeypatch.setattr(numbers_module.Items, "item", lambda _self, number, _options: records[number])
    result = sync_stream("numbers", "items", pipeline=numbers(count=len(records)))
    assert result.counts == Counts(received=9, kept=3, rejected=6)
    kept = query("select record_key from raw.numbers_items order by 1")
    assert kept == [("said so \ufffd",), ("whole 😀",), ("x" * 1_000,)]
    rejected: dict[bytes, list[str]] = dict(query("select record, errors from ops.quarantine"))
    assert rejected == {document % key: [error] for key, error in KEYS.items() if error}


def test_rule_3_skip_counts_the_broken_and_keeps_the_rest(numbers: Numbers, query: Query) -> None:
    result = sync_stream("numbers", "items", pipeline=numbers("skip", count=10, bad=[5, 6]))
    assert result.counts == Counts(received=10, kept=8, rejected=2)
    assert query("select received, kept, rejected, skipped from ops.loads") == [(10, 8, 2, 2)]
    assert query("select count(*) from ops.quarantine") == [(0,)]


def test_rule_3_stop_keeps_nothing_of_the_batch_and_says_which_record(
    numbers: Numbers, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "BATCH_RECORDS", 100)
    with pytest.raises(ContractBroken, match=r"\(i150, from items 100 to 199\) broke its contract") as raised:
        sync_stream("numbers", "items", pipeline=numbers("stop", count=300, bad=[150]))
    assert "text: the value is not of type" in str(raised.value)
    assert query("select count(*) from raw.numbers_items") == [(100,)]
    assert query("select state->'window'->>'cursor' from ops.checkpoints") == [("100",)]
    assert query("select status from ops.runs") == [("failed",)]


def test_rule_3_a_run_whose_counts_do_not_balance_fails_loudly(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sync_module._grouped

    def losing(pages: Iterator[sync_module.Page]) -> Iterator[list[sync_module.Page]]:
        for group in whole(pages):
            group[0].records.pop()
            yield group

    monkeypatch.setattr(sync_module, "_grouped", losing)
    with pytest.raises(HeadwaterError, match="do not balance: read 10"):
        sync_stream("numbers", "items", pipeline=numbers())


def test_rule_4_a_second_sync_of_a_stream_is_refused_and_other_streams_go_on(numbers: Numbers) -> None:
    pipeline = numbers()
    with StreamWriter("numbers", "items"):
        with pytest.raises(StreamBusy, match=r"numbers\.items is being loaded by another run"):
            sync_stream("numbers", "items", pipeline=pipeline)
        results = sync("numbers", pipeline=pipeline)
    assert [bool(result.error) for result in results] == [True, False]


def test_rule_4_the_stream_is_free_the_moment_a_run_has_ended(
    clean_warehouse: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "DEAD_RUN_SECONDS", 0)
    for _ in range(20):
        with StreamWriter("shopify", "orders"):
            pass
    assert query("select status, count(*) from ops.runs group by 1") == [("succeeded", 20)]


def test_rule_4_a_run_that_a_newer_one_has_overtaken_writes_nothing_more(
    clean_warehouse: str, numbers: Numbers, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "BATCH_RECORDS", 100)

    def overtake(progress: Progress) -> None:
        if progress.committed == 200:
            with psycopg.connect(clean_warehouse) as connection:
                connection.execute("update ops.checkpoints set fence = fence + 1")

    with pytest.raises(Fenced):
        sync_stream("numbers", "items", pipeline=numbers(count=1_000), on_progress=overtake)
    assert query("select count(*) from raw.numbers_items") == [(200,)]


def test_rule_7_memory_does_not_grow_with_the_data(clean_warehouse: str, numbers: Numbers) -> None:
    peaks = []
    for count, now in ((4_000, "2026-03-02T00:00:00Z"), (40_000, "2026-03-03T00:00:00Z")):
        numbers(count=count, page=250, size=1_000, now=now)
        process = start(clean_warehouse)
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        peaks.append(float(told.split("peak memory:")[1].split()[0]))
    assert peaks[1] - peaks[0] < 15, f"{peaks} MB for 4,000 and 40,000 records (80 MB)"
    assert peaks[1] < 150


@pytest.mark.fault("The code of one stream has a bug", "The other streams are loaded; the bug is in the log.")
def test_one_stream_that_fails_does_not_stop_the_others(
    numbers: Numbers, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[None]:
        raise KeyError("a bug")

    numbers_module = __import__("ingestion.sources.numbers", fromlist=["Items"])
    pipeline = numbers()
    monkeypatch.setattr(numbers_module.Items, "item", broken)
    monkeypatch.setattr(
        numbers_module.Others, "item", lambda *_: b'{"id":"a","updated_at":"2026-03-01T00:00:00Z","text":""}'
    )
    bad, good = sync("numbers", pipeline=pipeline)
    assert bad.error == "KeyError: 'a bug'; its traceback is in the log."
    assert good.error is None
    assert query("select stream, status from ops.runs order by 1") == [("items", "failed"), ("others", "succeeded")]
