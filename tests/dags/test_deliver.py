"""Deliver under the real scheduler: green publishes; a failing test or model is a red run and publishes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.stack import Stack
from settings import load_pipeline
from tests.dags.receiver import Receiver, receiving

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Delivering:
    """A running stack whose dbt project is a copy that a test may spoil."""

    stack: Stack
    project: Path
    receiver: Receiver
    began: datetime

    def fetch(self, query: str) -> list[Any]:
        with psycopg.connect(self.stack.warehouse_url) as connection:
            return connection.execute(query.encode()).fetchall()

    def deliver(self) -> tuple[str, dict[str, str | None], str]:
        """A run by hand: its state, its tasks' states, its run id."""
        run_id = self.stack.trigger("deliver")
        state = self.stack.wait("deliver", run_id)
        return state, self.stack.task_states("deliver", run_id), run_id

    def published(self) -> list[Any]:
        return self.fetch("select delivery_id, published_at from marts.delivery")

    def newest(self) -> Any:
        (row,) = self.fetch("select status, failed_stage, error from ops.deliveries order by opened_at desc limit 1")
        return row


@pytest.fixture(scope="module")
def delivering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivering]:
    folder = tmp_path_factory.mktemp("deliver")
    project = folder / "dbt"
    shutil.copytree(ROOT / "dbt", project, ignore=shutil.ignore_patterns("target", "logs"))
    with receiving() as receiver:
        extra = {"HEADWATER_DBT_PROJECT": str(project), "ALERT_WEBHOOK_URL": f"{receiver.url}/alert"}
        stack = Stack(folder / "stack", size="tiny", durable=False, extra_env=extra)
        with stack:
            began = datetime.now(UTC)
            runs = {f"ingest_{name}": stack.trigger(f"ingest_{name}") for name in load_pipeline().sources}
            assert {stack.wait(dag_id, run_id) for dag_id, run_id in runs.items()} == {"success"}
            yield Delivering(stack, project, receiver, began)


def test_the_arrival_of_the_critical_sources_delivers_the_day(delivering: Delivering) -> None:
    stack = delivering.stack
    run_id = stack.run_since("deliver", delivering.began, timeout=30)
    assert run_id and run_id.startswith("asset_triggered")
    assert stack.wait("deliver", run_id) == "success"
    assert delivering.newest()[0] == "published"
    assert delivering.fetch("select count(*) from marts.daily_sales_by_region")[0][0] > 0
    assert delivering.receiver.posted == []


def test_a_failing_test_turns_the_run_red_and_publishes_nothing(delivering: Delivering) -> None:
    before = delivering.published()
    bad = delivering.project / "tests" / "always_fails.sql"
    bad.write_text("select 1 as one")
    try:
        state, tasks, run_id = delivering.deliver()
    finally:
        bad.unlink()
    assert state == "failed"
    assert (tasks["dbt"], tasks["check"], tasks["publish"]) == ("failed", "upstream_failed", "upstream_failed")
    assert tasks["scorecard"] == "success"
    assert delivering.published() == before
    status, stage, error = delivering.newest()
    assert (status, stage) == ("failed", "dbt") and "always_fails" in error
    alert = delivering.receiver.sent_to("/alert")[-1]
    assert (alert["dag"], alert["task"], alert["run"]) == ("deliver", "dbt", run_id)
    failed = "select name from ops.check_results where status = 'failed'"
    assert delivering.fetch(failed) == [("always_fails",)]


def test_a_failing_model_turns_the_run_red_and_publishes_nothing(delivering: Delivering) -> None:
    before = delivering.published()
    model = delivering.project / "models" / "marts" / "daily_sales_by_region.sql"
    good = model.read_text()
    model.write_text("select 1 / 0 as nothing")
    try:
        state, tasks, _ = delivering.deliver()
    finally:
        model.write_text(good)
    assert state == "failed"
    assert (tasks["dbt"], tasks["publish"]) == ("failed", "upstream_failed")
    assert delivering.published() == before
    assert delivering.newest()[:2] == ("failed", "dbt")
