"""The delivery checks decide over a real candidate in Postgres, through great-expectations."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from quality.checks import run_checks
from quality.expectations import load_expectations
from quality.gx import sqlalchemy_url
from settings import HeadwaterError, SettingsError, load_pipeline
from settings.pipeline import Quality, Unexplained
from tests.quality.seeds import new_candidate, new_delivery, record_dbt


@pytest.fixture
def delivery(clean_warehouse: str) -> uuid.UUID:
    new_candidate(clean_warehouse)
    delivery_id = new_delivery(clean_warehouse)
    record_dbt(clean_warehouse, delivery_id)
    return delivery_id


@pytest.fixture
def database(clean_warehouse: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(clean_warehouse, autocommit=True) as connection:
        yield connection


def state(database: psycopg.Connection, delivery_id: uuid.UUID) -> tuple[object, ...]:
    row = database.execute(
        "select status, checks_declared, checks_executed, error from ops.deliveries where delivery_id = %s",
        (delivery_id,),
    ).fetchone()
    assert row is not None
    return row


def test_a_sound_candidate_passes_with_every_check_recorded(database: psycopg.Connection, delivery: uuid.UUID) -> None:
    results = run_checks(delivery)
    assert {result.status for result in results} == {"passed"}
    kinds = {"not_empty", "recent", "key_not_null", "key_unique", "not_negative"}
    kinds |= {"explained", "explained_before", "unexplained_amount"}
    assert {result.kind for result in results} == kinds
    assert state(database, delivery) == ("passed", len(results) + 1, len(results) + 1, None)


def test_each_broken_check_is_named_with_what_was_observed(database: psycopg.Connection, delivery: uuid.UUID) -> None:
    database.execute("update marts_candidate.daily_sales_by_region set day = day - 5, gross_sales = -7.5")
    database.execute(
        "insert into marts_candidate.customer_lifetime_value select * from marts_candidate.customer_lifetime_value"
    )
    database.execute("truncate marts_candidate.product_performance")
    with pytest.raises(HeadwaterError) as caught:
        run_checks(delivery)
    text = str(caught.value)
    assert "recent on daily_sales_by_region.day failed (2026-03-05, at least 2026-03-09 expected)" in text
    assert "not_negative on daily_sales_by_region.gross_sales failed (3 of 3 rows break it, such as -7.50" in text
    assert "key_unique on customer_lifetime_value.customer_key failed (4 of 4 rows break it)" in text
    assert "not_empty on product_performance failed (0, at least 1 expected)" in text
    status, _, _, error = state(database, delivery)
    assert status == "failed" and "key_unique" in str(error)


def test_a_warning_is_recorded_and_does_not_block(
    clean_warehouse: str, database: psycopg.Connection, delivery: uuid.UUID
) -> None:
    before = new_delivery(clean_warehouse)
    database.execute(
        "update ops.deliveries set status = 'published', published_at = now() where delivery_id = %s", (before,)
    )
    database.execute(
        "insert into ops.publications values (%s, 'customer_lifetime_value', 3), (%s, 'daily_sales_by_region', 4),"
        " (%s, 'email_campaign_performance', 2)",
        (before, before, before),
    )
    database.execute("truncate marts_candidate.email_campaign_performance")
    database.execute("delete from marts_candidate.customer_lifetime_value where is_guest")
    warned = {result.sentence for result in run_checks(delivery) if result.status == "warned"}
    assert warned == {
        "usual_row_count on customer_lifetime_value warned (1, at least 2 expected)",
        "not_empty on email_campaign_performance warned (0, at least 1 expected)",
        "recent on email_campaign_performance.sent_day warned (no value, at least 2026-02-25 expected)",
    }
    assert state(database, delivery)[0] == "passed"


def payments(database: psycopg.Connection, number: int, day: str, amount: float | None = None) -> None:
    """So many payments that last moved on the day: matched ones, or such as lack `amount`."""
    database.execute(
        "insert into marts_candidate.payments_reconciliation"
        " (payment_key, last_moved_day, is_explained, unexplained_amount)"
        " select gen_random_uuid()::text, %s, %s, %s from generate_series(1, %s)",
        (day, amount is None, amount or 0, number),
    )


def test_a_bad_day_blocks_however_long_the_history(database: psycopg.Connection, delivery: uuid.UUID) -> None:
    """The limits look at the ten days up to the delivery's, the 11th: not at the 40,000 payments before."""
    payments(database, 40_000, "2026-02-20")
    payments(database, 899, "2026-03-05")  # and one that is there already
    payments(database, 9, "2026-03-01", 5)
    run_checks(delivery)
    assert state(database, delivery)[0] == "passed"
    database.execute("update ops.deliveries set status = 'open'")
    payments(database, 1, "2026-03-10", 5)
    with pytest.raises(HeadwaterError) as caught:
        run_checks(delivery)
    text = str(caught.value)
    rows = "10 of 910 rows since 2026-03-01 break it, at most 1.00% may"
    assert f"explained on payments_reconciliation.is_explained failed ({rows})" in text
    assert "unexplained_amount" not in text and state(database, delivery)[0] == "failed"


def test_one_huge_difference_blocks_by_its_amount(database: psycopg.Connection, delivery: uuid.UUID) -> None:
    payments(database, 1000, "2026-03-05")
    payments(database, 2, "2026-03-09", 500)
    run_checks(delivery)
    assert state(database, delivery)[0] == "passed"
    database.execute("update ops.deliveries set status = 'open'")
    payments(database, 1, "2026-03-09", 50_000)
    with pytest.raises(HeadwaterError) as caught:
        run_checks(delivery)
    observed = "51000.00 since 2026-03-01, at most 1000.00 allowed"
    assert f"unexplained_amount on payments_reconciliation.unexplained_amount failed ({observed})" in str(caught.value)


def test_an_old_difference_warns_and_does_not_block(database: psycopg.Connection, delivery: uuid.UUID) -> None:
    payments(database, 2, "2026-02-28", 50_000)
    payments(database, 8, "2026-02-28")
    warned = {result.sentence for result in run_checks(delivery) if result.status == "warned"}
    column = "payments_reconciliation.is_explained"
    assert warned == {f"explained_before on {column} warned (2 of 10 rows before 2026-03-01 break it)"}
    assert state(database, delivery)[0] == "passed"


def test_a_payout_that_is_off_blocks_by_its_amount_alone(database: psycopg.Connection, delivery: uuid.UUID) -> None:
    off = "update marts_candidate.payout_reconciliation set is_explained = false, unexplained_amount = %s"
    database.execute(off, (1000,))
    warned = {result.sentence for result in run_checks(delivery) if result.status == "warned"}
    rows = "1 of 1 rows since 2026-03-01 break it"
    assert warned == {f"explained on payout_reconciliation.is_explained warned ({rows})"}
    database.execute("update ops.deliveries set status = 'open'")
    database.execute(off, (1000.01,))
    with pytest.raises(HeadwaterError) as caught:
        run_checks(delivery)
    observed = "1000.01 since 2026-03-01, at most 1000.00 allowed"
    assert f"unexplained_amount on payout_reconciliation.unexplained_amount failed ({observed})" in str(caught.value)


def test_the_limits_of_unexplained_payments_are_settings(database: psycopg.Connection, delivery: uuid.UUID) -> None:
    limits = Unexplained(within=timedelta(days=40), share=0.07, amount=100)
    allowed = load_pipeline().model_copy(update={"quality": Quality(unexplained=limits)})
    payments(database, 92, "2026-02-20")  # and one that is there already
    payments(database, 7, "2026-02-20", 14)
    run_checks(delivery, pipeline=allowed)
    assert state(database, delivery)[0] == "passed"
    database.execute("update ops.deliveries set status = 'open'")
    payments(database, 1, "2026-02-20", 14)
    with pytest.raises(HeadwaterError) as caught:
        run_checks(delivery, pipeline=allowed)
    assert "8 of 101 rows since 2026-01-30 break it, at most 7.00% may" in str(caught.value)
    assert "112.00 since 2026-01-30, at most 100.00 allowed" in str(caught.value)


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        ("drop table marts_candidate.product_performance", "marts_candidate.product_performance is not there"),
        ("alter table marts_candidate.product_performance drop column returns", "returns"),
        ("delete from ops.check_results", "no result of it is recorded"),
        ("update ops.check_results set status = 'errored', executed = false", "unique on fct_orders.order_id errored"),
    ],
)
def test_what_did_not_run_blocks(database: psycopg.Connection, delivery: uuid.UUID, break_it: str, named: str) -> None:
    database.execute(break_it.encode())
    with pytest.raises(HeadwaterError, match="Not delivered") as caught:
        run_checks(delivery)
    assert named in str(caught.value)
    assert state(database, delivery)[0] == "failed"


def test_a_mistake_in_the_file_is_named_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "expectations.yml"
    path.write_text("marts:\n  orders:\n    keys: [id]\n    newest: {column: day, within: soon}\n")
    with pytest.raises(SettingsError) as caught:
        load_expectations(path)
    assert "expectations.yml, marts.orders.keys" in str(caught.value)
    assert "expectations.yml, marts.orders.newest.within" in str(caught.value)


def test_a_password_with_any_character_reaches_the_server_as_it_is() -> None:
    from sqlalchemy.engine import make_url

    url = make_url(sqlalchemy_url("postgresql://user:a%24b%40%2F%25c@db:5433/shop?sslmode=require"))
    assert (url.password, url.host, url.port, url.database) == ("a$b@/%c", "db", 5433, "shop")
    assert url.query == {"sslmode": "require", "options": "-c role=checker"}
