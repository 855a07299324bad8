"""A small candidate and a delivery, made by hand: what dbt would have left."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import yaml

from quality.expectations import MartExpectations, load_expectations

AS_OF = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)  # the 11th in Berlin
DAY = date(2026, 3, 10)

MARTS = {
    "daily_sales_by_region": (
        "day date, region text, orders bigint, subscriber_orders bigint, units bigint, gross_sales numeric(18, 2),"
        " discounts numeric(18, 2), returns numeric(18, 2), net_sales numeric(18, 2), taxes numeric(18, 2),"
        " shipping numeric(18, 2), total_sales numeric(18, 2), average_order_value numeric(18, 2),"
        " median_order_value numeric(18, 2), currency text",
        "('2026-03-10', 'EU', 2, 1, 3, 50, 5, 0, 45, 9, 4, 58, 22.5, 22.5, 'EUR'),"
        " ('2026-03-10', 'North America', 0, 0, 0, 0, 0, 12, -12, 0, 0, -12, null, null, 'EUR'),"
        " ('2026-03-09', 'EU', 1, 1, 1, 20, 0, 0, 20, 4, 2, 26, 20, 20, 'EUR')",
    ),
    "customer_lifetime_value": (
        "customer_key text, is_guest boolean, first_order_day date, last_order_day date, orders bigint,"
        " gross_sales numeric(18, 2), discounts numeric(18, 2), returns numeric(18, 2), net_sales numeric(18, 2),"
        " average_order_value numeric(18, 2), predicted_net_sales_12_months numeric(18, 2), currency text",
        "('1', false, '2026-03-09', '2026-03-10', 2, 40, 5, 0, 35, 17.5, 90, 'EUR'),"
        " ('guest:ab', true, '2026-03-10', '2026-03-10', 1, 30, 0, 12, 18, 30, 20, 'EUR')",
    ),
    "product_performance": (
        "product_id text, title text, views bigint, add_to_carts bigint, orders bigint, units_ordered bigint,"
        " units_returned bigint, gross_sales numeric(18, 2), discounts numeric(18, 2), returns numeric(18, 2),"
        " net_sales numeric(18, 2), return_rate numeric(9, 4), units_marked_down bigint,"
        " marked_down_share numeric(9, 4), markdown numeric(18, 2), currency text",
        "('1', 'Mug <b>large</b>', 9, 3, 2, 3, 1, 70, 5, 12, 53, 0.3333, 1, 0.3333, 4, 'EUR'),"
        " ('2', 'Plate', 0, 0, 0, 0, 0, 0, 0, 0, 0, null, 0, null, 0, 'EUR')",
    ),
    "email_campaign_performance": (
        "campaign_id text, name text, sent_day date, cost numeric(18, 2), sent bigint, bounced bigint,"
        " delivered bigint, opened bigint, clicked bigint, unsubscribed bigint, open_rate numeric(9, 4),"
        " click_rate numeric(9, 4), orders bigint, attributed_net_sales numeric(18, 2),"
        " conversion_rate numeric(9, 4), return_on_investment numeric(9, 4), converted bigint,"
        " first_touch_orders bigint, currency text",
        "('c1', 'Spring', '2026-03-07', 12, 100, 2, 98, 40, 10, 1, 0.4082, 0.1020, 1, 20, 0.0102, 0.6667, 1, 1, 'EUR')",
    ),
}  # fmt: skip


MODELS = Path(__file__).resolve().parents[2] / "dbt" / "models" / "marts"
ONE_OF = {"date": f"'{DAY}'", "integer": "1", "bigint": "1"}


def contract(mart: str) -> dict[str, str]:
    """The columns of a mart with their types, as its .yml promises them."""
    (model,) = yaml.safe_load((MODELS / f"{mart}.yml").read_text())["models"]
    return {column["name"]: column["data_type"] for column in model["columns"]}


def columns_checked(mart: str, block: MartExpectations) -> tuple[str, str]:
    """Columns and the one row of a mart that no test looks into: only what expectations.yml has checks for."""
    day = {block.newest.column: ("date", f"'{DAY}'")} if block.newest else {}
    kinds = contract(mart)
    keys = {name: (kinds[name], ONE_OF.get(kinds[name], "'a'")) for name in block.key}
    explained = {}
    if asked := block.explained:
        explained = {asked.column: ("boolean", "true"), asked.day: ("date", f"'{DAY}'")}
        explained[asked.amount] = ("numeric", "0")
    columns = keys | dict.fromkeys(block.not_negative, ("numeric", "1")) | explained | day
    described = ", ".join(f"{name} {kind}" for name, (kind, _) in columns.items())
    return described, f"({', '.join(value for _, value in columns.values())})"


def new_delivery(url: str, day: date = DAY, as_of: datetime = AS_OF) -> uuid.UUID:
    delivery_id = uuid.uuid4()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into ops.deliveries (delivery_id, day, as_of) values (%s, %s, %s)", (delivery_id, day, as_of)
        )
    return delivery_id


def new_candidate(url: str) -> None:
    """Every mart of expectations.yml with a few rows, owned by the transformer as dbt leaves them."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set role transformer")
        for name, block in load_expectations().marts.items():
            columns, values = MARTS.get(name) or columns_checked(name, block)
            connection.execute(f"drop table if exists marts_candidate.{name}".encode())
            connection.execute(f"create table marts_candidate.{name} ({columns})".encode())
            connection.execute(f"insert into marts_candidate.{name} values {values}".encode())


def record_dbt(url: str, delivery_id: uuid.UUID, status: str = "passed", executed: bool = True) -> None:
    """One dbt result, as if dbt had run."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into ops.check_results (delivery_id, layer, kind, name, subject, severity, status, executed)"
            " values (%s, 'dbt', 'unique', 'unique_fct_orders_order_id', 'fct_orders.order_id', 'error', %s, %s)",
            (delivery_id, status, executed),
        )


def arrive(
    database: psycopg.Connection,
    source: str,
    stream: str,
    *,
    at: datetime,
    received: int,
    rejected: int = 0,
    status: str = "succeeded",
) -> None:
    """A run of 12 s that ended at `at` with one load; the stream is complete up to then."""
    run = uuid.uuid4()
    database.execute(
        "insert into ops.runs (run_id, source, stream, status, started_at, finished_at)"
        " values (%s, %s, %s, %s, %s::timestamptz - interval '12 s', %s)",
        (run, source, stream, status, at, at),
    )
    database.execute(
        "insert into ops.loads (load_id, run_id, source, stream, received, kept, already_there, rejected, bytes,"
        " origin, committed_at) values (%s, %s, %s, %s, %s, %s, 0, %s, 1, 'page', %s)",
        (uuid.uuid4(), run, source, stream, received, received - rejected, rejected, at),
    )
    database.execute(
        "insert into ops.checkpoints (source, stream, watermark, last_record_at) values (%s, %s, %s, %s)"
        " on conflict (source, stream) do update set watermark = excluded.watermark",
        (source, stream, at, at),
    )
