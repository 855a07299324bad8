"""The Airflow DAG that writes the report and dbt's documentation beside it, after each delivery.

A DAG of its own: the day is published before it begins, and whatever goes wrong here leaves the delivery green.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import Asset, dag, task

from dags.policy import by_itself, dag_policy
from settings import load_pipeline

REPORTS = Path(os.environ.get("HEADWATER_REPORTS") or Path(__file__).resolve().parent.parent / "reports")

pipeline = load_pipeline()


@dag(
    dag_id="report",
    description="Write the report of the published day, and dbt's documentation beside it.",
    schedule=[Asset("delivered")] if by_itself() else None,
    tags=["report", "optional"],
    **dag_policy(pipeline, tasks_at_most=timedelta(minutes=15), run_at_most=timedelta(hours=1), retries=1),
)
def report() -> None:
    @task
    def dbt_docs() -> str:
        from monitoring.dbt_docs import write_dbt_docs

        return str(write_dbt_docs(REPORTS / "docs" / "index.html"))

    @task
    def page() -> str:
        from monitoring.report import write_report

        return str(write_report(REPORTS / "index.html"))

    # Each for itself: a report without documentation is better than none.
    dbt_docs()
    page()


report()
