"""Backfills: windows with bookmarks of their own, beside the daily sync; versions that never let old data win."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from ingestion import sync as sync_module
from ingestion.__main__ import app
from ingestion.backfill import plan_backfill, run_window, unfinished
from ingestion.backfill_range import cut, moment
from ingestion.backfill_workers import WindowResult, run_windows
from ingestion.sync import sync_stream
from settings import HeadwaterError
from tests.conftest import ROOT
from tests.ingestion.conftest import Numbers, Query
from tests.ingestion.fake_stripe import FakeStripe
from tests.ingestion.test_stripe import DAY, HOUR, T0, at, change, charge
from warehouse.batch import Batch, Counts, RawRow
from warehouse.fence import Fenced
from warehouse.migrate import migrate
from warehouse.windows import WindowWriter, progress
from warehouse.writer import StreamBusy, StreamWriter

RAW = (
    "select record_key, record_version, content_hash, source_data::text, _deleted from raw.stripe_charges"
    " order by 1, 2, 3"
)
CHECKPOINTS = "select source, stream, state, fence, watermark, last_record_at from ops.checkpoints order by 1, 2"
runner = CliRunner()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeStripe:
    fake = FakeStripe(T0)
    monkeypatch.setattr("ingestion.stripe_api.HttpClient", lambda *_args: fake)
    monkeypatch.setattr(sync_module, "BATCH_RECORDS", 3)  # a page a batch
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test")
    return fake


def forty_charges(fake: FakeStripe) -> list[dict[str, Any]]:
    """One an hour, of the last 40 hours but one."""
    start = fake.time - 41 * HOUR
    return [fake.add("charges", f"ch_{n:02}", start + n * HOUR, **charge()) for n in range(40)]


def fail_once(fake: FakeStripe, request: int) -> None:
    def fail(number: int) -> None:
        if number == request:
            fake.before = lambda _number: None
            raise HeadwaterError("stripe is down; try later.")

    fake.before = fail


def plan(fake: FakeStripe, windows: int = 4, **options: Any) -> UUID:
    return plan_backfill("stripe", "charges", T0 - timedelta(hours=41), T0 - timedelta(hours=1), windows, **options)


def fill(backfill_id: UUID, workers: int = 1, **options: Any) -> list[WindowResult]:
    return run_windows("stripe", "charges", backfill_id, workers, **options)


def errors(results: list[WindowResult]) -> list[str | None]:
    return [each.error for each in results]


def current(query: Query, key: str) -> tuple[int, datetime]:
    [row] = query(
        "select (source_data->>'amount_refunded')::int, record_version from raw.stripe_charges"
        f" where record_key = '{key}' order by record_version desc, _load_timestamp desc limit 1"
    )
    return row[0], row[1]


def test_a_backfill_leaves_the_rows_that_a_full_sync_leaves_and_no_trace_in_the_checkpoints(
    clean_warehouse: str, new_warehouse: Callable[[str], str], fake: FakeStripe, query: Query
) -> None:
    forty_charges(fake)
    backfill_id = plan(fake)
    results = fill(backfill_id, workers=4)
    assert errors(results) == [None] * 4
    synced = new_warehouse("backfill_against_sync")
    sync_stream("stripe", "charges", url=synced)
    assert query(RAW) == query(RAW, synced) != []
    assert query(CHECKPOINTS) == []
    assert query("select distinct kind, status from ops.runs") == [("backfill", "succeeded")]
    done = progress(backfill_id)
    assert [window.status for window in done] == ["done"] * 4
    assert all(it.counts.received == it.counts.kept + it.counts.already_there + it.counts.rejected for it in done)
    assert sum(it.counts.kept for it in done) == 40
    assert [window.end for window in done[:-1]] == [window.start for window in done[1:]]


def test_the_same_command_again_reads_nothing_and_again_reads_all_and_stores_nothing_twice(
    clean_warehouse: str, fake: FakeStripe, query: Query
) -> None:
    forty_charges(fake)
    fill(plan(fake))
    before = query(RAW)
    assert unfinished(plan(fake)) == []
    fake.time += DAY
    results = fill(plan(fake, again=True))
    assert [it.result.counts.kept for it in results if it.result] == [0] * 4
    assert query(RAW) == before
    assert query("select count(*) from ops.backfills") == [(1,)]


@pytest.mark.fault(
    "One window of a backfill fails",
    "It keeps what it had, the others end, and the next run goes on there.",
)
def test_one_window_that_fails_keeps_what_it_had_and_the_next_run_goes_on_there(
    clean_warehouse: str, fake: FakeStripe, query: Query
) -> None:
    forty_charges(fake)
    backfill_id = plan(fake)

    fail_once(fake, len(fake.asked) + 9)
    results = fill(backfill_id)
    assert errors(results).count("stripe is down; try later.") == 1
    [left] = unfinished(backfill_id)
    assert (left.status, left.error) == ("failed", "stripe is down; try later.")
    assert 0 < left.counts.received < 10
    asked = len(fake.asked)
    assert errors(fill(backfill_id)) == [None]
    assert len(fake.asked) - asked <= 4, "it went on after its last batch"
    assert query("select count(distinct record_key), count(*) from raw.stripe_charges") == [(40, 40)]
    after = progress(backfill_id)[left.number - 1]
    assert (after.status, after.error) == ("done", None)


def test_the_daily_sync_runs_meanwhile_and_its_bookmark_is_its_own(
    clean_warehouse: str, fake: FakeStripe, query: Query
) -> None:
    charges = forty_charges(fake)
    sync_stream("stripe", "charges")
    fake.time += HOUR
    backfill_id, synced = plan(fake), list[Counts]()

    def sync_between(number: int, told: sync_module.Progress) -> None:
        if not synced and number == 2:
            change(fake, charges[5], amount_refunded=7)
            fake.time += 120
            synced.append(Counts())
            synced[0] = sync_stream("stripe", "charges").counts

    results = fill(backfill_id, on_progress=sync_between)
    assert errors(results) == [None] * 4
    assert synced[0].kept == 1
    assert current(query, "ch_05")[0] == 7
    [(_, _, state, fence, watermark, newest)] = query(CHECKPOINTS)
    assert (state["window"], fence) == (None, 2)
    assert watermark == at(fake.time - 60)
    assert newest == at(fake.time - 120)


def test_a_backfill_runs_while_another_run_holds_the_stream(clean_warehouse: str, fake: FakeStripe) -> None:
    forty_charges(fake)
    with StreamWriter("stripe", "charges") as writer:
        assert errors(fill(plan(fake), workers=2)) == [None] * 4
        assert writer.commit(Batch([], {"still": "mine"}, "a test")) == Counts()


@pytest.mark.fault("An object changes while a backfill reads it", "Its newest state is what stands.")
def test_a_change_during_the_backfill_ends_with_the_newest_state(
    clean_warehouse: str, fake: FakeStripe, query: Query
) -> None:
    charges = forty_charges(fake)
    sync_stream("stripe", "charges")
    fake.time += HOUR
    changed_at = []

    def meanwhile(number: int) -> None:
        if len(fake.asked) > half and not changed_at:
            fake.time += 5
            for each in charges:
                change(fake, each, amount_refunded=9)
            changed_at.append(fake.time)

    half = len(fake.asked) + 9
    fake.before = meanwhile
    assert errors(fill(plan(fake, 4))) == [None] * 4
    assert changed_at
    refunded = query("select count(distinct record_key) from raw.stripe_charges where record_version > '2026-03-01'")
    assert 0 < refunded[0][0] < 40
    fake.time += 120
    sync_stream("stripe", "charges")
    for each in charges:
        assert current(query, each["id"]) == (9, at(changed_at[0]))


@pytest.mark.fault(
    "A backfill that was paused writes what it read before a change that a sync has brought",
    "It does not win over the sync's version.",
)
def test_what_the_backfill_read_before_a_change_does_not_win_when_it_goes_on_after_the_sync(
    clean_warehouse: str, fake: FakeStripe, query: Query
) -> None:
    charges = forty_charges(fake)
    for each in charges:
        change(fake, each, amount_refunded=1)
    fake.time += 120
    sync_stream("stripe", "charges")
    backfill_id = plan(fake, 1)

    fail_once(fake, len(fake.asked) + 5)
    assert errors(fill(backfill_id)) == ["stripe is down; try later."]
    for each in charges:
        fake.time += 1
        change(fake, each, amount_refunded=50)
    fake.time += HOUR
    sync_stream("stripe", "charges")
    newest = {each["id"]: current(query, each["id"]) for each in charges}
    assert errors(fill(backfill_id)) == [None]
    assert {each["id"]: current(query, each["id"]) for each in charges} == newest
    assert {state for state, _ in newest.values()} == {50}


def test_a_change_that_raw_missed_is_put_right(clean_warehouse: str, fake: FakeStripe, query: Query) -> None:
    charges = forty_charges(fake)
    sync_stream("stripe", "charges")
    fake.time += 40 * DAY
    charges[3]["amount_refunded"] = 30  # and no event tells of it any more
    result = fill(plan(fake))[0].result
    assert result and result.counts.kept == 1
    assert current(query, "ch_03") == (30, at(fake.time - 60))


@pytest.mark.fault(
    "Two runs want one window of a backfill, or it is begun anew while a run is at work",
    "The second is refused; the one that was overtaken may not write.",
)
def test_a_window_has_one_writer_and_a_fence(clean_warehouse: str, fake: FakeStripe, query: Query) -> None:
    forty_charges(fake)
    backfill_id = plan(fake)
    with WindowWriter("stripe", "charges", backfill_id, 2):
        with pytest.raises(StreamBusy, match=r"stripe\.charges, window 2 of backfill"):
            run_window("stripe", "charges", backfill_id, 2)
        run_window("stripe", "charges", backfill_id, 3)

    def overtake(told: sync_module.Progress) -> None:
        if told.committed:
            plan(fake, again=True)

    with pytest.raises(Fenced, match="window 1 of this backfill"):
        run_window("stripe", "charges", backfill_id, 1, on_progress=overtake)
    assert query("select count(*) from ops.backfill_windows where status = 'done'") == [(0,)]


def test_of_two_readings_of_one_version_the_later_stands_whichever_is_loaded_last(
    clean_warehouse: str, fake: FakeStripe, query: Query
) -> None:
    plan(fake, 1)
    [(backfill_id,)] = query("select backfill_id from ops.backfills")
    then = datetime(2026, 3, 1, tzinfo=UTC)

    def row(amount: int, hours: int) -> RawRow:
        data = f'{{"id":"ch_1","amount_refunded":{amount}}}'.encode()
        return RawRow("ch_1", then, data, then + timedelta(hours=hours))

    with StreamWriter("stripe", "charges") as daily:
        daily.commit(Batch([row(2, 5)], {}, "read at 5"))
    with WindowWriter("stripe", "charges", backfill_id, 1) as window:
        assert window.commit(Batch([row(1, 4)], {}, "read at 4")) == Counts(1, 0, 1)
        assert current(query, "ch_1")[0] == 2
        assert window.commit(Batch([row(3, 6)], {}, "read at 6")) == Counts(1, 1)
    assert current(query, "ch_1")[0] == 3


def test_a_range_that_is_not_over_and_a_stream_that_cannot_are_refused(clean_warehouse: str, fake: FakeStripe) -> None:
    with pytest.raises(HeadwaterError, match=r"ends after 2026-03-01 11:59:00Z, up to which stripe can be read"):
        plan_backfill("stripe", "charges", T0 - timedelta(days=1), T0)
    with pytest.raises(HeadwaterError, match="1000 windows cannot be cut from this range; give a number from 1 to 60"):
        plan_backfill("stripe", "charges", T0 - timedelta(hours=1), T0 - timedelta(minutes=59), 1000)


def test_bounds_are_whole_seconds_that_meet() -> None:
    bounds = cut(T0, T0 + timedelta(seconds=10), 3)
    assert [int((bound - T0).total_seconds()) for bound in bounds] == [0, 3, 6, 10]


@pytest.mark.parametrize(
    ("text", "end", "found"),
    [
        ("2026-03-01", False, "2026-02-28T23:00:00"),
        ("2026-03-29", False, "2026-03-28T23:00:00"),
        ("2026-03-29", True, "2026-03-29T22:00:00"),  # a day of 23 hours
        ("2026-03-01T06:00", False, "2026-03-01T05:00:00"),
        ("2026-03-01T06:00", True, "2026-03-01T05:00:00"),
        ("2026-03-01T06:00+05:30", True, "2026-03-01T00:30:00"),
    ],
)
def test_days_are_the_shops_and_the_last_is_whole(text: str, end: bool, found: str) -> None:
    assert moment(text, ZoneInfo("Europe/Berlin"), end=end) == datetime.fromisoformat(found).replace(tzinfo=UTC)


DAYS = ["--from", "2026-03-01", "--to", "2026-03-01"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["items", "--from", "1 March", "--to", "2026-03-02"],
            "error: '1 March' is no day and no time; write 2026-03-01",
        ),
        (["items", "--from", "2026-03-02", "--to", "2026-03-01"], "error: --to 2026-03-01 is not after --from"),
        (["x", *DAYS], "error: There is no stream 'x' of numbers in pipeline.yml; it has: items, others."),
        (["items", *DAYS, "--windows", "90000"], "error: 90000 windows cannot be cut from this range; give a number"),
    ],
)
def test_a_wrong_use_is_named_and_exits_2(numbers: Numbers, arguments: list[str], told: str) -> None:
    numbers()
    done = runner.invoke(app, ["backfill", "numbers", *arguments])
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_stream_of_files_says_that_there_is_nothing_to_backfill(
    clean_warehouse: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("UPLOADS_FOLDER_URL", tmp_path.as_uri())
    with pytest.raises(HeadwaterError) as raised:
        plan_backfill("uploads", "product_costs", T0 - timedelta(days=1), T0)
    assert str(raised.value) == (
        "uploads.product_costs cannot be backfilled: every sync looks at all that its source has, so there is nothing"
        " more to be read."
    )


def test_the_door_shows_each_window_and_says_what_is_left(numbers: Numbers) -> None:
    numbers(count=10, fails_at=5, page=5)
    command = ["backfill", "numbers", "items", *DAYS, "--windows", "2"]
    failed = runner.invoke(app, command)
    assert failed.exit_code == 1
    assert "window 1 of 2 (from 2026-02-28 23:00:00Z) failed: numbers is down; try later." in failed.stdout
    assert failed.stderr == "0 of 2 windows are done; run the same command for the others.\n"
    numbers(count=10, page=5)
    done = runner.invoke(app, command)
    assert done.exit_code == 0
    total = "numbers.items: 2 of 2 windows done: 20 read, 10 new, 10 there already in all runs"
    assert done.stdout.splitlines()[-1] == total
    again = runner.invoke(app, command)
    assert again.stdout == "numbers.items: all 2 windows of this range are done; --again reads them anew.\n"


def start(url: str) -> subprocess.Popen[str]:
    """A real backfill in a process of its own."""
    command = [sys.executable, "-m", "tests.ingestion.fakes", "backfill", "numbers", "items", *DAYS, "--windows", "2"]
    environment = {**os.environ, "WAREHOUSE_URL": url, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def heed_interrupts() -> None:
    """What a shell starts in the background, these tests among it, ignores SIGINT, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


@pytest.mark.fault(
    "A backfill is killed (SIGKILL) or stopped, several times",
    "Run again, it leaves what an undisturbed one leaves.",
)
def test_a_backfill_killed_and_stopped_and_run_again_leaves_what_an_undisturbed_one_leaves(
    clean_warehouse: str, new_warehouse: Callable[[str], str], numbers: Numbers, query: Query
) -> None:
    pipeline = numbers(count=12_000, page=500, pause=0.05, bad=[3, 8_001])
    for loads, how, code in ((1, signal.SIGKILL, -9), (3, signal.SIGINT, 130), (5, signal.SIGKILL, -9)):
        process = start(clean_warehouse)
        until(lambda n=loads: query("select count(*) from ops.loads")[0][0] >= n, process)  # type: ignore[misc]
        process.send_signal(how)
        _, told = process.communicate(timeout=60)
        assert process.returncode == code, told
        assert "Traceback" not in told
    process = start(clean_warehouse)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "24,000 read, 11,998 new, 11,998 there already, 4 rejected" in told

    undisturbed = new_warehouse("undisturbed_backfill")
    migrate(undisturbed, pipeline)
    start_, end = moment(DAYS[1], pipeline.shop.zone), moment(DAYS[3], pipeline.shop.zone, end=True)
    backfill_id = plan_backfill("numbers", "items", start_, end, 2, pipeline=pipeline, url=undisturbed)
    run_windows("numbers", "items", backfill_id, pipeline=pipeline, url=undisturbed)
    for question in (
        "select record_key, record_version, content_hash, source_data::text from raw.numbers_items order by 1, 2, 3",
        "select record_key, record, errors from ops.quarantine order by 1",
        "select number, window_start, window_end, status, state from ops.backfill_windows order by 1",
        "select sum(received), sum(kept), sum(already_there), sum(rejected) from ops.loads",
        "select * from ops.checkpoints",
    ):
        assert query(question) == query(question, undisturbed)
    assert query("select count(*) from ops.runs where status = 'running'") == [(0,)]


def test_windows_are_read_side_by_side(clean_warehouse: str, fake: FakeStripe) -> None:
    forty_charges(fake)
    together = threading.Barrier(3, timeout=20)
    met = set[int]()

    def meet(number: int, told: sync_module.Progress) -> None:
        if number not in met:
            met.add(number)
            together.wait()

    assert errors(fill(plan(fake, 3), workers=3, on_progress=meet)) == [None] * 3
