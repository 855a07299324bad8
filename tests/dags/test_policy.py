"""What must hold for every DAG, read as Airflow's own processor reads them: in a fresh process, by DagBag."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from settings import load_pipeline

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags"
READ = """
import json, sys, time
import airflow.sdk
started = time.perf_counter()
from airflow.dag_processing.dagbag import DagBag
importing = time.perf_counter()
bag = DagBag(dag_folder=sys.argv[1])
read = time.perf_counter()
print(json.dumps({
    "errors": bag.import_errors,
    "modules": sorted(sys.modules),
    "files": len([stat for stat in bag.dagbag_stats]),
    "seconds": read - importing,
    "dags": {
        dag_id: {
            "schedule": getattr(dag.timetable, "expression", None),
            "timetable": type(dag.timetable).__name__,
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "told": dag.on_failure_callback.__name__,
            "dagrun_timeout": dag.dagrun_timeout.total_seconds() if dag.dagrun_timeout else None,
            "tasks": {
                task.task_id: {
                    "owner": task.owner,
                    "retries": task.retries,
                    "backoff": task.retry_exponential_backoff,
                    "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
                    "told": [callback.__name__ for callback in task.on_failure_callback],
                    "outlets": [asset.name for asset in task.outlets],
                    "upstream": sorted(task.upstream_task_ids),
                    "teardown": task.is_teardown,
                }
                for task in dag.tasks
            },
        }
        for dag_id, dag in bag.dags.items()
    },
}))
"""
# What makes a DAG file slow to read, or reaches out while it is read.
SLOW = {"dbt", "great_expectations", "pandas", "matplotlib", "paramiko"}
ROOMS = {"ingestion", "quality", "monitoring", "warehouse"}


def read_dags(folder: Path, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def bag() -> dict[str, Any]:
    return read_dags(DAGS)


def test_every_dag_is_read_without_an_error(bag: dict[str, Any]) -> None:
    assert bag["errors"] == {}
    ingesting = {f"ingest_{source}" for source in load_pipeline().enabled_sources}
    assert set(bag["dags"]) == {"backfill", "deadline", "deliver", "prune", "reconcile", "report"} | ingesting


def test_every_task_has_an_owner_retries_a_time_limit_and_an_alert(bag: dict[str, Any]) -> None:
    owner = load_pipeline().delivery.owner
    for dag_id, dag in bag["dags"].items():
        assert dag["catchup"] is False, dag_id
        assert dag["max_active_runs"] == 1, dag_id
        assert dag["dagrun_timeout"], dag_id
        assert dag["told"] == "announce_failure", dag_id
        for task_id, task in dag["tasks"].items():
            where = f"{dag_id}.{task_id}"
            assert task["owner"] == owner, where
            assert task["retries"] >= 1 and task["backoff"] > 1, where
            assert task["timeout"] and task["timeout"] <= dag["dagrun_timeout"], where
            assert "leave_error" in task["told"], where


def test_nothing_slow_is_imported_while_a_dag_file_is_read(bag: dict[str, Any]) -> None:
    assert not (SLOW | ROOMS) & {module.split(".")[0] for module in bag["modules"]}


def test_a_source_is_a_dag_a_stream_is_a_task_and_its_arrival_an_asset(bag: dict[str, Any]) -> None:
    for name, source in load_pipeline().enabled_sources.items():
        tasks = bag["dags"][f"ingest_{name}"]["tasks"]
        assert set(tasks) == {*source.streams, "arrived"}
        assert tasks["arrived"]["outlets"] == [name]
        assert tasks["arrived"]["upstream"] == sorted(source.streams)


def test_nothing_is_published_before_dbt_and_the_checks(bag: dict[str, Any]) -> None:
    tasks = bag["dags"]["deliver"]["tasks"]
    assert tasks["dbt"]["upstream"] == ["open_delivery"]
    assert "dbt" in tasks["check"]["upstream"]
    assert "check" in tasks["publish"]["upstream"]
    # A leaf that always succeeds would turn a red run green; a teardown does not count.
    assert tasks["scorecard"]["teardown"]


def test_delivery_waits_for_the_critical_sources_and_for_the_clock(bag: dict[str, Any]) -> None:
    assert bag["dags"]["deliver"]["timetable"] == "AssetOrTimeSchedule"
    without_clock = read_dags(DAGS, HEADWATER_SCHEDULES="off")["dags"]
    assert without_clock["deliver"]["timetable"] == "AssetTriggeredTimetable"
    assert without_clock["ingest_shopify"]["timetable"] == without_clock["report"]["timetable"] == "NullTimetable"


def test_the_report_and_the_documentation_begin_when_the_day_is_published_and_hold_up_nothing(
    bag: dict[str, Any],
) -> None:
    assert bag["dags"]["deliver"]["tasks"]["publish"]["outlets"] == ["delivered"]
    assert set(bag["dags"]["deliver"]["tasks"]) == {"open_delivery", "dbt", "check", "publish", "scorecard"}
    assert bag["dags"]["report"]["timetable"] == "AssetTriggeredTimetable"
    assert all(not task["upstream"] for task in bag["dags"]["report"]["tasks"].values())


def test_every_source_is_held_against_raw_once_a_week(bag: dict[str, Any]) -> None:
    found = bag["dags"]["reconcile"]
    assert (found["schedule"], found["timetable"]) == ("40 4 * * 0", "CronTriggerTimetable")
    assert set(found["tasks"]) == set(load_pipeline().enabled_sources)


def test_a_mistake_in_pipeline_yml_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "pipeline.yml"
    broken.write_text((ROOT / "pipeline.yml").read_text().replace("critical: true", "critcal: true"))
    errors = read_dags(DAGS, HEADWATER_PIPELINE=str(broken))["errors"]
    assert errors and all("sources.shopify.critcal" in error for error in errors.values())
