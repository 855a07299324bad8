"""Rule 6: readers never see a half-built or failing day, nor an error, nor two days in one look."""

from __future__ import annotations

import threading
import uuid

import psycopg
import pytest

from settings import HeadwaterError
from warehouse import connect
from warehouse.publish import publish

MARTS = ("a_sales", "b_customers", "c_products")


def prepare(url: str, day: int, status: str = "passed") -> uuid.UUID:
    """A candidate of three marts, all of `day`, and its delivery."""
    delivery = uuid.uuid4()
    with psycopg.connect(url, autocommit=True) as connection:
        for mart in MARTS:
            connection.execute(
                f"create table marts_candidate.{mart} as select {day} as day from generate_series(1, 50)".encode()
            )
        connection.execute(
            "insert into ops.deliveries (delivery_id, day, as_of, status)"
            " values (%s, date '2026-01-01' + %s, now(), %s)",
            (delivery, day, status),
        )
    return delivery


def drop_candidates(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for mart in MARTS:
            connection.execute(f"drop table if exists marts_candidate.{mart}".encode())


@pytest.mark.fault("Readers look while a day is published", "Each look shows one whole day, and none fails.")
def test_rule_6_readers_in_a_loop_see_whole_days_through_ten_publishes(warehouse_url: str) -> None:
    publish(prepare(warehouse_url, 0))
    problems: list[str] = []
    seen: set[int] = set()
    stop = threading.Event()

    def read_in_one_statement() -> None:
        with connect("reporter", url=warehouse_url) as connection:
            while not stop.is_set():
                look = " union all ".join(f"select day from marts.{mart}" for mart in MARTS)
                check(connection.execute(f"select distinct day from ({look}) as days".encode()).fetchall())

    def read_in_one_transaction() -> None:
        with connect("reporter", url=warehouse_url) as connection:
            while not stop.is_set():
                days: set[tuple[int]] = set()
                with connection.transaction():
                    for mart in reversed(MARTS):
                        days.update(connection.execute(f"select distinct day from marts.{mart}".encode()).fetchall())
                check(list(days))

    def check(days: list[tuple[int]]) -> None:
        if len(days) != 1:
            problems.append(f"mixed: {days}")
        seen.update(day for (day,) in days)

    def guard(reader: object) -> None:
        try:
            reader()  # type: ignore[operator]
        except psycopg.Error as error:
            problems.append(f"{type(error).__name__}: {error}")

    readers = [read_in_one_statement, read_in_one_transaction, read_in_one_statement]
    threads = [threading.Thread(target=guard, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        for day in range(1, 11):
            publication = publish(prepare(warehouse_url, day))
            assert publication.rows == dict.fromkeys(MARTS, 50)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert problems == []
    assert len(seen) > 1, "the readers never saw a publish"
    with connect("reporter", url=warehouse_url) as connection:
        assert connection.execute("select distinct day from marts.a_sales").fetchall() == [(10,)]
        assert connection.execute("select day::text from marts.delivery").fetchone() == ("2026-01-11",)


@pytest.mark.parametrize("status", ["open", "failed", "published"])
def test_rule_6_only_a_delivery_that_passed_its_checks_is_published(warehouse_url: str, status: str) -> None:
    delivery = prepare(warehouse_url, 99, status)
    try:
        with pytest.raises(HeadwaterError, match="has not passed its checks"):
            publish(delivery)
    finally:
        drop_candidates(warehouse_url)
    with connect(url=warehouse_url) as connection:
        assert connection.execute("select count(*) from marts.a_sales where day = 99").fetchone() == (0,)


@pytest.mark.fault(
    "A reader never ends",
    "The publish gives up loudly; the reader is not hurt, and the next try succeeds.",
)
def test_a_reader_that_never_ends_delays_the_publish_but_is_not_hurt(warehouse_url: str) -> None:
    delivery = prepare(warehouse_url, 50)
    with connect("reporter", url=warehouse_url) as reader:
        with reader.transaction():
            reader.execute("select 1 from marts.b_customers limit 1")
            with pytest.raises(HeadwaterError, match="readers held tables of marts"):
                publish(delivery, patience=0.5)
            assert reader.execute("select distinct day from marts.c_products").fetchall() == [(10,)]
    assert publish(delivery).rows["b_customers"] == 50


def test_an_empty_candidate_is_not_published(warehouse_url: str) -> None:
    delivery = prepare(warehouse_url, 60)
    drop_candidates(warehouse_url)
    with pytest.raises(HeadwaterError, match="marts_candidate is empty"):
        publish(delivery)


def test_each_mart_says_how_complete_it_is_and_by_which_runs(warehouse_url: str) -> None:
    delivery, run = prepare(warehouse_url, 70), uuid.uuid4()
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute("update ops.deliveries set dbt_invocation_id = 'dbt-1' where delivery_id = %s", (delivery,))
        connection.execute(
            "insert into ops.delivery_sources (delivery_id, source, stream, complete_to, run_id)"
            " values (%s, 'shop', 'orders', '2026-03-01T08:00:00Z', %s), (%s, 'ads', 'clicks', null, null)",
            (delivery, run, delivery),
        )
        connection.execute(
            "insert into ops.mart_sources (delivery_id, mart, source, stream)"
            " values (%(id)s, 'a_sales', 'shop', 'orders'), (%(id)s, 'a_sales', 'ads', 'clicks')",
            {"id": delivery},
        )
    publish(delivery)
    with connect("reporter", url=warehouse_url) as reader:
        rows = reader.execute(
            "select mart, source, stream, complete_to = timestamptz '2026-03-01T08:00:00Z', sync_run_id,"
            " dbt_invocation_id, delivery_id from marts.freshness"
        ).fetchall()
    assert rows == [
        ("a_sales", "ads", "clicks", None, None, "dbt-1", delivery),
        ("a_sales", "shop", "orders", True, run, "dbt-1", delivery),
    ]
