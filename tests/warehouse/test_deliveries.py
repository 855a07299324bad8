"""What a delivery holds, and when it is refused: stale sources, rule 10 (what ran is what was declared)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from settings import HeadwaterError, load_pipeline
from warehouse.deliveries import CriticalSourceStale, fail_delivery, open_delivery, pass_delivery, settings_changed

NOW = datetime.now(UTC)


def arrive(url: str, **watermarks: datetime | None) -> None:
    """Set the watermark of every stream; the sources that are not named are up to date."""
    with psycopg.connect(url, autocommit=True) as connection:
        for source, block in load_pipeline().sources.items():
            mark = watermarks.get(source, NOW)
            for stream in block.streams:
                connection.execute(
                    "insert into ops.checkpoints (source, stream, watermark) values (%s, %s, %s)",
                    (source, stream, mark),
                )


def status(url: str) -> tuple[object, ...] | None:
    with psycopg.connect(url) as connection:
        return connection.execute("select status, failed_stage, error from ops.deliveries").fetchone()


def test_as_of_is_what_every_critical_source_has_reached(clean_warehouse: str) -> None:
    arrive(clean_warehouse, shopify=NOW, stripe=NOW - timedelta(hours=2), email=NOW - timedelta(hours=5))
    delivery = open_delivery()
    assert delivery.as_of == NOW - timedelta(hours=2)
    local = delivery.as_of.astimezone(load_pipeline().shop.zone)
    assert delivery.day == local.date() - timedelta(days=1)
    assert delivery.stale_sources == []


def test_a_delivery_keeps_how_complete_each_stream_was_and_by_which_run(clean_warehouse: str) -> None:
    arrive(clean_warehouse, email=None)
    with psycopg.connect(clean_warehouse, autocommit=True) as connection:
        for number, (kind, status) in enumerate(
            (("sync", "succeeded"), ("sync", "succeeded"), ("sync", "failed"), ("replay", "succeeded"))
        ):
            connection.execute(
                "insert into ops.runs (run_id, source, stream, kind, status, started_at)"
                " values (%s, 'shopify', 'orders', %s, %s, now() + %s * interval '1 s')",
                (uuid.UUID(int=number), kind, status, number),
            )
        delivery = open_delivery()
        found = {
            (source, stream): rest
            for source, stream, *rest in connection.execute(
                "select source, stream, complete_to, run_id from ops.delivery_sources where delivery_id = %s",
                (delivery.delivery_id,),
            )
        }
    assert found["shopify", "orders"] == [NOW, uuid.UUID(int=1)]
    assert found["shopify", "customers"] == [NOW, None]
    assert found["email", "events"] == [None, None]


def test_a_stale_source_that_is_not_critical_is_named_and_the_delivery_goes_on(clean_warehouse: str) -> None:
    arrive(clean_warehouse, shopify=NOW, stripe=NOW, email=None)
    assert open_delivery().stale_sources == ["email"]


def test_a_stale_critical_source_stops_the_delivery_loudly(clean_warehouse: str) -> None:
    arrive(clean_warehouse, shopify=NOW - timedelta(hours=30), stripe=NOW, email=NOW)
    with pytest.raises(CriticalSourceStale, match="critical source shopify is older"):
        open_delivery()
    found = status(clean_warehouse)
    assert found and found[:2] == ("failed", "sources")


def test_a_critical_source_that_never_arrived_is_named(clean_warehouse: str) -> None:
    arrive(clean_warehouse, stripe=None)
    with pytest.raises(HeadwaterError, match=r"stripe\.charges.*never arrived"):
        open_delivery()


def test_rule_10_a_delivery_passes_only_when_all_declared_checks_ran(clean_warehouse: str) -> None:
    arrive(clean_warehouse, shopify=NOW, stripe=NOW)
    delivery = open_delivery()
    with pytest.raises(HeadwaterError, match="44 checks are declared but 43 ran"):
        pass_delivery(delivery.delivery_id, declared=44, executed=43)
    found = status(clean_warehouse)
    assert found and found[:2] == ("failed", "checks")
    with pytest.raises(HeadwaterError, match="is not open"):
        pass_delivery(delivery.delivery_id, declared=44, executed=44)


def test_the_first_reason_of_a_failure_is_kept(clean_warehouse: str) -> None:
    arrive(clean_warehouse, shopify=NOW, stripe=NOW)
    delivery = open_delivery()
    fail_delivery(delivery.delivery_id, "dbt", "the model broke")
    fail_delivery(delivery.delivery_id, "checks", "because of that")
    assert status(clean_warehouse) == ("failed", "dbt", "the model broke")


def test_settings_that_the_models_depend_on_are_held_against_the_last_published_delivery(clean_warehouse: str) -> None:
    arrive(clean_warehouse, shopify=NOW, stripe=NOW)

    def deliver(settings: dict[str, int], published: bool) -> bool:
        delivery = open_delivery()
        changed = settings_changed(delivery.delivery_id, settings)
        if published:
            with psycopg.connect(clean_warehouse, autocommit=True) as connection:
                connection.execute(
                    "update ops.deliveries set status = 'published', published_at = clock_timestamp()"
                    " where delivery_id = %s",
                    (delivery.delivery_id,),
                )
        return changed

    assert not deliver({"window": 5}, published=True)
    assert not deliver({"window": 5}, published=True)
    assert deliver({"window": 7}, published=False), "changed"
    assert deliver({"window": 7}, published=True), "the run with the change failed: what it built may be half"
    assert not deliver({"window": 7}, published=True)
