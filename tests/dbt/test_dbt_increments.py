"""Day by day, with late, early and odd rows, dbt comes to what it would come to from scratch."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable, Iterator
from hashlib import md5
from typing import Any

import psycopg
import pytest
import raw_rows as raw
from dbt.contracts.graph.manifest import Manifest
from psycopg import sql

Tables = dict[str, list[str]]
TEA, POT = "10.00", "25.00"
# What a run leaves for the next one. All else is what a run from scratch would leave.
OF_RUNS = ["_built_at", "_days", "_order_ids", "_payment_keys", "_available_ats", "_campaign_ids"]
PAID = [raw.sale(1, "20.00", "2026-06-02T10:00:00Z")]
PAID_5 = [raw.sale(5, "20.00", "2026-06-02T10:00:00Z")]
TEA_BACK = raw.refund(30, "2026-06-02T20:00:00Z", 301, 1, TEA, "2.00")
PARTLY = {"transactions": PAID, "displayFinancialStatus": "PARTIALLY_REFUNDED"}


@pytest.fixture(scope="module")
def connection(warehouse_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_url, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def built(connection: psycopg.Connection, run_dbt: Callable[..., Any]) -> dict[str, Tables]:
    """All tables after three daily builds, and after a build from scratch."""
    first_day(connection)
    run_dbt("build")
    first = contents(connection)
    second_day(connection)
    run_dbt("build")
    third_day(connection)
    run_dbt("build")
    daily = contents(connection)
    run_dbt("build", "--full-refresh")
    return {"first": first, "daily": daily, "from scratch": contents(connection)}


def first_day(connection: psycopg.Connection) -> None:
    at, newer = "2026-06-02T10:00:00Z", "2026-06-02T20:00:00Z"
    raw.insert(connection, "shopify_products", at, raw.product(1, "Tea"))
    raw.insert(connection, "shopify_products", at, raw.product(3, "Cup", raw.variant(31, "10.00", at)))
    raw.insert(connection, "shopify_customers", at, raw.customer(7, "Berlin"))
    raw.insert(
        connection, "shopify_orders", at, raw.order(1, at, [raw.line(11, TEA, 2, variant=12), raw.line(12, POT, 1)])
    )
    raw.insert(connection, "shopify_orders", at, raw.order(2, at, [raw.line(21, TEA, 2)], transactions=PAID))
    raw.insert(connection, "shopify_orders", at, raw.order(3, at, [raw.line(31, TEA, 1)]))
    raw.insert(connection, "shopify_orders", at, raw.order(4, at, [raw.line(41, POT, 1)]))
    raw.insert(connection, "shopify_orders", at, raw.order(5, at, [raw.line(51, TEA, 1)], transactions=PAID_5))
    # A guest, and an account whose owner orders as a guest, too.
    raw.insert(connection, "shopify_orders", at, raw.order(6, at, [raw.line(61, TEA, 1)], email="Eve+shop@Example.com"))
    raw.insert(connection, "shopify_customers", at, raw.customer(8, "Wien", "bob@example.com"))
    for number, more in ((7, {"customer": {"id": raw.gid("Customer", 8)}}), (8, {})):
        bobs = raw.order(number, at, [raw.line(number * 10 + 1, TEA, 1)], email="bob@example.com", **more)
        raw.insert(connection, "shopify_orders", at, bobs)
    # Guest 3 began in May, with an order that turns out to be a mistake.
    before = raw.order(20, "2026-05-20T10:00:00Z", [raw.line(201, POT, 1)], email="guest3@example.com")
    raw.insert(connection, "shopify_orders", at, before)
    raw.insert(connection, "stripe_charges", at, raw.charge("ch_2", 2, at))
    raw.insert(connection, "stripe_customers", at, {"id": "cus_1", "email": "a@example.com", "created": 1780000000})
    raw.insert(connection, "email_campaigns", at, raw.campaign("c1", "2026-06-01T08:00:00Z"))
    raw.insert(connection, "email_events", at, raw.event("e1", "sent", "c1", "guest3@example.com", at))
    clicked = raw.event("e3", "click", "c1", "guest5@example.com", "2026-05-29T09:00:00Z")
    raw.insert(connection, "email_events", at, clicked)
    # Three clicks that are corrected when their orders have long been theirs; one is that of a tagged address.
    for name, address in (("e4", "guest1+shop@example.com"), ("e5", "guest2@example.com"), ("e6", "bob@example.com")):
        clicked = raw.event(name, "click", "c1", address, "2026-06-01T09:00:00Z")
        raw.insert(connection, "email_events", at, clicked)
    # One session that will be taken back as spam, and one that will turn out to have begun the day before.
    for key, session in (("w1", 1), ("w2", 2)):
        seen = raw.web_event("view_item", at, session, 1, 2, source="spam" if session == 1 else "ads")
        raw.insert(connection, "google_analytics_events", at, seen, key=key)
    # Two sessions that tell of one order, a charge that names none yet, and a payout with what was available by then.
    for key, session, minute in (("w3", 3, "10"), ("w4", 4, "20")):
        bought = raw.web_event("purchase", f"2026-06-02T10:{minute}:00Z", session, source="ads")
        bought["ecommerce"] = {"transaction_id": "5"}
        raw.insert(connection, "google_analytics_events", at, bought, key=key)
    raw.insert(connection, "stripe_charges", at, raw.charge("ch_5", 5, at, metadata={}))
    for name, amount, fee in (("txn_5", 2000, 55), ("txn_6", -1945, 0)):
        raw.insert(
            connection, "stripe_balance_transactions", at, raw.balance_transaction(name, "ch_5", amount, fee, at)
        )
    raw.insert(connection, "stripe_payouts", newer, raw.payout("po_1", 0, newer))
    raw.insert(connection, "shopify_orders", at, shipped())


def shipped(*refunds: raw.Record) -> raw.Record:
    """An order of tea to London, for 12.00 with its taxes and 6.00 of shipping, and what went back of it."""
    shipping = {"discountedPriceSet": raw.bag("5.00"), "taxLines": [{"priceSet": raw.bag("1.00")}]}
    address = {"countryCodeV2": "GB", "city": "London", "zip": "N1"}
    tea = {**raw.line(301, TEA, 1), "currentQuantity": 0 if refunds else 1}
    return raw.order(
        30, "2026-06-02T10:00:00Z", [tea], shippingLines={"nodes": [shipping]}, shippingAddress=address, refunds=refunds
    )


def second_day(connection: psycopg.Connection) -> None:
    at, newest = "2026-06-03T10:00:00Z", "2026-06-03T12:00:00Z"
    # Order 1 has lost a line; order 2's refund comes later; order 4 has lost all that it had.
    raw.insert(
        connection, "shopify_orders", at, raw.order(1, "2026-06-02T10:00:00Z", [raw.line(11, TEA, 2, variant=12)])
    )
    back = [raw.refund(1, "2026-06-03T09:00:00Z", 21, 1, TEA)]
    kept = {**raw.line(21, TEA, 2), "currentQuantity": 1}
    newer = raw.order(2, "2026-06-02T10:00:00Z", [kept], refunds=back, **PARTLY)
    raw.insert(connection, "shopify_orders", newest, newer)
    for number in (4, 20):
        raw.insert(connection, "shopify_orders", newest, {"id": raw.gid("Order", number)}, deleted=True)
    # The goods of order 30 come back on its own day; that of its shipping is learnt of a day later.
    raw.insert(connection, "shopify_orders", newest, shipped(TEA_BACK))
    # Order 5 goes abroad and counts two days later: too late for the click before it.
    abroad = {"countryCodeV2": "US", "city": "Boston", "zip": "02108"}
    moved = raw.order(5, "2026-06-04T10:00:00Z", [raw.line(51, TEA, 1)], shippingAddress=abroad, transactions=PAID_5)
    raw.insert(connection, "shopify_orders", newest, moved)
    # The customer moves twice; the newest address arrives first.
    raw.insert(connection, "shopify_customers", newest, raw.customer(7, "Hamburg"))
    # The guest makes an account, and the other account changes its address.
    raw.insert(connection, "shopify_customers", newest, raw.customer(9, "Graz", "eve@example.com"))
    raw.insert(connection, "shopify_customers", newest, raw.customer(8, "Wien", "bob@example.net"))
    # A try-out of the shop's own, half an hour before a cup is marked down and its buyer agrees to marketing anew.
    tried = [raw.line(101, "8.00", 1, product=3, variant=31)]
    buyer = {"test": True, "customer": {"id": raw.gid("Customer", 7)}, "email": "ada@example.com"}
    raw.insert(connection, "shopify_orders", newest, raw.order(10, "2026-06-03T11:30:00Z", tried, **buyer))
    marked_down = raw.variant(31, "8.00", "2026-06-03T11:45:00Z", "10.00")
    raw.insert(connection, "shopify_products", newest, raw.product(3, "Cup", marked_down))
    # The fee of a charge that is known already, and a customer who is gone.
    raw.insert(connection, "stripe_balance_transactions", at, raw.balance_transaction("txn_1", "ch_2", 2000, 55, at))
    gone = {"id": "cus_1", "object": "customer", "deleted": True}
    raw.insert(connection, "stripe_customers", at, gone, deleted=True)
    # Text that json may hold and text may not: a null character and half of a pair.
    odd = '{"id": "gid://shopify/Product/2", "title": "Odd\\u0000 \\ud83d \\\\u0000 pot", "status": "ACTIVE"}'
    raw.insert(connection, "shopify_products", at, odd, key="gid://shopify/Product/2")
    # Web analytics corrects its days.
    spam = raw.web_event("view_item", "2026-06-02T10:00:00Z", 1, 1, 2, source="spam")
    raw.insert(connection, "google_analytics_events", newest, spam, key="w1", deleted=True)
    first = raw.web_event("page_view", "2026-06-01T21:59:00Z", 2)
    raw.insert(connection, "google_analytics_events", newest, first, key="w0")
    # The first session that told of the order was spam; the charge names its order; its money comes a day later.
    bought = {**raw.web_event("purchase", "2026-06-02T10:10:00Z", 3, source="ads")}
    raw.insert(connection, "google_analytics_events", newest, bought, key="w3", deleted=True)
    raw.insert(connection, "stripe_charges", at, raw.charge("ch_5", 5, "2026-06-02T10:00:00Z"))
    for name, amount, fee in (("txn_5", 2000, 55), ("txn_6", -1945, 0)):
        postponed = raw.balance_transaction(name, "ch_5", amount, fee, "2026-06-03T11:00:00Z")
        raw.insert(connection, "stripe_balance_transactions", newest, postponed)
    raw.insert(connection, "stripe_payouts", newest, raw.payout("po_2", 1945, newest))


def third_day(connection: psycopg.Connection) -> None:
    late, at = "2026-06-03T11:00:00Z", "2026-06-04T10:00:00Z"
    # Older versions that arrive after newer ones must not win.
    gone = {"emailAddress": "ada@example.com", "marketingState": "UNSUBSCRIBED"}
    raw.insert(connection, "shopify_customers", late, {**raw.customer(7, "Bremen"), "defaultEmailAddress": gone})
    # Yet they tell how things stood when the try-out was ordered.
    marked_down = raw.variant(31, "8.00", "2026-06-03T10:50:00Z", "12.00")
    raw.insert(connection, "shopify_products", late, raw.product(3, "Mug", marked_down))
    raw.insert(
        connection,
        "shopify_orders",
        late,
        raw.order(2, "2026-06-02T10:00:00Z", [raw.line(21, TEA, 9)], transactions=PAID),
    )
    shipping_back = raw.shipping_refund(31, "2026-06-03T09:00:00Z", "5.00", "1.00")
    raw.insert(connection, "shopify_orders", at, shipped(TEA_BACK, shipping_back))
    # A click that is learnt of two days after the order that it led to.
    raw.insert(
        connection, "email_events", at, raw.event("e2", "click", "c1", "GUEST3@example.com", "2026-06-01T09:00:00Z")
    )
    # One click never was, one was weeks earlier, and one was in another campaign.
    never = raw.event("e4", "click", "c1", "guest1+shop@example.com", "2026-06-01T09:00:00Z")
    raw.insert(connection, "email_events", at, never, deleted=True)
    earlier = raw.event("e5", "click", "c1", "guest2@example.com", "2026-05-20T09:00:00Z")
    raw.insert(connection, "email_events", at, earlier)
    raw.insert(connection, "email_campaigns", at, raw.campaign("c2", "2026-06-01T08:00:00Z"))
    other = raw.event("e6", "click", "c2", "bob@example.com", "2026-06-01T09:00:00Z")
    raw.insert(connection, "email_events", at, other)
    # A dispute, whose fee is a third object's; a guest who turns out to be a customer.
    dispute = {
        "id": "du_1",
        "charge": "ch_2",
        "amount": 2000,
        "currency": "eur",
        "status": "lost",
        "created": 1780500000,
    }
    raw.insert(connection, "stripe_disputes", at, dispute)
    raw.insert(connection, "stripe_balance_transactions", at, raw.balance_transaction("txn_2", "du_1", -2000, 2000, at))
    # A second account of the guest's; it orders and is deleted. The first stays the person.
    raw.insert(connection, "shopify_customers", late, raw.customer(10, "Graz", "eve+2@example.com"))
    eves = raw.order(9, at, [raw.line(91, TEA, 1)], customer={"id": raw.gid("Customer", 10)}, email="eve@example.com")
    raw.insert(connection, "shopify_orders", at, eves)
    raw.insert(connection, "shopify_customers", at, {"id": raw.gid("Customer", 10)}, deleted=True)
    linked = raw.order(3, "2026-06-02T10:00:00Z", [raw.line(31, TEA, 1)], customer={"id": raw.gid("Customer", 7)})
    raw.insert(connection, "shopify_orders", at, linked)

    # What a product cost in the month, weeks after the first orders with it.
    cost = {"month": "2026-06", "variant_id": "12", "unit_cost": "4.00", "currency": "EUR"}
    raw.insert(connection, "uploads_product_costs", at, cost, key="2026-06:12")


def contents(connection: psycopg.Connection) -> Tables:
    """Every row of every table that dbt built, without the time at which it did and without what it had been before."""
    found: Tables = {}
    for schema, table in connection.execute(
        "select schemaname, tablename from pg_tables where schemaname in ('staging', 'intermediate', 'marts_candidate')"
    ).fetchall():
        name = sql.Identifier(schema, table)
        rows = connection.execute(sql.SQL("select to_jsonb(t) - %s::text[] from {} as t").format(name), [OF_RUNS])
        found[table] = sorted(repr(row) for (row,) in rows)
    return found


def one(connection: psycopg.Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None, query
    return row


def test_day_by_day_equals_a_full_refresh(built: dict[str, Tables]) -> None:
    daily, scratch = built["daily"], built["from scratch"]
    assert set(daily) == set(scratch)
    assert {table for table in daily if daily[table] != scratch[table]} == set()
    assert built["first"]["fct_orders"] != daily["fct_orders"]


def test_the_newest_version_by_the_sources_time_wins(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    assert one(connection, "select city from staging.stg_shopify__customers where customer_id = '7'") == ("Hamburg",)
    assert one(
        connection,
        "select units_ordered, units_returned, gross_sales_minor, returns_minor, net_sales_minor"
        " from intermediate.fct_orders where order_id = '2'",
    ) == (2, 1, 2000, 1000, 1000)


def test_lines_that_vanished_are_gone(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    lines = connection.execute("select line_id from intermediate.fct_order_lines order by line_id").fetchall()
    assert lines == [(line,) for line in ("101", "11", "21", "301", "31", "51", "61", "71", "81", "91")]


def test_deleted_records_are_kept_and_not_counted(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    assert one(connection, "select is_deleted, is_sale from intermediate.fct_orders where order_id = '4'") == (
        True,
        False,
    )
    assert one(connection, "select is_deleted, email from staging.stg_stripe__customers") == (True, None)
    assert one(
        connection, "select sum(orders)::int, sum(net_sales)::text from marts_candidate.daily_sales_by_region"
    ) == (
        9,
        "90.00",
    )


def test_an_order_that_moves_leaves_its_day_region_and_click(
    connection: psycopg.Connection, built: dict[str, Tables]
) -> None:
    sales = "select day::text, region, orders::int, net_sales::text from marts_candidate.daily_sales_by_region"
    assert sorted(connection.execute(sales.encode()).fetchall()) == [
        ("2026-06-02", "EU", 6, "80.00"),
        ("2026-06-02", "United Kingdom", 1, "0.00"),
        ("2026-06-03", "EU", 0, "-10.00"),
        ("2026-06-03", "United Kingdom", 0, "0.00"),
        ("2026-06-04", "EU", 1, "10.00"),
        ("2026-06-04", "North America", 1, "10.00"),
    ]
    clicks = {name: [row for row in built[name]["fct_order_attributions"] if "'e3'" in row] for name in built}
    assert {name: len(found) for name, found in clicks.items()} == {"first": 1, "daily": 0, "from scratch": 0}


@pytest.mark.parametrize("mart", ["daily_sales_by_region", "daily_revenue"])
def test_what_went_back_whole_is_nothing_though_its_shipping_went_alone(
    connection: psycopg.Connection, built: dict[str, Tables], mart: str
) -> None:
    steps = f"select day::text, taxes::text, shipping::text, total_sales::text from marts_candidate.{mart}"
    found = connection.execute(f"{steps} where region = 'United Kingdom' order by day".encode()).fetchall()
    assert found == [("2026-06-02", "1.00", "5.00", "6.00"), ("2026-06-03", "-1.00", "-5.00", "-6.00")]


def test_sessions_follow_what_web_analytics_corrects(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    assert len(built["first"]["fct_sessions"]) == 4
    funnel = "select day::text, sessions::int, sessions_with_product_view::int from marts_candidate.daily_funnel"
    assert connection.execute(funnel.encode()).fetchall() == [("2026-06-01", 1, 1), ("2026-06-02", 1, 1)]
    assert one(connection, "select sum(views)::int from intermediate.int_product_days") == (2,)
    viewed = "select array_agg(product_id order by product_id) from intermediate.int_baskets where kind = 'viewed'"
    assert one(connection, viewed) == (["1", "2"],)


def test_a_cohort_loses_whom_an_order_no_longer_brings_in(built: dict[str, Tables]) -> None:
    told = {name: built[name]["customer_cohorts"] for name in built}
    assert {name: any("2026-05-01" in row for row in rows) for name, rows in told.items()} == {
        "first": True,
        "daily": False,
        "from scratch": False,
    }


def test_a_payment_gathers_what_arrives_later(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    payment = "select dispute_status, fees_minor, net_minor from intermediate.fct_payments where charge_id = 'ch_2'"
    assert one(connection, payment) == ("lost", 2055, -2055)


def test_a_version_that_arrives_late_tells_how_things_stood_at_an_order(
    connection: psycopg.Connection, built: dict[str, Tables]
) -> None:
    shown = "select price_minor, compare_at_price_minor, markdown_minor from intermediate.int_line_prices"
    assert one(connection, f"{shown} where line_id = '101'") == (800, 1200, 400)
    consents = "select order_id, marketing_state from intermediate.int_order_consents where order_id in ('3', '10')"
    assert dict(connection.execute(consents.encode()).fetchall()) == {"3": "SUBSCRIBED", "10": "UNSUBSCRIBED"}


def test_what_is_summed_follows_what_left(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    """The order of a session that is gone goes to another, a charge to its order, money to a later payout."""
    funnel = (
        "select session_day::text, count(*), sum(funnel_step)::int from intermediate.fct_sessions group by 1 order by 1"
    )
    assert connection.execute(funnel.encode()).fetchall() == [("2026-06-01", 1, 1), ("2026-06-02", 1, 4)]
    bought = "select sum(sessions_with_order)::int from marts_candidate.daily_funnel where day = '2026-06-02'"
    assert one(connection, bought) == (1,)
    keys = "select payment_key, charges from intermediate.int_payment_pairs where charges > 0 order by 1"
    assert connection.execute(keys.encode()).fetchall() == [("order:2", 1), ("order:5", 1)]
    assert any("charge:ch_5" in row for row in built["first"]["int_payment_pairs"])
    payouts = "select payout_id, movements from intermediate.int_payout_movements order by 1"
    assert connection.execute(payouts.encode()).fetchall() == [("po_1", 0), ("po_2", 3)]
    assert any("'po_1'" in row and "'movements': 2" in row for row in built["first"]["int_payout_movements"])


def test_a_cost_that_comes_late_is_that_of_every_day_of_its_month(
    connection: psycopg.Connection, built: dict[str, Tables]
) -> None:
    costs = "select day::text, cost_minor::int, units_costed from intermediate.int_product_sales where units_costed > 0"
    assert connection.execute(costs.encode()).fetchall() == [("2026-06-02", 800, 2)]


def test_a_late_click_still_gets_its_order(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    campaigns = "select campaign_id from intermediate.fct_order_attributions where order_id = '3'"
    assert one(connection, campaigns) == ("c1",)


def test_an_order_follows_what_becomes_of_its_click(built: dict[str, Tables]) -> None:
    def campaigns(tables: Tables) -> dict[str, str | None]:
        rows = [literal_eval(row) for row in tables["fct_order_attributions"]]
        return {row["order_id"]: row["campaign_id"] for row in rows if row["order_id"] in ("1", "2", "7", "8")}

    assert campaigns(built["first"]) == dict.fromkeys(("1", "2", "7", "8"), "c1")
    assert campaigns(built["daily"]) == {"1": None, "2": None, "7": "c2", "8": "c2"}
    reach = {row["campaign_id"]: row["clicked"] for row in map(literal_eval, built["daily"]["int_campaign_reach"])}
    assert reach == {"c1": 3, "c2": 1}


def test_a_guest_who_became_a_customer_is_one_person(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    keys = connection.execute("select customer_key from intermediate.dim_customers where not is_guest").fetchall()
    assert sorted(keys) == [("7",), ("8",), ("9",)]
    guests = one(
        connection, "select count(*) from intermediate.dim_customers where is_guest and email = 'guest3@example.com'"
    )
    assert guests == (0,)


def test_an_account_takes_the_past_orders_of_its_mailbox_with_it(
    connection: psycopg.Connection, built: dict[str, Tables]
) -> None:
    def bought(tables: Tables) -> set[tuple[str, int]]:
        rows = [literal_eval(row) for row in tables["customer_lifetime_value"]]
        return {(row["customer_key"], row["orders"]) for row in rows}

    eve = "guest:" + md5(b"eve@example.com", usedforsecurity=False).hexdigest()
    assert {("guest:6", 1), ("8", 2)} <= bought(built["first"])
    assert {("9", 2), ("8", 2)} <= bought(built["daily"])
    assert [row for row in built["daily"]["dim_identities"] if eve in row or "'10'" in row] == [
        repr({"accounts": 2, "buyer_key": "10", "customer_key": "9"}),
        repr({"accounts": 2, "buyer_key": eve, "customer_key": "9"}),
    ]


def test_text_that_postgres_refuses_reaches_the_marts(connection: psycopg.Connection, built: dict[str, Tables]) -> None:
    title = one(connection, "select title from marts_candidate.product_performance where product_id = '2'")
    assert title == ("Odd \ufffd \\u0000 pot",)


def test_an_unchanged_day_rebuilds_nothing(
    connection: psycopg.Connection, built: dict[str, Tables], run_dbt: Callable[..., Any]
) -> None:
    newest = "select max(_built_at) from staging.stg_shopify__orders"
    before = one(connection, newest)
    run_dbt("run", "--select", "stg_shopify__orders")
    assert one(connection, newest) == before


def test_every_column_in_the_database_is_described(
    connection: psycopg.Connection, built: dict[str, Tables], manifest: Manifest
) -> None:
    described = {
        (node.schema, node.name, column)
        for node in manifest.nodes.values()
        if node.resource_type in ("model", "seed") and node.config.materialized != "ephemeral"
        for column in node.columns
    }
    there = connection.execute(
        "select table_schema, table_name, column_name from information_schema.columns"
        " where table_schema in ('staging', 'intermediate', 'marts_candidate')"
    ).fetchall()
    assert set(there) == described
