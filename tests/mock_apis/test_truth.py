"""The truth on a shop small enough to reckon by hand, and its marts held against each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from mock_apis.truth import truth
from mock_apis.truth.revenue import daily_revenue, daily_sales_by_region
from mock_apis.truth.sale import Sale, is_sale
from mock_apis.world.email_model import Campaign, EmailEvent
from mock_apis.world.shop_model import (
    Customer,
    Line,
    Money,
    Order,
    OrderAdjustment,
    Product,
    Refund,
    RefundLine,
    RefundShippingLine,
)
from mock_apis.world.world import World

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def euros(cents: int) -> Money:
    return Money(cents, cents, "EUR")


def line(line_id: int, quantity: int, price: int, discount: int, tax: int, **other: Any) -> Line:
    asked = {"product_id": 1, "variant_id": 1, "sku": "MUG", "title": "Mug", "tax_rate": 0.19, "tax_title": "MwSt"}
    return Line(
        id=line_id,
        quantity=quantity,
        unit_price=euros(price),
        discount=euros(discount),
        tax=euros(tax),
        **(asked | other),
    )


def order(order_id: int, lines: list[Line], **other: Any) -> Order:
    asked: dict[str, Any] = {
        "name": f"#{order_id}",
        "customer_id": 8,
        "email": "ada@example.com",
        "country_code": "DE",
        "province_code": None,
        "city": "Berlin",
        "zip": "10115",
        "created_at": NOON,
        "processed_at": NOON,
        "updated_at": NOON,
        "currency": "EUR",
        "taxes_included": True,
        "shipping": euros(490),
        "shipping_tax": euros(78),
        "discount_codes": [],
        "financial_status": "PAID",
        "fulfillment_status": "FULFILLED",
    }
    return Order(id=order_id, lines=lines, **(asked | other))


@pytest.fixture
def world() -> World:
    """A world whose records are replaced by the few of a test."""
    world = World(1, "tiny", date(2026, 3, 20))
    world.products = {
        1: Product(1, "Mug", "mug", "Headwater", "Kitchen", "ACTIVE", NOON, NOON),
        2: Product(2, "Lamp", "lamp", "Headwater", "Home", "ARCHIVED", NOON, NOON),
    }
    world.orders, world.campaigns, world.email_events = {}, {}, []
    world.loyalty_accounts, world.points_transactions = {}, {}
    return world


def marts(world: World, *orders: Order) -> dict[str, list[dict[str, Any]]]:
    world.orders = {one.id: one for one in orders}
    found = truth(world)
    assert found["as_of"] == "2026-03-20T00:00:00Z"
    return dict(found["marts"])


def test_an_edited_order_and_its_return_on_a_later_day(world: World) -> None:
    # Four asked for, one taken off again, one sent back at 23:30 UTC: the next day in Berlin.
    mugs = line(11, 4, 1190, 357, 513, removed=1)
    back = Refund(
        1, datetime(2026, 3, 12, 23, 30, tzinfo=UTC), [RefundLine(1, 11, 1, euros(1071), euros(171))], euros(1071)
    )
    found = marts(world, order(1, [mugs], refunds=[back], financial_status="PARTIALLY_REFUNDED"))
    first, second = found["daily_sales_by_region"]
    assert first == {
        "day": "2026-03-10",
        "region": "EU",
        "orders": 1,
        "subscriber_orders": 0,
        "units": 3,
        "gross_sales": "30.57",  # 3 * 11.90 less 5.13 of tax
        "discounts": "3.57",
        "returns": "0.00",
        "net_sales": "27.00",
        "taxes": "5.91",
        "shipping": "4.12",
        "adjustments": "0.00",
        "total_sales": "37.03",
        "average_order_value": "27.00",
        "median_order_value": "27.00",
        "currency": "EUR",
    }
    assert (second["day"], second["orders"], second["returns"]) == ("2026-03-13", 0, "9.00")
    assert (second["net_sales"], second["taxes"], second["total_sales"]) == ("-9.00", "-1.71", "-10.71")
    assert (second["shipping"], second["average_order_value"]) == ("0.00", None)
    mug, lamp = found["product_performance"]
    assert (mug["units_ordered"], mug["units_returned"], mug["return_rate"]) == (3, 1, "0.3333")
    assert (lamp["title"], lamp["orders"], lamp["net_sales"], lamp["return_rate"]) == ("Lamp", 0, "0.00", None)
    assert found["customer_lifetime_value"][0]["net_sales"] == "18.00"


def test_taxes_on_top_guests_and_what_has_no_product_or_country(world: World) -> None:
    wrapping = line(12, 2, 350, 0, 51, product_id=None)
    late = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    found = marts(
        world,
        order(
            1, [wrapping], customer_id=None, email="Bob@Example.com", country_code="US", taxes_included=False,
            shipping=euros(1490), shipping_tax=euros(108), processed_at=late,
        ),
        order(2, [line(13, 1, 1190, 0, 190)], customer_id=None, email="BOB@example.com", country_code=None),
        order(3, [line(14, 1, 1190, 0, 190)], country_code="GB"),
        order(4, [line(15, 1, 1190, 0, 190)], country_code="CH"),
    )  # fmt: skip
    days = {(row["day"], row["region"]): row for row in found["daily_sales_by_region"]}
    assert set(days) == {
        ("2026-03-11", "North America"),
        ("2026-03-10", "Unknown"),
        ("2026-03-10", "United Kingdom"),
        ("2026-03-10", "Rest of world"),
    }
    there = days["2026-03-11", "North America"]
    assert (there["gross_sales"], there["taxes"], there["shipping"]) == ("7.00", "1.59", "14.90")
    assert there["total_sales"] == "23.49"
    registered, guest = found["customer_lifetime_value"]
    assert (registered["customer_key"], registered["is_guest"], registered["orders"]) == ("8", False, 2)
    assert guest["customer_key"] == "guest:1"  # both spellings are one guest, named by the first order
    assert (guest["is_guest"], guest["orders"]) == (True, 2)
    assert (guest["first_order_day"], guest["last_order_day"]) == ("2026-03-10", "2026-03-11")
    assert found["product_performance"][-1]["product_id"] == "unknown"


def test_guests_and_accounts_of_a_mailbox_are_one_customer(world: World) -> None:
    template = next(iter(world.customers.values()))
    emails = {1: "ada+a@example.com", 2: "ADA@example.com", 3: "bob@example.com", 4: "eve@example.com"}
    emails |= {number: f"phone+{number}@example.com" for number in range(10, 16)}
    world.customers = {number: replace(template, id=number, email=email) for number, email in emails.items()}
    guests = ("Ada+x@example.com", "old@example.com", "both@example.com", "bob@example.net", "phone@example.com")
    orders = [(1, "ada@example.com"), (2, "old@example.com"), (3, "both@example.com"), (4, "both@example.com")]
    orders += [(7, "eve@example.com"), *((number, emails[number]) for number in range(10, 16))]
    orders += [(None, email) for email in guests]
    found = marts(
        world,
        *(
            order(n, [line(n, 1, 1190, 0, 190)], customer_id=customer, email=email)
            for n, (customer, email) in enumerate(orders, 1)
        ),
    )
    bought = {row["customer_key"]: row["orders"] for row in found["customer_lifetime_value"] if not row["is_guest"]}
    # Account 7 is not in the shop's list (yet), and ordered with account 4's mailbox; six accounts of one are too many.
    assert bought == {"1": 4, "3": 1, "4": 2} | {str(number): 1 for number in range(10, 16)}
    assert sum(row["is_guest"] for row in found["customer_lifetime_value"]) == 3
    assert sum(row["orders"] for row in found["daily_revenue"] if row["segment"] == "new") == 12


def test_revenue_by_product_shares_the_shipping_and_knows_a_buyers_first_order(world: World) -> None:
    late = datetime(2026, 3, 12, 23, 30, tzinfo=UTC)
    lamp = line(22, 1, 1190, 0, 190, product_id=2)
    back = Refund(1, late, [RefundLine(1, 22, 1, euros(1190), euros(190))], euros(1190))
    found = marts(
        world,
        order(2, [line(21, 2, 1190, 0, 380), lamp], processed_at=late, refunds=[back]),
        order(1, [line(11, 1, 1190, 0, 190)]),
    )["daily_revenue"]
    assert [(row["day"], row["product_id"], row["segment"], row["orders"], row["net_sales"]) for row in found] == [
        ("2026-03-10", "1", "new", 1, "10.00"),
        ("2026-03-13", "1", "returning", 1, "20.00"),
        ("2026-03-13", "2", "returning", 1, "0.00"),
    ]
    # 4.12 of shipping and 0.78 of taxes on it, by 20 and 10; the 1.90 on the lamp went back the same day.
    assert [(row["shipping"], row["taxes"]) for row in found[1:]] == [("2.75", "4.32"), ("1.37", "0.26")]


MONEY = ("gross_sales", "discounts", "returns", "net_sales", "taxes", "shipping", "adjustments", "total_sales")


@pytest.mark.parametrize("taxes_included", [True, False])
def test_what_went_back_whole_sums_to_nothing_over_its_days(world: World, taxes_included: bool) -> None:
    """The half of the shipping first, then something for the trouble, then all, less what was given for that."""
    one, other = line(21, 3, 1190, 357, 513), line(22, 1, 1190, 0, 190, product_id=2)
    goods = [RefundLine(1, 21, 3, euros(3213), euros(513)), RefundLine(2, 22, 1, euros(1190), euros(190))]
    half = [RefundShippingLine(1, euros(245), euros(39))]
    steps = [
        Refund(1, NOON.replace(day=11), [], euros(245), None, half),
        Refund(2, NOON.replace(day=12), [], euros(500), None, [], [OrderAdjustment(1, euros(-500), "CUSTOMER")]),
        Refund(3, NOON.replace(day=13), goods, euros(0), None, half, [OrderAdjustment(2, euros(500), "CUSTOMER")]),
    ]
    found = marts(world, order(1, [one, other], refunds=steps, taxes_included=taxes_included))
    days = {row["day"][8:]: row for row in found["daily_sales_by_region"]}
    assert [(row["shipping"], row["adjustments"], row["orders"]) for row in days.values()] == (
        [("4.12", "0.00", 1), ("-2.06", "0.00", 0), ("0.00", "-5.00", 0), ("-2.06", "5.00", 0)]
        if taxes_included
        else [("4.90", "0.00", 1), ("-2.45", "0.00", 0), ("0.00", "-5.00", 0), ("-2.45", "5.00", 0)]
    )
    assert (days["11"]["taxes"], days["12"]["total_sales"], days["13"]["taxes"]) == ("-0.39", "-5.00", "-7.42")
    by_product: dict[str, Decimal] = {}
    for row in found["daily_revenue"]:
        by_product[row["product_id"]] = by_product.get(row["product_id"], Decimal(0)) + Decimal(row["adjustments"])
    assert by_product == {"1": 0, "2": 0}
    for mart in ("daily_sales_by_region", "daily_revenue"):
        sums = {column: sum(Decimal(row[column]) for row in found[mart]) for column in MONEY}
        assert sums["gross_sales"] and sums["discounts"] + sums["returns"] == sums["gross_sales"]
        assert {sums[column] for column in ("net_sales", "taxes", "shipping", "adjustments", "total_sales")} == {0}


def test_the_total_of_every_sale_is_what_was_paid_less_what_was_refunded() -> None:
    world = World(7, "tiny", date(2026, 3, 20))
    paid = [each for each in world.orders.values() if is_sale(each) and each.paid.shop]
    for mart in (daily_sales_by_region, daily_revenue):
        for each in paid:
            total = sum(Decimal(row["total_sales"]) for row in mart(world, [Sale.of(each)]))
            assert total == Decimal(each.paid.shop - each.total_refunded.shop) / 100, each
    assert any(each.total_refunded == each.paid for each in paid)
    assert any(part.adjustments for each in paid for part in each.refunds)


def test_an_order_is_held_against_what_was_true_when_it_came(world: World) -> None:
    """As far as a reader can know it, who looks each morning from 20 March on."""

    def on(day: int, hour: int = 12) -> datetime:
        return datetime(2026, 3, day, hour, tzinfo=UTC)

    # Marked down before the first reading, twice; then not; then again.
    world.crossed_out = {1: [(on(11), 2000), (on(13), 1500), (on(22), None), (on(24), 1290)]}
    states = {
        7: ("UNSUBSCRIBED", on(15)),
        8: ("UNSUBSCRIBED", on(23)),
        9: ("SUBSCRIBED", None),
        10: ("UNSUBSCRIBED", None),
    }
    world.customers = {
        key: Customer(key, "", "", "", None, "DE", None, "", "", state, [], on(1), on(1), None, changed)
        for key, (state, changed) in states.items()
    }
    came = [(1, on(12), 7), (2, on(22, 11), 8), (3, on(22), 8), (4, on(23), 8), (5, on(24), 9), (6, on(25), 10)]
    sold = [order(n, [line(n, 2, 1190, 0, 0)], processed_at=at, customer_id=buyer) for n, at, buyer in came]
    early = order(7, [line(7, 1, 1190, 0, 0)], processed_at=on(1, 11), customer_id=9)  # before the mug and its buyer
    found = marts(world, *sold, early)
    days = {row["day"][8:]: row["subscriber_orders"] for row in found["daily_sales_by_region"]}
    assert days == {"01": 0, "12": 0, "22": 2, "23": 0, "24": 1, "25": 0}
    mug = found["product_performance"][0]
    # The orders 1 and 2 at 3.10 less, 5 and 6 at 1.00 less, two units each.
    assert (mug["units_marked_down"], mug["marked_down_share"], mug["markdown"]) == (8, "0.6154", "16.40")


@pytest.mark.parametrize(
    "change",
    [
        {"test": True},
        {"cancelled_at": NOON},
        {"financial_status": "PENDING"},
        {"financial_status": "VOIDED"},
        {"financial_status": "EXPIRED"},
    ],
    ids=str,
)
def test_what_is_no_sale_counts_nowhere(world: World, change: dict[str, Any]) -> None:
    found = marts(world, order(1, [line(11, 1, 1190, 0, 190)], **change))
    assert found["daily_sales_by_region"] == found["daily_revenue"] == found["customer_lifetime_value"] == []
    assert {row["orders"] for row in found["product_performance"]} == {0}


def test_the_last_click_within_five_days_gets_the_order(world: World) -> None:
    def event(number: int, kind: str, campaign: str, day: int, email: str = "ada@example.com") -> EmailEvent:
        return EmailEvent(f"ee_{number}", kind, campaign, email, datetime(2026, 3, day, 12, tzinfo=UTC))

    for name in ("a", "b", "c"):
        world.campaigns[name] = Campaign(name, name.upper(), "Hello", "sent", NOON.replace(day=1), 600, NOON)
    world.email_events = [
        event(1, "sent", "a", 1),
        event(2, "sent", "a", 1, "BOB@example.com"),
        event(3, "sent", "a", 1, "eve@example.com"),
        event(4, "sent", "a", 1, "ADA@example.com"),
        event(5, "bounce", "a", 1, "bob@example.com"),
        event(6, "open", "a", 2),
        event(7, "open", "a", 2, "Ada@example.com"),
        event(8, "click", "a", 5),  # to the second five days before the order
        event(9, "click", "b", 4),
        event(10, "click", "c", 11),
        event(11, "click", "c", 9, "eve+news@example.com"),
        event(12, "click", "b", 7, "Eve@example.com"),
    ]
    found = marts(
        world,
        order(1, [line(11, 1, 1190, 0, 190)], email="ADA@example.com"),
        order(2, [line(12, 1, 1190, 0, 190)], email="eve@example.com"),
    )
    a, b, c = found["email_campaign_performance"]
    assert (a["sent"], a["bounced"], a["delivered"], a["opened"], a["clicked"]) == (3, 1, 2, 1, 1)
    assert (a["open_rate"], a["orders"], a["attributed_net_sales"]) == ("0.5000", 1, "10.00")
    assert (a["conversion_rate"], a["cost"], a["return_on_investment"]) == ("0.5000", "6.00", "0.6667")
    # Eve's clicks lead to one mailbox: c gets her order, b began it.
    assert [(row["orders"], row["first_touch_orders"]) for row in (a, b, c)] == [(1, 1), (0, 1), (1, 0)]
    assert [row["first_touch_net_sales"] for row in (a, b, c)] == ["10.00", "10.00", "0.00"]
    assert (b["delivered"], b["open_rate"], b["return_on_investment"]) == (0, None, "-1.0000")


def test_a_grown_world_tells_the_first_click_from_the_last() -> None:
    """The one that the marts are held against: without such orders either could stand for the other unseen."""
    world = World(7, "tiny", date(2026, 3, 24))
    world.advance(11)
    campaigns = truth(world)["marts"]["email_campaign_performance"]
    assert any(row["orders"] > row["first_touch_orders"] for row in campaigns)
    assert any(row["orders"] < row["first_touch_orders"] for row in campaigns)
    assert sum(row["orders"] for row in campaigns) == sum(row["first_touch_orders"] for row in campaigns)


def test_the_marts_of_a_grown_world_agree_with_each_other() -> None:
    world = World(7, "tiny", date(2026, 3, 20))
    found = truth(world)["marts"]
    for column in ("gross_sales", "discounts", "returns", "net_sales"):
        totals = {
            sum(Decimal(row[column]) for row in found[mart])
            for mart in ("daily_sales_by_region", "daily_revenue", "customer_lifetime_value", "product_performance")
        }
        assert len(totals) == 1 and totals != {Decimal(0)}, column
    assert sum(r["orders"] for r in found["daily_sales_by_region"]) == sum(
        r["orders"] for r in found["customer_lifetime_value"]
    )
    assert {row["region"] for row in found["daily_sales_by_region"]} == {
        "EU",
        "United Kingdom",
        "North America",
        "Rest of world",
        "Unknown",
    }
    assert any(row["orders"] for row in found["email_campaign_performance"])
    sold = [row["day"] for row in found["daily_sales_by_region"] if row["orders"] == 0]
    assert sold  # returns alone make a row


def test_customers_are_scored_by_fifths_and_named(world: World) -> None:
    def bought(order_id: int, customer: int, day: int, price: int) -> Order:
        at = datetime(2026, 3, day, 12, tzinfo=UTC)
        lines = [line(order_id, 1, price, 0, 0)]
        return order(order_id, lines, customer_id=customer, processed_at=at)

    found = marts(
        world, bought(1, 1, 1, 500), bought(2, 2, 1, 900), bought(3, 3, 4, 100), bought(4, 4, 10, 200),
        bought(5, 5, 2, 400), bought(6, 5, 12, 400), bought(7, 6, 18, 50), bought(8, 6, 18, 50),
    )["customer_segments"]  # fmt: skip
    scores = ("recency_score", "frequency_score", "monetary_score", "rfm_segment", "usual_gap_days", "churn_risk")
    assert {row["customer_key"]: tuple(row[name] for name in scores) for row in found} == {
        "1": (1, 1, 3, "one-time", "7.0000", "high"),
        "2": (1, 1, 5, "one-time", "7.0000", "high"),
        "3": (2, 1, 1, "one-time", "7.0000", "high"),
        "4": (3, 1, 2, "one-time", "7.0000", "medium"),
        "5": (4, 4, 4, "champion", "10.0000", "low"),
        "6": (5, 4, 1, "loyal", "7.0000", "low"),
    }


def test_a_prediction_is_drawn_towards_all_customers_and_put_to_the_test(world: World) -> None:
    def bought(order_id: int, customer: int, day: int) -> Order:
        at = datetime(2026, 3, day, 12, tzinfo=UTC)
        return order(
            order_id, [line(order_id, 1, 1000, 0, 0)], customer_id=customer, email=f"{customer}@", processed_at=at
        )

    # At the end of the 20th both are known for 10 days; 1 has come back 4 times and 2 never: m = 4 / 20, v = 4 / 200.
    days = ((1, 11), (1, 12), (1, 18), (1, 19), (1, 20), (2, 11))
    found = marts(world, *(bought(n, customer, day) for n, (customer, day) in enumerate(days, 1)))
    predicted = {row["customer_key"]: row["predicted_net_sales_12_months"] for row in found["customer_lifetime_value"]}
    assert predicted == {"1": "1095.00", "2": "365.00"}  # (2 + 4) / (10 + 10) and 2 / 20 orders a day of 10.00
    # On the 13th both were known for 2 days: one repeat order in 4 days, in the next 7 days 1.75 each, 10.00 an order.
    (week,) = found["lifetime_value_backtest"]
    assert (week["cutoff_day"], week["horizon_days"], week["history_days"], week["customers"]) == (
        "2026-03-13",
        7,
        2,
        2,
    )
    assert (week["predicted_net_sales"], week["actual_net_sales"], week["mean_absolute_error"]) == (
        "35.00",
        "20.00",
        "10.00",
    )
    assert (week["naive_net_sales"], week["naive_mean_absolute_error"]) == ("30.00", "5.00")


def test_the_prediction_is_nearer_than_the_naive_guess_on_every_window() -> None:
    found = truth(World(1, "small", date(2026, 3, 20)))["marts"]["lifetime_value_backtest"]
    assert [(row["horizon_days"], row["history_days"]) for row in found] == [(7, 53), (30, 30)]
    for row in found:
        assert Decimal(row["mean_absolute_error"]) < Decimal("0.8") * Decimal(row["naive_mean_absolute_error"]), row


def test_a_customer_is_reactivated_after_three_months_without_a_sale(world: World) -> None:
    back = Refund(1, NOON, [RefundLine(1, 11, 1, euros(1190), euros(190))], euros(1190))
    days = [(1, datetime(2025, 7, 31, 23, tzinfo=UTC)), (2, datetime(2025, 11, 1, tzinfo=UTC)), (3, NOON)]
    found = marts(
        world,
        *(order(n, [line(n * 10 + 1, 1, 1190, 0, 190)], processed_at=at, refunds=[back] * (n == 1)) for n, at in days),
    )["monthly_customer_metrics"]
    assert [(row["month"], row["active_customers"], row["net_sales"], row["repeat_rate"]) for row in found] == [
        ("2025-08-01", 1, "10.00", "0.0000"),
        ("2025-09-01", 0, "0.00", None),
        ("2025-10-01", 0, "0.00", None),
        ("2025-11-01", 1, "10.00", "1.0000"),
        ("2025-12-01", 0, "0.00", None),
        ("2026-01-01", 0, "0.00", None),
        ("2026-02-01", 0, "0.00", None),
        ("2026-03-01", 1, "0.00", "1.0000"),
    ]
    assert [row["new_customers"] for row in found] == [1, 0, 0, 0, 0, 0, 0, 0]
    assert (found[3]["returning_customers"], found[-1]["reactivated_customers"]) == (1, 1)


def test_a_cohort_keeps_its_silent_months_and_takes_a_late_return(world: World) -> None:
    april = datetime(2026, 4, 30, 22, 30, tzinfo=UTC)  # May in Berlin
    back = Refund(1, april, [RefundLine(1, 11, 1, euros(1190), euros(190))], euros(1190))
    tied = [
        line(10, 1, 2380, 0, 380, product_id=2),
        line(9, 2, 1190, 0, 380),
        line(11, 1, 1190, 0, 190, product_id=None),
    ]
    found = marts(
        world,
        order(1, tied, processed_at=datetime(2026, 2, 28, 23, 30, tzinfo=UTC), refunds=[back]),
        order(2, [line(21, 1, 1190, 0, 190, product_id=2)], processed_at=datetime(2026, 4, 2, tzinfo=UTC)),
        order(3, [line(31, 1, 1190, 0, 190)], customer_id=9, email="bob@example.com"),
    )
    names = ("months_since", "active_customers", "net_sales", "retention_rate", "cumulative_value_per_customer")
    assert [tuple(row[name] for name in names) for row in found["customer_cohorts"]] == [
        (0, 2, "60.00", "1.0000", "30.00"),
        (1, 1, "10.00", "0.5000", "35.00"),
        (2, 0, "-10.00", "0.0000", "30.00"),
    ]
    assert {row["cohort_month"] for row in found["customer_cohorts"]} == {"2026-03-01"}
    # 10 and 9 are worth the same; as text, as ids are in the warehouse, 10 comes first.
    sizes = {(row["title"], row["cohort_customers"]) for row in found["customer_cohorts_by_product"]}
    assert sizes == {("Lamp", 1), ("Mug", 1)}
    assert {row["campaign_id"] for row in found["customer_cohorts_by_campaign"]} == {"none"}
