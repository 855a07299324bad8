"""Deliver under the real scheduler: green publishes; a failing test or model is a red run and publishes nothing."""

from __future__ import annotations

import shutil
import time
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

    def told(self, run_id: str) -> Any:
        """The one message about a run, which Airflow sends soon after its end."""
        deadline = time.monotonic() + 60
        while not (alerts := [alert for alert in self.receiver.sent_to("/alert") if alert["run"] == run_id]):
            assert time.monotonic() < deadline, f"nothing was told of {run_id}"
            time.sleep(0.1)
        (alert,) = alerts
        return alert

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
        extra["HEADWATER_REPORTS"] = str(folder / "reports")
        stack = Stack(folder / "stack", size="tiny", durable=False, extra_env=extra)
        with stack:
            began = datetime.now(UTC)
            runs = {f"ingest_{name}": stack.trigger(f"ingest_{name}") for name in load_pipeline().enabled_sources}
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
    alert = delivering.told(run_id)
    assert alert["dag"] == "deliver" and list(alert["tasks"]) == ["dbt"] and "always_fails" in alert["tasks"]["dbt"]
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


def test_documentation_that_cannot_be_made_leaves_the_report_and_the_day_as_they_are(delivering: Delivering) -> None:
    stack, reports = delivering.stack, delivering.project.parent / "reports"
    assert stack.wait("report", stack.trigger("report")) == "success"
    documentation = (reports / "docs" / "index.html").read_text()
    assert "model.headwater.daily_sales_by_region" in documentation
    before = delivering.published(), delivering.newest()
    (reports / "index.html").unlink()
    bad = delivering.project / "models" / "bad.yml"
    bad.write_text("models: [{name: 1}]")
    try:
        run_id = stack.trigger("report")
        assert stack.wait("report", run_id) == "failed"
    finally:
        bad.unlink()
    assert stack.task_states("report", run_id) == {"dbt_docs": "failed", "page": "success"}
    assert 'href="docs/index.html"' in (reports / "index.html").read_text()
    assert (reports / "docs" / "index.html").read_text() == documentation
    assert (delivering.published(), delivering.newest()) == before


def test_the_deadline_is_red_only_while_yesterday_is_not_published(delivering: Delivering) -> None:
    stack = delivering.stack
    assert stack.wait("deadline", stack.trigger("deadline")) == "success"
    with psycopg.connect(stack.warehouse_url, autocommit=True) as database:
        database.execute("update ops.deliveries set day = day - 1 where status = 'published'")
        try:
            run_id = stack.trigger("deadline")
            assert stack.wait("deadline", run_id) == "failed"
        finally:
            database.execute("update ops.deliveries set day = day + 1 where status = 'published'")
    assert "are not published at the deadline" in delivering.told(run_id)["text"]


def test_retention_leaves_what_is_young(delivering: Delivering) -> None:
    counts = "select (select count(*) from ops.loads), (select count(*) from ops.deliveries)"
    before = delivering.fetch(counts)
    assert delivering.stack.wait("prune", delivering.stack.trigger("prune")) == "success"
    assert delivering.fetch(counts) == before


def reconcile(stack: Stack) -> tuple[str, str, list[str]]:
    """The run's id, its state, and the tasks that did not succeed."""
    run_id = stack.trigger("reconcile")
    state = stack.wait("reconcile", run_id)
    return run_id, state, [name for name, each in stack.task_states("reconcile", run_id).items() if each != "success"]


def test_the_reconciliation_fetches_what_raw_lost_and_is_red_while_something_stays_wrong(
    delivering: Delivering,
) -> None:
    stack = delivering.stack
    with psycopg.connect(stack.warehouse_url, autocommit=True) as database:
        [(key,)] = database.execute(
            "delete from raw.shopify_orders where record_key = (select max(record_key) from raw.shopify_orders)"
            " returning record_key"
        ).fetchall()
        _, state, red = reconcile(stack)
        assert (state, red) == ("success", [])
        there = "select count(*) from raw.shopify_orders where record_key = %s"
        assert database.execute(there, (key,)).fetchone() == (1,)
        found = delivering.fetch("select source, stream, missing, repaired, not_reconcilable from ops.reconciliations")
        assert ("shopify", "orders", 1, 1, None) in found
        assert {(source, why) for source, _, _, _, why in found} == {
            (source, None) for source in load_pipeline().enabled_sources
        }

        # A row from a future that nothing which is fetched can win over.
        database.execute("select raw.make_months('stripe_charges', array['2099-01-01'::timestamptz])")
        columns = "_load_id, _load_timestamp, _extracted_at"
        database.execute(
            f"insert into raw.stripe_charges (record_key, record_version, content_hash, source_data, {columns})"
            " select record_key, '2099-01-01', 'spoilt', replace(source_data::text, 'succeeded', 'failed')::json,"
            f" {columns} from raw.stripe_charges where source_data ->> 'status' = 'succeeded' limit 1"
        )
        try:
            run_id, state, red = reconcile(stack)
        finally:
            database.execute("delete from raw.stripe_charges where record_version = '2099-01-01'")
    assert (state, red) == ("failed", ["stripe"])
    assert "charges: 1 records stay missing or different" in delivering.told(run_id)["tasks"]["stripe"]


def test_every_failed_run_was_told_once(delivering: Delivering) -> None:
    runs = [alert["run"] for alert in delivering.receiver.sent_to("/alert")]
    assert len(runs) == len(set(runs)) == 5
