"""The team's own database: nothing is lost or comes twice, whatever changes, commits late, vanishes or is cut off."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ingestion import table_stream
from ingestion.backfill import plan_backfill
from ingestion.backfill_workers import run_windows
from ingestion.reconcile import reconcile
from ingestion.source import Context, Page
from ingestion.sources.app_database import Source
from ingestion.sync import RunResult, sync_stream
from local.postgres import EmbeddedPostgres
from settings import HeadwaterError, Pipeline, SettingsError
from tests.ingestion.conftest import SHOP, Query
from tests.warehouse.cut_proxy import CutProxy
from warehouse.migrate import migrate

CREATE = """
drop table if exists accounts;
create table accounts (
  id bigint primary key, customer_id bigint default 1, email text default 'a@example.com', tier text default 'basic',
  points_balance integer default 0, joined_at timestamptz default '2026-01-01', updated_at timestamptz
)
"""
READER = "app_test_reader"
LONG_AGO = "2026-03-01T00:00:00Z"
RAW = "select record_key, record_version, _deleted, source_data::text from raw.app_accounts order by 1, 2, 3"


class App:
    """The app's database, its table and a pipeline that reads it."""

    def __init__(self, server: EmbeddedPostgres, warehouse: str):
        self.url = server.create_database("app_of_the_tests")
        self.connection = psycopg.connect(self.url, autocommit=True)
        self.run(CREATE)
        self.run(
            f"do $$ begin create role {READER} login password 'read'; exception when duplicate_object then null; end $$"
        )
        self.run(f"grant select on accounts to {READER}")
        self.run(f"grant pg_read_all_stats to {READER}")
        self.reader = self.url.replace(self.url.split("//")[1].split("@")[0], f"{READER}:read")
        self.warehouse = warehouse

    def run(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        done = self.connection.execute(text.encode(), values or None)
        return done.fetchall() if done.description else []

    def put(self, *keys: int, at: str = LONG_AGO, tier: str = "basic") -> None:
        for key in keys:
            self.run(
                "insert into accounts (id, tier, updated_at) values (%s, %s, %s)"
                " on conflict (id) do update set tier = excluded.tier, updated_at = excluded.updated_at",
                *(key, tier, at),
            )

    def now(self, seconds: float = 0) -> str:
        found: datetime = self.run("select clock_timestamp()")[0][0]
        return (found + timedelta(seconds=seconds)).isoformat()

    def pipeline(self, lookback: str = "1h", **options: Any) -> Pipeline:
        block = {
            **{"type": "app_database", "schedule": "0 2 * * *", "freshness": "26h", "lookback": lookback},
            **{"http": {"attempts": 3}, "options": options, "streams": {"accounts": None}},
        }
        pipeline = Pipeline.model_validate({**SHOP, "sources": {"app": block}})
        migrate(self.warehouse, pipeline)
        return pipeline

    def sync(self, **options: Any) -> RunResult:
        return sync_stream("app", "accounts", pipeline=self.pipeline(**options))

    def pages(self, state: dict[str, Any], **options: Any) -> Iterator[Page]:
        source = Source(Context("app", self.pipeline(**options).source("app")))
        return source.stream("accounts").read(state)


@pytest.fixture
def app(postgres: EmbeddedPostgres, clean_warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    app = App(postgres, clean_warehouse)
    monkeypatch.setenv("APP_DATABASE_URL", app.reader)
    monkeypatch.setattr("ingestion.postgres.LONGEST_PAUSE", 0.02)
    yield app
    app.connection.close()


def ids(pages: list[Page]) -> list[int]:
    return [json.loads(record.data)["id"] for page in pages for record in page.records]


def test_rows_change_while_pages_are_read_and_each_state_of_the_window_comes_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them have the same time: only the key tells where a page ends."""
    monkeypatch.setattr(table_stream, "PAGE_ROWS", 3)
    app.put(*range(1, 11))
    reading = app.pages({})
    pages = [next(reading)]
    app.put(2, 9, at=app.now(), tier="gold")  # one that was given, and one that was not
    app.run("delete from accounts where id = 10")
    app.put(11, at=app.now())
    pages += list(reading)
    assert ids(pages) == list(range(1, 11))
    assert [page.watermark is not None for page in pages] == [False, False, False, True]
    assert all(json.loads(record.data)["tier"] == "basic" for page in pages for record in page.records)
    hold_on(app)
    assert ids(list(app.pages(pages[-1].state))) == [2, 9, 11]


def test_rule_5_a_run_cut_off_after_any_page_goes_on_in_its_window_without_loss_or_repetition(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_stream, "PAGE_ROWS", 2)
    app.put(*range(1, 6), at="2026-03-01T00:00:00.000001Z")
    app.put(*range(6, 8), at="2026-03-01T00:00:00.000002Z")
    for cut_after in (1, 2, 3):
        reading = app.pages({})
        first = [next(reading) for _ in range(cut_after)]
        assert isinstance(reading, Generator)
        reading.close()
        state = json.loads(json.dumps(first[-1].state))
        rest = list(app.pages(state))
        ended = next(number for number, page in enumerate(rest) if page.watermark)
        assert ids(first + rest[: ended + 1]) == list(range(1, 8))
        assert rest[ended].watermark == datetime.fromisoformat(state["window"]["end"])


@pytest.mark.fault(
    "A transaction of the app commits long after its rows' time of change",
    "The window ends before it began: its rows come with the next one.",
)
def test_rule_5_the_window_ends_where_the_oldest_open_transaction_began(app: App, query: Query) -> None:
    """Its row is not seen yet, and has an older time than rows that are: it must not be jumped over."""
    with psycopg.connect(app.url) as slow:
        slow.execute("insert into accounts (id, updated_at) values (1, now())")
        began = app.run("select xact_start from pg_stat_activity where pid = %s", slow.info.backend_pid)[0][0]
        app.put(2, at=app.now())
        app.sync(lookback="0s")
        assert query("select watermark from ops.checkpoints")[0][0] <= began
        assert query(RAW) == []
        slow.commit()
    hold_on(app)
    app.sync(lookback="0s")
    assert [row[0] for row in query(RAW)] == ["1", "2"]


def test_a_row_that_commits_late_with_an_old_time_is_caught_by_the_lookback(app: App, query: Query) -> None:
    """The login cannot see other people's transactions here."""
    app.run(f"revoke pg_read_all_stats from {READER}")
    app.put(1)
    with psycopg.connect(app.url) as slow:
        slow.execute("insert into accounts (id, updated_at) values (2, now())")
        hold_on(app)
        app.sync(lookback="1m", sweep=None)
        slow.commit()
    assert [row[0] for row in query(RAW)] == ["1"]
    hold_on(app)
    app.sync(lookback="1m", sweep=None)
    assert [row[0] for row in query(RAW)] == ["1", "2"]


def hold_on(app: App) -> None:
    """Until the window's end, which is a whole second, is past what was written just now."""
    app.run("select pg_sleep(1 - date_part('microseconds', clock_timestamp())::int % 1000000 / 1e6 + 0.01)")


def due(url: str) -> None:
    """As if the last sweep were two days ago."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "update ops.checkpoints set state = state || jsonb_build_object('swept', now() - interval '2 days')"
        )


def test_the_sweep_marks_what_vanished_and_does_so_once(app: App, query: Query) -> None:
    app.put(*range(1, 13))
    app.sync()
    app.run("delete from accounts where id in (3, 10)")
    app.sync()
    assert query(f"select count(*) from ({RAW}) as r where _deleted") == [(0,)], "not due yet"
    for _ in range(2):
        due(app.warehouse)
        app.sync()
        deleted = [row for row in query(RAW) if row[2]]
        at = datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC)
        assert [(key, version) for key, version, _, _ in deleted] == [("10", at), ("3", at)]
        last_known = {row[0]: row[3] for row in query(RAW) if not row[2]}
        assert all(text == last_known[key] for key, _, _, text in deleted)


def test_the_sweep_brings_what_was_missed_and_what_came_back(app: App, query: Query) -> None:
    app.put(1, 2)
    app.sync()
    app.put(3, at="2026-02-01T00:00:00Z")  # later than any lookback
    app.put(1, at="2026-03-01T00:00:01Z", tier="gold")
    app.run("delete from accounts where id = 2")
    due(app.warehouse)
    app.sync()
    app.put(2)  # restored as it was
    app.run("insert into accounts (id) values (4)")
    app.run("insert into accounts (id, updated_at) values (5, 'infinity')")
    due(app.warehouse)
    app.sync()
    newest = {row[0]: (row[2], json.loads(row[3])["tier"]) for row in query(RAW)}
    assert newest == {"1": (False, "gold"), "2": (False, "basic"), "3": (False, "basic")}
    assert {key for (key,) in query("select record_key from ops.quarantine")} == {"4", "5"}
    assert query("select count(*) from raw.app_accounts") == [(6,)]
    due(app.warehouse)
    assert app.sync().counts.kept == 0


@pytest.mark.fault(
    "A table of the app is emptied and filled anew",
    "The sweep is refused and says so; nothing is marked as deleted, and what changed is read.",
)
def test_nothing_is_deleted_for_a_table_that_is_being_refilled_and_the_window_is_read_all_the_same(
    app: App, query: Query
) -> None:
    app.put(*range(1, 31))
    app.sync()
    app.run("truncate accounts")
    app.put(31, at=app.now())
    hold_on(app)
    due(app.warehouse)
    with pytest.raises(HeadwaterError, match=r"sweep of app\.accounts was refused: 30 of 30 known records"):
        app.sync()
    assert query(f"select count(*), count(*) filter (where _deleted) from ({RAW}) as r") == [(31, 0)]
    app.sync(most_vanished=1)
    assert query(f"select count(*) from ({RAW}) as r where _deleted") == [(30,)]


@pytest.mark.fault("The sweep's list of a table's keys comes in part", "It is refused: nothing is marked as deleted.")
@pytest.mark.parametrize("spoilt", ["cut", "hidden"])
def test_the_sweep_concludes_nothing_from_a_partial_listing(
    app: App, query: Query, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    app.put(*range(1, 31))
    app.sync()
    app.run("delete from accounts where id = 1")
    due(app.warehouse)
    if spoilt == "hidden":
        app.run("alter table accounts enable row level security")
        app.run(f"create policy a_few on accounts for select to {READER} using (id > 20)")
        with pytest.raises(HeadwaterError, match=r"login of APP_DATABASE_URL may not read all of it.*BYPASSRLS"):
            app.sync()
    else:
        whole: Callable[..., Iterator[Any]] = table_stream.rows

        def cut(connection: Any, question: sql.Composable, values: Any) -> Iterator[Any]:
            found = list(whole(connection, question, values))
            yield from found[: len(found) - 1] if "collate" in question.as_string() else found

        monkeypatch.setattr(table_stream, "rows", cut)
        with pytest.raises(HeadwaterError, match=r"refused: its listing broke off: 28 of 29 keys"):
            app.sync()
    assert query(f"select count(*) from ({RAW}) as r where _deleted") == [(0,)]


@pytest.mark.fault(
    "The connection to the app's database is lost while rows are read",
    "It is made again, and the read goes on behind the last row.",
)
def test_a_lost_connection_is_made_again_behind_the_last_row(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_stream, "PAGE_ROWS", 400)
    app.run("insert into accounts (id, updated_at) select n, %s from generate_series(1, 5000) n", LONG_AGO)
    found, ended = [], 0
    for page in app.pages({}):
        found += ids([page])
        if ended < 4:
            ended += app.run(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'headwater app'"
            )[0][0]
    assert ended == 4
    assert found == list(range(1, 5001))


def test_hostile_values_come_exactly_or_go_to_the_quarantine(app: App, query: Query) -> None:
    app.run("alter table accounts add note json, add amount numeric, add big text")
    at = LONG_AGO
    app.run(
        "insert into accounts (id, note, amount, big, updated_at) values"
        """ (9223372036854775807, '{"a": 1,  "a": "\\u0000\\ud800"}', 0.10000000000000000000000000001, '', %s),"""
        " (1, null, 'NaN', repeat('é', 5000000), %s), (-2, null, 1e30, E'\\ufeff\\r\\n\\u2028', %s)",
        *(at, at, at),
    )
    app.run("insert into accounts (id, email, updated_at) values (3, null, %s), (4, '', '-infinity')", at)
    counts = app.sync().counts
    assert (counts.received, counts.kept, counts.rejected) == (5, 3, 2)
    texts = {row[0]: row[3] for row in query(RAW)}
    exact = '"note":{"a": 1,  "a": "\\u0000\\ud800"},"amount":0.10000000000000000000000000001'
    assert exact in texts["9223372036854775807"]
    assert len(json.loads(texts["1"])["big"]) == 5_000_000
    assert json.loads(texts["-2"])["big"] == "\ufeff\r\n\u2028"


def test_bytes_that_are_no_text_are_quarantined_as_they_are(
    app: App, postgres: EmbeddedPostgres, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute("create database app_without_encoding encoding 'SQL_ASCII' template template0")
    with psycopg.connect(postgres.url("app_without_encoding"), autocommit=True) as connection:
        connection.execute(CREATE.encode())
        for key, email in ((1, b"\xe9t\xe9"), (2, "café".encode())):
            insert = b"insert into accounts (id, email, updated_at) values (%d, '%s', '2026-03-01')"
            connection.execute(insert % (key, email))
    monkeypatch.setenv("APP_DATABASE_URL", postgres.url("app_without_encoding"))
    app.sync()
    assert [json.loads(row[3])["email"] for row in query(RAW)] == ["café"]
    [(record,)] = query("select record from ops.quarantine")
    assert b'"email":"\xe9t\xe9"' in record


def test_rule_7_a_big_table_comes_from_the_server_as_it_is_read(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all of the answer at once: what has come when the first page is out is a small part of it."""
    app.run(
        "insert into accounts (id, email, updated_at) select n, repeat('x', 1000), %s from generate_series(1, 30000) n",
        LONG_AGO,
    )
    proxy = CutProxy(app.reader)
    monkeypatch.setenv("APP_DATABASE_URL", proxy.url)
    reading = app.pages({})
    first = next(reading)
    size = sum(len(record.data) for record in first.records)
    assert len(first.records) == table_stream.PAGE_ROWS
    assert size < proxy.answered < 3 * size
    assert sum(len(page.records) for page in reading) == 30_000 - len(first.records)
    assert proxy.answered > 30_000_000
    proxy.close()


def test_times_without_a_zone_are_utc_and_columns_may_have_other_names(app: App, query: Query) -> None:
    app.run("alter table accounts rename updated_at to changed; alter table accounts rename id to number")
    app.run("alter table accounts alter changed type timestamp, alter number type text")
    app.run("create schema if not exists billing; drop table if exists billing.client")
    app.run(f"alter table accounts rename to client; grant usage on schema billing to {READER}")
    app.run("alter table client set schema billing")
    app.run("insert into billing.client (number, changed) values ('b', '2026-03-01 12:00:00.5'), ('ä', '2026-02-01')")
    with pytest.raises(HeadwaterError, match=r"app has no table public\.accounts; set sources\.app\.options\.tables"):
        app.sync()
    tables = {"accounts": {"table": "billing.client", "key": "number", "updated_at": "changed"}}
    stream = Source(Context("app", app.pipeline(tables=tables).source("app"))).stream("accounts")
    [page] = stream.read({})
    rows = [json.loads(record.data) for record in page.records]
    assert [(row[stream.key], stream.version_of(row)) for row in rows] == [
        ("ä", datetime(2026, 2, 1, tzinfo=UTC)),
        ("b", datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
    ]


ERRORS = [
    ("drop table accounts", {}, r"no table public\.accounts"),
    ("alter table accounts rename updated_at to at", {}, r"accounts has no column updated_at; it has: id, .*at\. Set"),
    ("alter table accounts alter updated_at type text", {}, r"accounts\.updated_at is text, no time"),
    (f"revoke select on accounts from {READER}", {}, r"login of APP_DATABASE_URL may not read .*permission denied"),
    ("select 1", {"tables": {"acounts": {}}}, r"options\.tables: acounts is no stream of app"),
    ("select 1", {"swep": "1d"}, r"sources\.app\.options\.swep: "),
]


@pytest.mark.parametrize(("change", "options", "message"), ERRORS)
def test_what_is_wrong_is_told_in_a_line(app: App, change: str, options: dict[str, Any], message: str) -> None:
    app.put(1)
    app.run(change)
    with pytest.raises(HeadwaterError, match=message) as caught:
        app.sync(**options)
    assert "\n" not in str(caught.value)


def test_a_server_that_refuses_or_is_not_there_is_told_with_its_setting(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, message in (
        (app.reader.replace(":read@", ":wrong@"), r"refused the login: .*authentication failed.*APP_DATABASE_URL"),
        (app.reader.replace("app_of_the_tests", "nowhere"), r"refused the login: .*does not exist"),
        ("postgresql://a:b@127.0.0.1:1/x", r"cannot be reached: .*; check APP_DATABASE_URL"),
        ("postgresql://[", r"APP_DATABASE_URL cannot be read; write it as"),
    ):
        monkeypatch.setenv("APP_DATABASE_URL", url)
        with pytest.raises(HeadwaterError, match=message) as caught:
            app.sync()
        assert ":wrong@" not in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.delenv("APP_DATABASE_URL")
    with pytest.raises(SettingsError, match="APP_DATABASE_URL is not set"):
        app.sync()


def test_a_question_that_takes_too_long_is_ended_by_the_server(app: App) -> None:
    app.put(1)
    settings = app.pipeline().source("app")
    hasty = settings.model_copy(update={"http": settings.http.model_copy(update={"deadline": timedelta(seconds=0.05)})})
    stream = Source(Context("app", hasty)).stream("accounts")
    app.run("alter table accounts rename to real")
    app.run("create view accounts as select real.*, pg_sleep(0.2)::text as slow from real")
    app.run(f"grant select on accounts to {READER}")
    try:
        with pytest.raises(HeadwaterError, match=r"did not answer in time: .*statement timeout.*http\.deadline"):
            list(stream.read({}))
    finally:
        app.run("drop view accounts; drop table real")


def test_a_backfill_brings_the_rows_of_its_range_and_leaves_the_bookmark(
    app: App, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_stream, "PAGE_ROWS", 2)
    for key in range(10):  # one at the bound of two windows, one between two seconds
        app.put(key, at=f"2026-03-01T0{key}:00:00{'.5' if key == 7 else ''}Z")
    app.sync()
    before, whole = query("select * from ops.checkpoints"), query(RAW)
    with psycopg.connect(app.warehouse) as connection:
        connection.execute("delete from raw.app_accounts")
    app.put(3, at="2026-03-04T00:00:00Z", tier="gold")  # it has left the range: the sync brings it
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 10, tzinfo=UTC)
    pipeline = app.pipeline()
    backfill_id = plan_backfill("app", "accounts", start, end, 5, pipeline=pipeline)
    results = run_windows("app", "accounts", backfill_id, 2, pipeline=pipeline)
    assert [result.error for result in results] == [None] * 5
    assert query(RAW) == [row for row in whole if row[0] != "3"]
    assert query("select * from ops.checkpoints") == before
    hold_on(app)
    app.sync(lookback="9000d")
    assert len(query(RAW)) == 10


# Held against raw.


def test_a_reconciliation_sums_the_column_that_is_named_by_the_day_that_is_named(app: App, query: Query) -> None:
    app.put(*range(1, 6))
    app.run("update accounts set points_balance = 10 * id, joined_at = '2026-01-01'::timestamptz + id * interval '1 d'")
    options: dict[str, Any] = {"tables": {"accounts": {"created_at": "joined_at", "amount": "points_balance"}}}
    app.sync(**options)
    with psycopg.connect(app.warehouse) as connection:
        text = "update raw.app_accounts set source_data = replace(source_data::text, ':30,', ':31,')::json,"
        text += " content_hash = 'spoilt' where record_key = '3'"
        assert connection.execute(text.encode()).rowcount
    [found] = reconcile("app", pipeline=app.pipeline(**options), repair=False)
    assert (found.missing, found.differing_keys) == (0, ["3"])
    [day] = found.days
    assert (str(day.day), day.source_records, day.source_amount, day.raw_amount) == ("2026-01-04", 1, 30, 31)
    [found] = reconcile("app", pipeline=app.pipeline(**options))
    assert (found.differing, found.repaired) == (1, 1)


def test_a_row_that_raw_took_for_deleted_is_fetched_above_its_deletion(app: App, query: Query) -> None:
    app.put(1, 2)
    app.sync()
    later = "record_key, record_version + interval '1 us', content_hash, source_data, _load_id, _load_timestamp"
    with psycopg.connect(app.warehouse) as connection:
        connection.execute(
            f"insert into raw.app_accounts select {later}, _extracted_at, true from raw.app_accounts"
            " where record_key = '1'".encode()
        )
    [found] = reconcile("app", pipeline=app.pipeline())
    assert (found.missing_keys, found.repaired) == (["1"], 1)
    [found] = reconcile("app", pipeline=app.pipeline())
    assert (found.missing, found.at_source, found.in_raw) == (0, 2, 2)
