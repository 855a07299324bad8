"""Two runs of one stream, as processes: at the same time, and one that slept through the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.conftest import ROOT
from tests.ingestion.conftest import Numbers, Query
from warehouse.writer import StreamWriter


def start(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.ingestion.fakes", "sync", "numbers", "items", "--quiet"]
    environment = {**os.environ, "WAREHOUSE_URL": url, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.fault(
    "Two runs of one stream at once",
    "One loads; the other is refused in one line that says why, and writes nothing.",
)
def test_rule_4_of_two_runs_at_once_one_loads_and_the_other_is_refused(
    clean_warehouse: str, numbers: Numbers, query: Query
) -> None:
    numbers(count=4_000, page=100, pause=0.05)
    runs = [start(clean_warehouse) for _ in range(2)]
    told = [run.communicate(timeout=60)[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1]
    refused = told[[run.returncode for run in runs].index(1)]
    assert "numbers.items is being loaded by another run; wait for it to end" in refused
    assert "Traceback" not in refused
    assert query("select count(*), (select sum(received) from ops.loads) from raw.numbers_items") == [(4_000, 4_000)]
    assert query("select status from ops.runs") == [("succeeded",)]


@pytest.mark.fault(
    "A run is paused (SIGSTOP), loses its session, and is resumed after its successor has finished",
    "Its next batch is refused by the fence: it fails, and nothing that its successor wrote is touched.",
)
def test_rule_4_a_run_resumed_after_its_successor_finished_changes_nothing(
    clean_warehouse: str, numbers: Numbers, query: Query
) -> None:
    numbers(count=12_000, page=500, pause=0.05, size=40)
    paused = start(clean_warehouse)
    until(lambda: query("select count(*) from ops.loads")[0][0] >= 1)
    paused.send_signal(signal.SIGSTOP)
    # What the server does in the end with a client that is silent for minutes.
    query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headwater numbers.items'"
        " and pid <> pg_backend_pid()"
    )
    assert query("select count(*) from raw.numbers_items")[0][0] < 12_000
    successor = start(clean_warehouse)
    _, told = successor.communicate(timeout=60)
    assert successor.returncode == 0, told
    left = [query(question) for question in LEFT]
    assert left[0] == [(12_000,)]

    paused.send_signal(signal.SIGCONT)
    _, told = paused.communicate(timeout=60)
    assert paused.returncode == 1
    assert "A newer run has opened numbers.items since this one began" in told
    assert [query(question) for question in LEFT] == left
    assert query("select status, count(*) from ops.runs group by 1 order by 1") == [("failed", 1), ("succeeded", 1)]


@pytest.mark.fault(
    "The machine of a run is gone without a goodbye",
    "The server asks after it, and lets go of its session and its lock within a minute.",
)
def test_rule_4_a_machine_that_is_gone_does_not_hold_the_lock_for_hours(clean_warehouse: str) -> None:
    with StreamWriter("shopify", "orders") as writer:  # what the server's socket really has
        asked = [writer._connection.execute(f"show tcp_keepalives_{it}".encode()).fetchone() for it in KEEPALIVES]
    assert asked == [("30",), ("10",), ("3",)]


KEEPALIVES = ("idle", "interval", "count")
LEFT = (
    "select count(*) from raw.numbers_items",
    "select md5(string_agg(md5(source_data::text) || _load_id, '' order by record_key)) from raw.numbers_items",
    "select state::text, watermark, last_record_at, fence, updated_at from ops.checkpoints",
    "select load_id, received, kept from ops.loads order by 1",
)
