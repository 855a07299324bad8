"""The Airflow DAG that looks at delivery.deadline whether readers have yesterday's numbers, and is red when not.

A clock of its own: an Airflow Deadline Alert belongs to a run, so it is silent on the day on which no run began.
Prometheus' DeliveryLate says the same where it runs.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from dags.policy import by_the_clock, dag_policy
from settings import load_pipeline

pipeline = load_pipeline()


@dag(
    dag_id="deadline",
    description="Fail, and so tell, when yesterday is not published at the deadline.",
    schedule=by_the_clock(pipeline, f"{pipeline.delivery.deadline:%M %H} * * *"),
    tags=["deliver", "critical"],
    **dag_policy(pipeline, tasks_at_most=timedelta(minutes=10), run_at_most=timedelta(minutes=30), retries=1),
)
def deadline() -> None:
    @task
    def yesterday_is_published() -> None:
        from airflow.sdk.exceptions import AirflowFailException

        from warehouse.deliveries import is_delivered

        if not is_delivered():
            raise AirflowFailException(
                "Yesterday's numbers are not published at the deadline: see docs/runbooks/delivery-late.md."
            )

    yesterday_is_published()


deadline()
