"""One Airflow DAG for each source of pipeline.yml: a task a stream, then the source's asset."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, dag, task

from dags.policy import by_the_clock, dag_policy
from settings import Pipeline, SourceSettings, load_pipeline


def ingest_dag(name: str, source: SourceSettings, pipeline: Pipeline) -> DAG:
    @dag(
        dag_id=f"ingest_{name}",
        description=f"Load what changed in {name} since the last run.",
        schedule=by_the_clock(pipeline, source.schedule),
        # In the past, so that a new installation loads at once and not at its first scheduled time. Which records
        # a run loads is decided by the checkpoints, never by Airflow's dates.
        start_date=datetime(2024, 1, 1, tzinfo=pipeline.shop.zone),
        tags=["ingest", "critical" if source.critical else "optional"],
        **dag_policy(pipeline, tasks_at_most=timedelta(hours=2), run_at_most=timedelta(hours=5), retries=3),
    )
    def ingest() -> None:
        @task
        def sync(stream: str) -> dict[str, int]:
            from airflow.sdk.exceptions import AirflowFailException

            from ingestion.sync import sync_stream
            from settings import SettingsError

            try:
                result = sync_stream(name, stream)
            except SettingsError as error:  # the next try would find the same setting
                raise AirflowFailException(str(error)) from error
            counts = result.counts
            return {"received": counts.received, "kept": counts.kept, "rejected": counts.rejected}

        arrived = EmptyOperator(task_id="arrived", outlets=[Asset(name)])
        [sync.override(task_id=stream)(stream) for stream in source.streams] >> arrived

    return ingest()


pipeline = load_pipeline()
for name, source in pipeline.enabled_sources.items():
    ingest_dag(name, source, pipeline)
