"""Rule 2's tables: months are made as batches need them, and never hold up who reads or writes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest

from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse import connect
from warehouse.batch import Batch, Counts, RawRow
from warehouse.known import Known
from warehouse.migrate import migrate
from warehouse.writer import StreamWriter

MONTHS = """
select relname, pg_get_expr(relpartbound, oid) from pg_class
where oid in (select inhrelid from pg_inherits where inhparent = 'raw.shopify_orders'::regclass) order by 1
"""
EDGES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 4, 1, tzinfo=UTC),
    datetime(2026, 5, 1, 1, tzinfo=timezone(timedelta(hours=2))),  # April still, by UTC
    datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2100, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


def batch(*versions: datetime, data: bytes = b'{"a":1}') -> Batch:
    rows = [RawRow(f"k{number}", version, data, versions[0]) for number, version in enumerate(versions)]
    return Batch(rows=rows, state={}, origin="test")


def query(url: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(text.encode()).fetchall()


@pytest.fixture
def url(new_warehouse: Callable[[str], str], request: pytest.FixtureRequest) -> str:
    """A warehouse without a month."""
    return new_warehouse(request.node.name[:60].lower())


def test_rule_2_a_batch_makes_the_months_it_needs_and_no_others(url: str) -> None:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("alter role headwater set timezone = 'Asia/Tokyo'")  # months are UTC's whatever a session's is
    try:
        with StreamWriter("shopify", "orders", url) as writer:
            assert writer.commit(batch(*EDGES)) == Counts(9, 9, 0, 0)
            assert writer.commit(batch(*EDGES)) == Counts(9, 0, 9, 0)
    finally:
        connection.execute("alter role headwater reset timezone")
        connection.close()
    with psycopg.connect(url, options="-c timezone=UTC") as reading:
        assert reading.execute(MONTHS.encode()).fetchall() == [
            ("shopify_orders_2000_01", _bounds("2000-01-01", "2000-02-01")),
            ("shopify_orders_2026_03", _bounds("2026-03-01", "2026-04-01")),
            ("shopify_orders_2026_04", _bounds("2026-04-01", "2026-05-01")),
            ("shopify_orders_2099_12", _bounds("2099-12-01", "2100-01-01")),
            ("shopify_orders_after_2099", "FOR VALUES FROM ('2100-01-01 00:00:00+00') TO (MAXVALUE)"),
            ("shopify_orders_before_2000", "FOR VALUES FROM (MINVALUE) TO ('2000-01-01 00:00:00+00')"),
        ]
        found = reading.execute("select record_version from raw.shopify_orders order by 1").fetchall()
    assert [version for (version,) in found] == EDGES
    indexes = query(url, "select count(*) from pg_indexes where tablename = 'shopify_orders_2026_04'")
    assert indexes == [(2,)]


def _bounds(first: str, after: str) -> str:
    return f"FOR VALUES FROM ('{first} 00:00:00+00') TO ('{after} 00:00:00+00')"


def test_two_writers_that_want_the_same_month_at_once_both_get_it(url: str) -> None:
    make = "select raw.make_months('shopify_orders', array['2026-03-05Z', '2026-04-05Z']::timestamptz[])"
    with connect("loader", url=url) as first, connect("loader", url=url) as second:
        first.execute("begin")
        first.execute(make)
        (pid,) = second.execute("select pg_backend_pid()").fetchone() or ()
        failures: list[BaseException] = []

        def other() -> None:
            try:
                second.execute(make)
            except psycopg.Error as error:
                failures.append(error)

        waiting = threading.Thread(target=other)
        waiting.start()
        while waiting.is_alive() and query(url, f"select wait_event from pg_stat_activity where pid = {pid}") != [
            ("relation",)
        ]:
            waiting.join(0.01)
        assert waiting.is_alive(), failures
        first.execute("commit")
        waiting.join(30)
        assert not waiting.is_alive() and not failures
    assert len(query(url, MONTHS)) == 2


def test_a_new_month_waits_for_no_reader_and_no_writer_and_none_waits_for_it(url: str) -> None:
    count = "select count(*) from raw.shopify_orders"
    row = (
        "insert into raw.shopify_orders values ('k', '2026-01-05Z', '', '{}', gen_random_uuid(), now(), now())"
        " on conflict do nothing"
    )
    with (
        connect("loader", url=url) as maker,
        connect("transformer", url=url) as reader,
        connect("loader", url=url) as writer,
    ):
        maker.execute("select raw.make_months('shopify_orders', array['2026-01-05Z'::timestamptz])")
        for session in (maker, reader, writer):
            session.execute("set lock_timeout = '2s'")
        for session in (reader, writer):
            session.execute("begin isolation level repeatable read")
        reader.execute(count)
        writer.execute(row.encode())
        maker.execute("begin")
        maker.execute("select raw.make_months('shopify_orders', array['2026-02-05Z'::timestamptz])")
        assert reader.execute(count).fetchone() == (0,)
        writer.execute(row.replace("'k'", "'l'").encode())
        with connect("checker", url=url) as late:
            late.execute("set lock_timeout = '2s'")
            assert late.execute(count).fetchone() == (0,)
        maker.execute("commit")
        writer.execute("commit")
        assert reader.execute(count).fetchone() == (0,)
    assert query(url, count) == [(2,)]


OLD = """
drop table raw.shopify_orders;
create table raw.shopify_orders (
  record_key text not null, record_version timestamptz not null, content_hash bytea not null, source_data json not null,
  _load_id uuid not null, _load_timestamp timestamptz not null default now(), _extracted_at timestamptz not null,
  _deleted boolean not null default false, primary key (record_key, record_version, content_hash)
);
create index shopify_orders_load_timestamp on raw.shopify_orders (_load_timestamp);
insert into raw.shopify_orders
select 'k' || n, '2025-01-31Z'::timestamptz + n * '25 days'::interval, sha256(n::text::bytea),
  ('{"n":  ' || n || ', "text": "' || repeat(md5(n::text), 300) || '\\u0000"}')::json, gen_random_uuid(),
  '2026-01-01Z'::timestamptz + n * '1 s'::interval, now(), n % 7 = 0
from generate_series(1, 200) as n;
grant select on raw.shopify_orders to reporter;
"""
ALL = """
select record_key, record_version, content_hash, source_data::text, _load_id, _load_timestamp, _extracted_at, _deleted
from raw.shopify_orders order by 1
"""


def test_a_table_from_before_there_were_months_is_turned_once_and_loses_nothing(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OLD)
    before = query(url, ALL)
    with pytest.raises(HeadwaterError, match=r"raw\.shopify_orders is not split into months yet; run"):
        StreamWriter("shopify", "orders", url).__enter__()

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create view public.stands_on_it as select record_key from raw.shopify_orders")
        with pytest.raises(
            HeadwaterError, match=r"raw\.shopify_orders could not be split .* stays as it was: cannot drop"
        ):
            migrate(url)
        assert query(url, ALL) == before
        connection.execute("drop view public.stands_on_it")

    assert migrate(url) == ["raw.shopify_orders (by month)"]
    assert migrate(url) == []
    assert len(before) == 200 and query(url, ALL) == before
    months = query(url, MONTHS)
    assert len(months) > 150 and query(url, "select count(*) from only raw.shopify_orders") == [(0,)]
    assert query(url, "select has_table_privilege('reporter', 'raw.shopify_orders', 'select')") == [(True,)]
    with StreamWriter("shopify", "orders", url) as writer:
        assert writer.commit(batch(datetime(2025, 2, 25, tzinfo=UTC))).kept == 1


def test_keys_are_asked_for_across_months(url: str) -> None:
    with StreamWriter("shopify", "orders", url) as writer:
        for month in range(1, 13):
            writer.commit(batch(*[datetime(2025, month, day, tzinfo=UTC) for day in range(1, 25)]))
        known = Known("shopify", "orders", writer._ask)
        assert {row.version for row in known.current(["k0", "k5"]).values()} == {
            datetime(2025, 12, 1, tzinfo=UTC),
            datetime(2025, 12, 6, tzinfo=UTC),
        }
        assert known.live_keys("k1", "k19", 5) == ["k10", "k11", "k12", "k13", "k14"]


def test_a_name_that_leaves_no_room_for_a_month_is_refused(url: str) -> None:
    pipeline = load_pipeline().model_dump()
    pipeline["sources"]["email"]["streams"] = {"e" * 50: {}}
    with pytest.raises(HeadwaterError, match=r"email_e+ is too long: in pipeline\.yml"):
        migrate(url, Pipeline.model_validate(pipeline))
