"""The Airflow DAG that delivers the day: dbt, checks, publish, scorecard.

It runs as soon as every critical source has arrived, and at the latest at delivery.latest_start of pipeline.yml.
dbt is one task. Cosmos can show a task a model (its WATCHER mode), but on two cores those 56 tasks took 44 to 53 s
where this one takes 12 s and plain `dbt build` 11 s, and they show nothing that ops.check_results, the report and
the dashboard do not show for every model and test.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import Asset, AssetAll, AssetOrTimeSchedule, dag, task, teardown
from cosmos.config import ProfileConfig
from cosmos.constants import InvocationMode
from cosmos.operators.local import DbtBuildLocalOperator

from dags.delivery_steps import PROJECT, hand_over_day, open_day, record_dbt_results, record_failure, verdict
from dags.policy import by_the_clock, dag_policy
from settings import load_pipeline

PARSED = Path(AIRFLOW_HOME) / "dbt-parsed"  # what dbt has parsed is kept here from run to run

pipeline = load_pipeline()
arrived = AssetAll(*(Asset(name) for name in pipeline.critical_sources))
latest = by_the_clock(pipeline, f"{pipeline.delivery.latest_start:%M %H} * * *")


@dag(
    dag_id="deliver",
    description="Turn what has arrived into tested marts, and publish them when every check has passed.",
    schedule=AssetOrTimeSchedule(timetable=latest, assets=arrived) if latest else arrived,
    tags=["deliver", "critical"],
    **dag_policy(
        pipeline,
        tasks_at_most=timedelta(hours=1),
        run_at_most=timedelta(hours=3),
        retries=1,
        on_failure=[record_failure],
    ),
)
def deliver() -> None:
    @task
    def open_delivery(run_type: str) -> dict[str, str]:
        return open_day(only_if_due=run_type == "scheduled")

    @task
    def check(delivery: dict[str, str]) -> None:
        with verdict():
            from quality.checks import run_checks

            run_checks(delivery["delivery_id"])

    @task(outlets=[Asset("delivered")])
    def publish(delivery: dict[str, str]) -> dict[str, int]:
        from warehouse.publish import publish

        return publish(delivery["delivery_id"]).rows

    # A teardown runs whatever happened before it, and does not turn a red run green.
    @teardown
    def scorecard(delivery: dict[str, str] | None) -> None:
        from quality.scorecard import write_scorecard

        write_scorecard(delivery["delivery_id"] if delivery else None)

    dbt = DbtBuildLocalOperator(
        task_id="dbt",
        project_dir=str(PROJECT),
        profile_config=ProfileConfig(
            profile_name="headwater", target_name="warehouse", profiles_yml_filepath=PROJECT / "profiles.yml"
        ),
        invocation_mode=InvocationMode.SUBPROCESS,
        install_deps=False,
        full_refresh="{{ ti.xcom_pull(task_ids='open_delivery')['full_refresh'] }}",
        cache_dir=PARSED,
        emit_datasets=False,
        append_env=True,
        interceptors=[hand_over_day],
        callback=record_dbt_results,
    )
    delivery = open_delivery("{{ dag_run.run_type }}")
    delivery >> dbt >> check(delivery) >> publish(delivery) >> scorecard(delivery)


deliver()
