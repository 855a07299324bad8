"""The staging model of web analytics: what it reads out of the nested export, and what it makes of what is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
import raw_rows as raw

AT = "2026-06-02T10:00:00Z"
NIGHT = 1_780_352_999_123_456  # 2026-06-01T22:29:59.123456Z: the shop's next day has begun


def param(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


@pytest.fixture(scope="module")
def rows(warehouse_url: str, run_dbt: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    whole = {
        "event_date": "20260602",
        "event_timestamp": str(NIGHT),
        "event_name": "purchase",
        "user_pseudo_id": "1.2",
        "event_params": [
            param("page_location", string_value="https://shop.example.com/"),
            param("ga_session_id", int_value="77"),
            param("currency", string_value="jpy"),
        ],
        "device": {"category": "mobile", "operating_system": "iOS"},
        "geo": {"country": "Germany"},
        "traffic_source": {"source": "google", "medium": "organic", "name": "(organic)"},
        "collected_traffic_source": {"manual_source": "newsletter", "manual_medium": "email"},
        "ecommerce": {"transaction_id": "5400", "purchase_revenue": 1200.0},
        "items": [{"item_id": "1"}, {"item_id": "2"}],
    }
    bare = {"event_date": "20260602", "event_timestamp": NIGHT, "event_name": "page_view", "items": None}
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        for key, document in (("whole", whole), ("bare", bare)):
            raw.insert(connection, "google_analytics_events", AT, document, key=key)
        run_dbt("build", "--select", "stg_google_analytics__events")
        columns = (
            "event_at, event_day, session_id, session_key, page_url, traffic_source, traffic_medium, traffic_campaign,"
            " device_category, country, transaction_id, currency, revenue_minor, items_count"
        )
        query = f"select event_key, {columns} from staging.stg_google_analytics__events"
        return {key: row for key, *row in connection.execute(query.encode()).fetchall()}


def test_nested_values_are_read_and_typed(rows: dict[str, tuple[Any, ...]]) -> None:
    assert rows["whole"] == [
        datetime(2026, 6, 1, 22, 29, 59, 123456, UTC),
        date(2026, 6, 2),
        *("77", "1.2.77", "https://shop.example.com/", "newsletter", "email", "(organic)", "mobile", "Germany"),
        *("5400", "JPY", 1200, 2),
    ]


def test_what_an_event_lacks_is_null(rows: dict[str, tuple[Any, ...]]) -> None:
    assert rows["bare"][2:] == [None] * 11 + [0]
