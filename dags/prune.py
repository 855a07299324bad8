"""The Airflow DAG that enforces `retention` of pipeline.yml every day."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from dags.policy import by_the_clock, dag_policy
from settings import load_pipeline

pipeline = load_pipeline()


@dag(
    dag_id="prune",
    description="Delete from ops what is older than pipeline.yml keeps it.",
    schedule=by_the_clock(pipeline, "30 5 * * *"),
    tags=["prune", "optional"],
    **dag_policy(pipeline, tasks_at_most=timedelta(hours=1), run_at_most=timedelta(hours=3), retries=2),
)
def prune() -> None:
    @task
    def delete_old() -> dict[str, dict[str, int]]:
        """Rows deleted by table, and how many old quarantined records wait for a decision."""
        from warehouse.prune import prune as run

        done = run()
        return {"deleted": done.deleted, "old_open": done.old_open}

    delete_old()


prune()
