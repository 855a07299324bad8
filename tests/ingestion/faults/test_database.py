"""The database fails in the middle of a sync. A lost COMMIT reply and a cut COPY: tests/warehouse/test_batch.py."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from ingestion import sync as sync_module
from ingestion.sync import Progress, sync_stream
from local.postgres import EmbeddedPostgres
from settings import HeadwaterError, Pipeline
from tests.ingestion.conftest import SHOP, Numbers, Query
from warehouse.batch import Counts
from warehouse.known import Known
from warehouse.migrate import migrate
from warehouse.writer import COMMIT_ATTEMPTS, StreamWriter

LEFT = (
    "select record_key, record_version, content_hash, source_data::text from raw.numbers_items order by 1, 2, 3",
    "select record_key, record, errors from ops.quarantine order by 1",
    "select state::text, watermark, last_record_at from ops.checkpoints",
    "select sum(received), sum(kept), sum(already_there), sum(rejected), count(*) from ops.loads",
)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "BATCH_RECORDS", 100)


def when(committed: int, act: Callable[[], None]) -> Callable[[Progress], None]:
    """Do `act` once, as soon as so many records of the run are committed."""
    done: list[int] = []

    def report(progress: Progress) -> None:
        if progress.committed >= committed and not done:
            done.append(1)
            act()

    return report


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "postgres").start()
    yield server
    server.remove()


class Restart:
    """Ends the server when it is called, and starts it again meanwhile."""

    def __init__(self, server: EmbeddedPostgres, how: signal.Signals = signal.SIGINT):
        self._server, self._how = server, how
        self.thread = threading.Thread(target=server.start)

    def __call__(self) -> None:
        process = self._server._process
        assert process
        process.send_signal(self._how)
        process.wait(30)
        self.thread.start()


@pytest.mark.fault(
    "Postgres is restarted, or crashes, while a sync writes",
    "The batch is tried again for some seconds on a new connection, after the manifest said that it was not in. The"
    " same run ends well; raw, quarantine, bookmark and counts are those of an undisturbed one.",
)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_a_sync_survives_a_restart_of_postgres(
    numbers: Numbers, query: Query, own_server: EmbeddedPostgres, how: signal.Signals
) -> None:
    pipeline = numbers(count=500, bad=[7, 450])
    sync_stream("numbers", "items", pipeline=pipeline)
    url = own_server.create_database("restarted")
    migrate(url, pipeline)
    restart = Restart(own_server, how)
    result = sync_stream("numbers", "items", pipeline=pipeline, url=url, on_progress=when(200, restart))
    restart.thread.join()
    assert result.counts == Counts(received=500, kept=498, rejected=2)
    for question in LEFT:
        assert query(question, url) == query(question)
    assert query("select status from ops.runs", url) == [("succeeded",)]


@pytest.mark.fault(
    "Postgres is restarted while a source asks what is loaded already",
    "It is asked again on a new connection that holds the stream's lock, if this run still is the newest. The same run"
    " ends well, with the rows, files and counts of an undisturbed one.",
)
@pytest.mark.parametrize("question", [1, 3])
def test_a_source_that_asks_what_is_loaded_survives_a_restart_of_postgres(
    clean_warehouse: str,
    query: Query,
    own_server: EmbeddedPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    question: int,
) -> None:
    columns = ["month", "variant_id", "unit_cost", "currency"]
    for number in range(4):
        rows = "".join(f"2026-03,{number}{each},1.5,EUR\n" for each in range(60))
        (tmp_path / f"costs_{number}.csv").write_text(",".join(columns) + "\n" + rows)
        (tmp_path / f"costs_{number}.csv.done").touch()
    monkeypatch.setenv("UPLOADS_FOLDER_URL", tmp_path.as_uri())
    costs = {"pattern": "costs_*.csv", "columns": columns, "key": columns[:2]}
    pipeline = pipeline_of("uploads", "csv_upload", "product_costs", streams={"product_costs": costs})
    migrate(clean_warehouse, pipeline)
    sync_stream("uploads", "product_costs", pipeline=pipeline)
    url = own_server.create_database("restarted")
    migrate(url, pipeline)
    restart, ask, asked = Restart(own_server), StreamWriter._ask, count(1)

    def asked_meanwhile(writer: StreamWriter, *about: Any) -> list[tuple[Any, ...]]:
        if next(asked) == question:
            restart()
        return ask(writer, *about)

    monkeypatch.setattr(StreamWriter, "_ask", asked_meanwhile)
    result = sync_stream("uploads", "product_costs", pipeline=pipeline, url=url)
    restart.thread.join()
    assert result.counts == Counts(received=240, kept=240)
    for left in (
        "select record_key, record_version, content_hash from raw.uploads_product_costs order by 1, 2",
        "select name, sha256, records from ops.files order by 1",
        "select state::text, watermark from ops.checkpoints",
        "select sum(received), sum(kept), count(*) from ops.loads",
        "select status from ops.runs",
    ):
        assert query(left, url) == query(left)


@pytest.mark.fault(
    "Postgres is restarted while a sweep compares a table's keys with those of raw",
    "The sweep begins anew; the same run ends well and finds what vanished.",
)
def test_a_sweep_survives_a_restart_of_postgres(
    postgres: EmbeddedPostgres, query: Query, own_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = postgres.create_database("app_of_the_restart")
    execute(
        app,
        "create table accounts as select n as id, 1 as customer_id, 'a@example.com' as email, 'basic' as tier,"
        " 0 as points_balance, now() as joined_at, now() - interval '1 day' as updated_at from generate_series(1, 9) n",
    )
    monkeypatch.setenv("APP_DATABASE_URL", app)
    pipeline = pipeline_of("app", "app_database", "accounts", sweep="1s")
    url = own_server.create_database("restarted")
    migrate(url, pipeline)
    sync_stream("app", "accounts", pipeline=pipeline, url=url)
    execute(app, "delete from accounts where id = 3; select pg_sleep(1)")
    restart, versions, asked = Restart(own_server), Known.all_versions, count(1)

    def versions_meanwhile(known: Known) -> Any:
        for number, each in enumerate(versions(known)):
            if number == 4 and next(asked) == 1:
                restart()
            yield each

    monkeypatch.setattr(Known, "all_versions", versions_meanwhile)
    monkeypatch.setattr("warehouse.known.AT_ONCE", 3)
    sync_stream("app", "accounts", pipeline=pipeline, url=url)
    restart.thread.join()
    assert query("select record_key from raw.app_accounts where _deleted", url) == [("3",)]
    assert query("select status from ops.runs order by started_at", url) == [("succeeded",)] * 2


def pipeline_of(source: str, kind: str, stream: str, **options: Any) -> Pipeline:
    block = {"type": kind, "schedule": "0 2 * * *", "freshness": "26h", "options": options, "streams": {stream: None}}
    return Pipeline.model_validate({**SHOP, "sources": {source: block}})


@pytest.mark.fault(
    "The batch's transaction is the victim of a deadlock",
    "It is rolled back whole and tried again, up to four times.",
)
def test_a_batch_that_loses_a_deadlock_is_written_again(clean_warehouse: str, numbers: Numbers, query: Query) -> None:
    pipeline = numbers(count=300)
    rival = psycopg.connect(clean_warehouse)
    waiting = (
        "select count(*) from pg_stat_activity where application_name = 'headwater numbers.items'"
        " and wait_event_type = 'Lock'"
    )
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"

    def lock() -> None:
        rival.execute("set deadlock_timeout = '1h'")  # so that the sync finds it, and is the victim
        rival.execute("lock table raw.numbers_items in access exclusive mode")
        threading.Thread(target=finish).start()

    def finish() -> None:
        until(lambda: query(waiting) == [(1,)])
        rival.execute("update ops.checkpoints set updated_at = updated_at")  # waits for the sync, which waits for us
        rival.commit()
        rival.close()

    [(before,)] = query(deadlocks)
    result = sync_stream("numbers", "items", pipeline=pipeline, on_progress=when(100, lock))
    assert result.counts == Counts(received=300, kept=300)
    until(lambda: query(deadlocks)[0][0] > before)
    assert query("select count(*), sum(kept) from ops.loads") == [(3, 300)]


@pytest.mark.fault(
    "A lock is held for longer than the lock time-out",
    "The batch is tried again; when the lock outlasts every try the run fails with its reason, nothing of the batch is"
    " kept, and the next run goes on from there.",
)
@pytest.mark.parametrize("lasts", [False, True], ids=["let go in time", "held on to"])
def test_a_lock_that_is_held_for_long(
    clean_warehouse: str, numbers: Numbers, query: Query, monkeypatch: pytest.MonkeyPatch, lasts: bool
) -> None:
    pipeline = numbers(count=300)
    rival = psycopg.connect(clean_warehouse)
    connect = StreamWriter._connect

    def impatient(writer: StreamWriter, wait: float) -> psycopg.Connection:
        connection = connect(writer, wait)
        connection.execute("set lock_timeout = '200ms'")
        return connection

    monkeypatch.setattr(StreamWriter, "_connect", impatient)

    def lock() -> None:
        rival.execute("lock table raw.numbers_items in access exclusive mode")
        if not lasts:
            threading.Timer(0.3, rival.rollback).start()

    if lasts:
        begun = time.monotonic()
        with pytest.raises(HeadwaterError, match=r"A batch of numbers\.items could not be written: canceling.*lock"):
            sync_stream("numbers", "items", pipeline=pipeline, on_progress=when(100, lock))
        assert time.monotonic() - begun > 0.2 * COMMIT_ATTEMPTS
        rival.rollback()
        assert query("select count(*) from raw.numbers_items") == [(100,)]
        assert query("select state->'window'->>'cursor' from ops.checkpoints") == [("100",)]
        sync_stream("numbers", "items", pipeline=pipeline)
    else:
        result = sync_stream("numbers", "items", pipeline=pipeline, on_progress=when(100, lock))
        assert result.counts == Counts(received=300, kept=300)
    rival.close()
    assert query("select count(*), (select sum(kept) from ops.loads) from raw.numbers_items") == [(300, 300)]


@pytest.mark.fault(
    "The warehouse's disk is full",
    "The run fails at once and says so; nothing of the batch is kept, and after space was made the next run goes on.",
)
def test_a_full_disk_fails_the_run_and_loses_nothing(clean_warehouse: str, numbers: Numbers, query: Query) -> None:
    # Postgres says what it says of a full disk; to fill one takes rights that a test has not.
    refuse = """create function public.no_space() returns trigger language plpgsql as $$ begin
        raise exception 'could not extend file "base/1/2": No space left on device' using errcode = 'disk_full';
        end $$; create trigger no_space before insert on raw.numbers_items execute function public.no_space()"""
    check_it_goes_on(
        clean_warehouse,
        numbers(count=3_000, page=250),
        query,
        fail=lambda: execute(clean_warehouse, refuse),
        repair=lambda: execute(clean_warehouse, "drop function public.no_space cascade"),
        error=r"The warehouse's disk is full; nothing of this batch of numbers\.items was kept",
    )


@pytest.mark.fault(
    "A file of the database cannot grow: its file system refuses a write",
    "The run fails with Postgres' reason; nothing of the batch is kept, and the next run goes on.",
)
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux lets one process limit another's files")
def test_a_file_that_cannot_grow_fails_the_run_and_loses_nothing(
    clean_warehouse: str, numbers: Numbers, query: Query
) -> None:
    pipeline = numbers(count=3_000, page=250, size=500)
    # A real limit, on the one server process that writes for the sync. It holds for the log too, which comes in files
    # of 16 MB: so the table is made larger than these before.
    execute(
        clean_warehouse,
        "select raw.make_months('numbers_items', array['2026-03-01T00:00:00Z'::timestamptz]);"
        "insert into raw.numbers_items (record_key, record_version, content_hash, source_data, _load_id,"
        " _extracted_at, _deleted) select 'old' || n, '2026-03-01T00:00:00Z', '', to_json(repeat(md5(n::text), 40)),"
        " gen_random_uuid(), now(), false from generate_series(1, 30000) as n",
    )

    def limit() -> None:
        [(pid,)] = query("select pid from pg_stat_activity where application_name = 'headwater numbers.items'")
        [(size,)] = query("select max(pg_relation_size(oid)) from pg_class where relname like 'numbers_items%'")
        assert size > 17 * 1024 * 1024
        limit_files_of(pid, size)

    error = r"A batch of numbers\.items could not be written: could not extend file"
    check_it_goes_on(clean_warehouse, pipeline, query, limit, lambda: None, error)


def check_it_goes_on(
    url: str, pipeline: Pipeline, query: Query, fail: Callable[[], None], repair: Callable[[], None], error: str
) -> None:
    """A run of 3,000 that meets `fail` after its first 1,000, and the next one."""
    sync_module.BATCH_RECORDS = 1_000
    new = "select count(*) from raw.numbers_items where record_key not like 'old%'"
    with pytest.raises(HeadwaterError, match=error):
        sync_stream("numbers", "items", pipeline=pipeline, on_progress=when(1_000, fail))
    [(kept,)] = query(new)
    assert 1_000 <= kept < 3_000
    assert query("select sum(kept) from ops.loads") == [(kept,)]
    assert query("select status from ops.runs") == [("failed",)]
    repair()
    result = sync_stream("numbers", "items", pipeline=pipeline)
    assert result.counts == Counts(received=3_000 - kept, kept=3_000 - kept)
    assert query(new) == [(3_000,)]


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statements.encode())


def limit_files_of(pid: int, size: int) -> None:
    """No file of that process may grow beyond `size` bytes. Done as the account that it runs as: no other may."""
    owner = psutil.Process(pid)
    user, group = owner.uids().real, owner.gids().real
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setresgid(*[group] * 3)
                os.setresuid(*[user] * 3)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0, "the limit could not be set"


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
