"""What each customer has bought."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from mock_apis.truth.identity import buyer_of, persons
from mock_apis.truth.lifetime_value import predicted_12_months
from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, average, local_day, rate, sums, text, together
from mock_apis.world.world import World


def customer_lifetime_value(world: World, sales: list[Sale]) -> list[Row]:
    predicted = predicted_12_months(world, sales)
    rows = []
    for key, own in bought_by(world, sales).items():
        days = [local_day(world, sale.order.processed_at) for sale in own]
        total = together(sale.total for sale in own)
        rows.append(
            {
                "customer_key": key,
                "is_guest": key.startswith("guest:"),
                "first_order_day": min(days).isoformat(),
                "last_order_day": max(days).isoformat(),
                "orders": len(own),
                **sums(total),
                "average_order_value": average(total, len(own)),
                "predicted_net_sales_12_months": text(predicted[key]),
                "currency": world.currency,
            }
        )
    return rows


def customer_segments(world: World, sales: list[Sale]) -> list[Row]:
    bought = bought_by(world, sales)
    days = {key: sorted(local_day(world, sale.order.processed_at) for sale in own) for key, own in bought.items()}
    net = {key: together(sale.total for sale in own).net for key, own in bought.items()}
    spans = {key: (own[-1] - own[0]).days for key, own in days.items()}
    anyones = rate(sum(spans.values()), sum(len(own) - 1 for own in days.values()))
    recency = fifths(days, lambda key: days[key][-1])
    frequency = fifths(days, lambda key: len(days[key]))
    money = fifths(days, lambda key: net[key])
    rows = []
    for key, own in days.items():
        ago = max(0, (local_day(world, world.now) - own[-1]).days)
        gap = max(Decimal("7.0000"), Decimal(rate(spans[key], len(own) - 1) or anyones or 0))
        rows.append(
            {
                "customer_key": key,
                "segment": "returning" if len(own) > 1 else "new",
                "first_order_day": own[0].isoformat(),
                "last_order_day": own[-1].isoformat(),
                "recency_days": ago,
                "orders": len(own),
                "net_sales": text(net[key]),
                "recency_score": recency[key],
                "frequency_score": frequency[key],
                "monetary_score": money[key],
                "rfm_segment": rfm_segment(len(own), recency[key], frequency[key], money[key]),
                "usual_gap_days": str(gap),
                "churn_risk": "high" if ago > 2 * gap else "medium" if ago > gap else "low",
                "currency": world.currency,
            }
        )
    return rows


def monthly_customer_metrics(world: World, sales: list[Sale]) -> list[Row]:
    net: dict[int, int] = defaultdict(int)
    worth: dict[int, list[Sale]] = defaultdict(list)
    statuses: dict[int, Counter[str]] = defaultdict(Counter)
    for own in bought_by(world, sales).values():
        for sale in own:
            month = month_of(world, sale.order.processed_at)
            worth[month].append(sale)
            net[month] += sale.total.gross - sale.total.discounts
            for back in sale.returned:
                net[month_of(world, back.at)] -= back.amount
        before = None
        for month in sorted({month_of(world, sale.order.processed_at) for sale in own}):
            late = before is not None and month - before > 3
            statuses[month]["new" if before is None else "reactivated" if late else "returning"] += 1
            before = month
    rows = []
    for month in range(min(net, default=0), max(net, default=-1) + 1):
        status = statuses[month]
        rows.append(
            {
                "month": date(month // 12, month % 12 + 1, 1).isoformat(),
                "active_customers": status.total(),
                **{f"{name}_customers": status[name] for name in ("new", "returning", "reactivated")},
                "orders": len(worth[month]),
                "net_sales": text(net[month]),
                "average_order_value": average(together(sale.total for sale in worth[month]), len(worth[month])),
                "repeat_rate": rate(status["returning"] + status["reactivated"], status.total()),
                "currency": world.currency,
            }
        )
    return rows


def month_of(world: World, at: datetime) -> int:
    """The local month, counted from the year 0."""
    day = local_day(world, at)
    return day.year * 12 + day.month - 1


def rfm_segment(orders: int, recency: int, frequency: int, money: int) -> str:
    if orders == 1:
        return "newcomer" if recency > 3 else "one-time"
    if recency > 2:
        if recency > 3 and frequency > 3 and money > 3:
            return "champion"
        return "loyal" if frequency > 3 else "regular"
    return "at risk" if max(frequency, money) > 3 else "lapsed"


def fifths(keys: Iterable[str], value: Callable[[str], Any]) -> dict[str, int]:
    """1, and 1 more for each whole fifth of the keys whose value is lower."""
    values = {key: value(key) for key in keys}
    ordered = sorted(values.values())
    return {key: 1 + 5 * bisect_left(ordered, own) // len(ordered) for key, own in values.items()}


def bought_by(world: World, sales: list[Sale]) -> dict[str, list[Sale]]:
    """Each person's sales, by key."""
    person = persons(world)
    bought: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        bought[person[buyer_of(sale.order)]].append(sale)
    return dict(sorted(bought.items()))
