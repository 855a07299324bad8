"""From the APIs to the marts under the real scheduler: days equal the truth to the cent, red days stay unseen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Platform


def differences(platform: Platform) -> list[str]:
    """Every row in which a mart is not what the pretend shop's own books say."""
    found = []
    for name, expected in platform.truth().items():
        assert expected, f"the truth of {name} is empty"
        columns = list(expected[0])
        seen = sorted(map(_text, platform.mart(name, columns)))
        said = sorted(map(_text, expected))
        found += [f"{name}: only in the mart: {row}" for row in seen if row not in set(said)]
        found += [f"{name}: only in the truth: {row}" for row in said if row not in set(seen)]
        found += [f"{name}: {len(seen)} rows for {len(said)}"] if len(seen) != len(said) else []
    return found


def _text(row: dict[str, Any]) -> str:
    return repr(sorted(row.items()))


def published(platform: Platform) -> list[tuple[Any, ...]]:
    return platform.query("select delivery_id, day from marts.delivery")


def test_the_first_day_is_delivered_by_the_arrival_of_its_sources(platform: Platform) -> None:
    assert set(platform.ingest().values()) == {"success"}
    runs = platform.stack.api.runs("deliver")
    assert runs, "the critical sources' arrival started no delivery"
    assert platform.stack.wait("deliver", runs[0]["dag_run_id"]) == "success"
    assert differences(platform) == []


def test_what_ran_is_what_was_declared(platform: Platform) -> None:
    [(declared, executed, dbt, delivery)] = platform.query(
        "select checks_declared, checks_executed, count(*) filter (where layer = 'dbt'),"
        " count(*) filter (where layer = 'delivery') from ops.deliveries join ops.check_results using (delivery_id)"
        " where deliveries.status = 'published' group by delivery_id"
    )
    assert declared == executed == dbt + delivery
    assert dbt > 50
    assert delivery > 10


def test_the_next_day_loads_only_the_change_and_is_right_again(platform: Platform) -> None:
    before = {row[0]: row[1] for row in platform.query("select source, sum(kept) from ops.loads group by 1")}
    first_day = published(platform)
    platform.stack.advance()
    assert set(platform.ingest().values()) == {"success"}
    runs = platform.stack.api.runs("deliver")
    assert platform.stack.wait("deliver", runs[0]["dag_run_id"]) == "success"
    assert differences(platform) == []
    assert published(platform) != first_day
    after = {row[0]: row[1] for row in platform.query("select source, sum(kept) from ops.loads group by 1")}
    for source, kept in before.items():
        assert 0 < after[source] - kept < kept / 2, source


@pytest.mark.parametrize(
    ("file", "text", "task"),
    [
        ("models/marts/broken.sql", "select 1 / 0 as a", "dbt"),
        ("tests/broken.sql", "select * from {{ ref('fct_orders') }} limit 1", "dbt"),
    ],
    ids=["a failing model", "a failing test"],
)
def test_rule_6_a_red_dbt_stage_turns_the_run_red_and_publishes_nothing(
    platform: Platform, file: str, text: str, task: str
) -> None:
    seen = published(platform)
    path = platform.dbt_project / file
    path.write_text(text)
    try:
        run, state = platform.deliver()
    finally:
        path.unlink()
    assert state == "failed"
    tasks = platform.stack.task_states("deliver", run)
    assert tasks[task] == "failed"
    assert tasks["publish"] == "upstream_failed"
    assert published(platform) == seen
    assert platform.query("select status, failed_stage from ops.deliveries order by opened_at desc limit 1") == [
        ("failed", "dbt")
    ]


def test_an_optional_source_that_is_down_does_not_stop_the_others(platform: Platform) -> None:
    platform.stack.advance()
    faults = [{"target": "sftp", "kind": "reset", "times": 10_000}]
    platform.stack.shop.admin("POST", "faults", json=faults).raise_for_status()
    try:
        done = platform.door("ingestion", "sync", "email")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        for source in ("shopify", "stripe"):
            assert platform.door("ingestion", "sync", source).returncode == 0
        assert platform.deliver()[1] == "success"
    finally:
        platform.stack.shop.admin("DELETE", "faults").raise_for_status()
    assert platform.query("select status from ops.runs where source = 'email' order by started_at desc limit 1") == [
        ("failed",)
    ]
    assert platform.door("ingestion", "sync", "email").returncode == 0
    assert platform.deliver()[1] == "success"
    assert differences(platform) == []
