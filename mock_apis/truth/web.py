"""How far the visitors of the site came, as far as web analytics has told it by now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from mock_apis.s3.exports import exported
from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, local_day, rate
from mock_apis.world.web_model import WebEvent
from mock_apis.world.world import World

STEPS = {"view_item": 1, "add_to_cart": 2, "begin_checkout": 3, "purchase": 4}
CHANNELS = {
    "email": "Email",
    "cpc": "Paid",
    "organic": "Organic search",
    "social": "Social",
    "(none)": "Direct",
}


def daily_funnel(world: World, _sales: list[Sale]) -> list[Row]:
    reached: dict[tuple[date, str], list[int]] = defaultdict(lambda: [0] * 5)
    ordered: set[int] = set()
    for events in sorted(sessions(world), key=lambda each: (each[0].micros, each[0].user)):
        cell = reached[day_of(world, events[0]), CHANNELS[events[0].source[1]]]
        furthest = max(STEPS.get(event.name, 0) for event in events)
        order_id = next((event.order_id for event in events if event.order_id), None)
        if furthest == 4 and (order_id in ordered or order_id not in world.orders or world.orders[order_id].test):
            furthest = 3
        if order_id:
            ordered.add(order_id)
        for step in range(furthest + 1):
            cell[step] += 1
    return [
        {
            "day": day.isoformat(),
            "channel": channel,
            "sessions": cell[0],
            "sessions_with_product_view": cell[1],
            "sessions_with_cart": cell[2],
            "sessions_with_checkout": cell[3],
            "sessions_with_order": cell[4],
            "session_conversion_rate": rate(cell[4], cell[0]),
        }
        for (day, channel), cell in sorted(reached.items())
    ]


def told(world: World) -> Iterator[WebEvent]:
    """Every event that the newest exports hold."""
    for events, _ in exported(world).values():
        yield from events


def sessions(world: World) -> list[list[WebEvent]]:
    """The events of each session, in their order."""
    found: dict[tuple[str, int], list[WebEvent]] = defaultdict(list)
    for event in told(world):
        found[event.user, event.session].append(event)
    return [sorted(events, key=lambda event: event.micros) for events in found.values()]


def day_of(world: World, event: WebEvent) -> date:
    return local_day(world, datetime.fromtimestamp(0, UTC) + timedelta(microseconds=event.micros))


def products(event: WebEvent) -> set[str]:
    """The ids of what the event was about."""
    return {item.product_id for item in event.items} - {"(not set)"}
