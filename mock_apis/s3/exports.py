"""The bucket's objects, built from the world: the daily exports of web analytics, as its BigQuery export writes them.

    ga4/events_YYYYMMDD/part-0000.json.gz   the events of a day of the shop's clock, in SHARDS objects by visitor
    ga4/events_YYYYMMDD/_SUCCESS            says that the day is complete; about one day in five has none at first
    ga4/events_intraday_YYYYMMDD/…          today's events so far, provisional

A day is exported half an hour after its end: at once for whoever reads at 01:00. About one day in three is exported
again three days later: with the events that were late, without those that were found to be spam, and with the
campaign's name where it was not known. The same world has the same bytes and times at every listing.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zlib import crc32

import msgspec

from mock_apis.world.web_model import WebEvent, WebItem
from mock_apis.world.world import World

PREFIX = "ga4/"
SHARDS = 2
EXPORTED_AT = time(0, 30)
CORRECTED_AFTER = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    modified: datetime
    content: bytes

    @property
    def etag(self) -> str:
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()


def objects(world: World) -> list[StoredObject]:
    """Every object of the bucket as it is at the world's `now`, by key."""
    found: list[StoredObject] = []
    for day, (events, corrected) in exported(world).items():
        modified = _at(world, day + timedelta(days=1) + (CORRECTED_AFTER if corrected else timedelta(0)))
        folder = f"{PREFIX}events_{day:%Y%m%d}"
        found += _shards(world, folder, day, events, modified, corrected)
        if corrected or _draw(day) % 5:
            found.append(StoredObject(f"{folder}/_SUCCESS", modified + timedelta(seconds=SHARDS), b""))
    for day, events in _days(world).items():
        if day >= world.today:
            found += _shards(world, f"{PREFIX}events_intraday_{day:%Y%m%d}", day, events, world.now)
    return sorted(found, key=lambda it: it.key)


def exported(world: World) -> dict[date, tuple[list[WebEvent], bool]]:
    """What the newest export of each finished day tells at the world's `now`, and whether it is a corrected one."""
    found: dict[date, tuple[list[WebEvent], bool]] = {}
    for day, events in _days(world).items():
        if day < world.today:
            again = _at(world, day + timedelta(days=1) + CORRECTED_AFTER)
            corrected = _draw(day) % 3 == 0 and again <= world.now
            kept = [it for it in events if not (it.spam if corrected else it.late)] if _draw(day) % 3 == 0 else events
            found[day] = kept, corrected
    return found


def _days(world: World) -> dict[date, list[WebEvent]]:
    days: dict[date, list[WebEvent]] = defaultdict(list)
    for event in world.web_events:
        days[datetime.fromtimestamp(event.micros // 1_000_000, world.zone).date()].append(event)
    return days


def _draw(day: date) -> int:
    return crc32(f"{day:%Y%m%d}".encode())


def _at(world: World, day: date) -> datetime:
    return datetime.combine(day, EXPORTED_AT, world.zone).astimezone(UTC)


def _shards(
    world: World, folder: str, day: date, events: list[WebEvent], modified: datetime, corrected: bool = False
) -> Iterator[StoredObject]:
    for number in range(SHARDS):
        mine = (it for it in events if crc32(it.user.encode()) % SHARDS == number)
        lines = b"".join(msgspec.json.encode(_row(world, day, it, corrected)) + b"\n" for it in mine)
        content = gzip.compress(lines, compresslevel=6, mtime=0)
        yield StoredObject(f"{folder}/part-{number:04d}.json.gz", modified + timedelta(seconds=number), content)


def _row(world: World, day: date, it: WebEvent, corrected: bool) -> dict[str, Any]:
    """64-bit integers as text, and what is null left out, as BigQuery exports JSON."""
    source, medium, campaign = it.source
    campaign = "always on" if corrected and campaign == "(not set)" else campaign
    row: dict[str, Any] = {
        "event_date": f"{day:%Y%m%d}",
        "event_timestamp": str(it.micros),
        "event_name": it.name,
        "event_params": [
            {"key": "ga_session_id", "value": {"int_value": str(it.session)}},
            {"key": "page_location", "value": {"string_value": f"https://shop.example.com/{it.name}"}},
            {"key": "engaged_session_event", "value": {"int_value": "1"}},
        ],
        "user_pseudo_id": it.user,
        "batch_page_id": str(it.page),
        "batch_ordering_id": "1",
        "batch_event_index": str(it.index),
        "device": {
            "category": it.device[0],
            "mobile_brand_name": it.device[1],
            "operating_system": it.device[2],
            "language": "de-de",
        },
        "geo": {"country": it.country} if it.country else {},
        "traffic_source": {"name": campaign, "medium": medium, "source": source},
        "collected_traffic_source": {
            "manual_campaign_name": campaign,
            "manual_source": source,
            "manual_medium": medium,
        },
        "stream_id": "4242424242",
        "platform": "WEB",
        "is_active_user": True,
        "items": [_item(item) for item in it.items],
    }
    if it.order_id:
        revenue = sum(item.price * item.quantity for item in it.items)
        row["ecommerce"] = {
            "transaction_id": str(it.order_id),
            "purchase_revenue": revenue / 100,
            "total_item_quantity": str(sum(item.quantity for item in it.items)),
        }
        row["event_params"].append({"key": "currency", "value": {"string_value": world.currency}})
    return row


def _item(item: WebItem) -> dict[str, Any]:
    return {
        "item_id": item.product_id,
        "item_name": item.title,
        "item_variant": item.sku,
        "price": item.price / 100,
        "quantity": str(item.quantity),
    }
