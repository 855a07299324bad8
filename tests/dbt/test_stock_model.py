"""The staging model of the stock: the last message of a variant stands, and a tombstone's row is deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import raw_rows as raw

LEVELS = "select variant_id, sku, available, is_deleted from staging.stg_stock__levels order by 1"


def test_the_last_message_of_a_variant_stands(warehouse_url: str, run_dbt: Callable[..., Any]) -> None:
    at = "2026-06-02T10:00:00.00{}Z".format
    with psycopg.connect(warehouse_url, autocommit=True) as connection:

        def say(key: str, version: str, available: float | None) -> None:
            document = {"variant_id": int(key), "sku": "MUG", "available": available, "changed_at": at(0)}
            message = "null" if available is None else document
            raw.insert(connection, "stock_levels", version, message, key=key, deleted=available is None)

        for key, number, available in (("1", 1, 5), ("1", 0, 9), ("2", 0, 7.0), ("2", 1, None), ("3", 1, 1)):
            say(key, at(number), available)
        run_dbt("build", "--select", "stg_stock__levels")
        assert connection.execute(LEVELS).fetchall() == [
            ("1", "MUG", 5, False),
            ("2", None, None, True),
            ("3", "MUG", 1, False),
        ]
        say("2", at(2), 8)
        say("3", at(2), None)
        run_dbt("build", "--select", "stg_stock__levels")
        assert connection.execute(LEVELS).fetchall() == [
            ("1", "MUG", 5, False),
            ("2", "MUG", 8, False),
            ("3", None, None, True),
        ]
