"""The Airflow DAG that holds every source against raw once a week, and fetches what is missing."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from dags.policy import by_the_clock, dag_policy
from settings import load_pipeline

# Beyond Stripe's 30 days of events, so that no gap grows older than what can be explained.
NEWEST_DAYS = 35

pipeline = load_pipeline()


@dag(
    dag_id="reconcile",
    description=f"Hold what the sources created in the last {NEWEST_DAYS} days against raw; fetch what is missing.",
    schedule=by_the_clock(pipeline, "40 4 * * 0"),
    tags=["reconcile", "optional"],
    **dag_policy(pipeline, tasks_at_most=timedelta(hours=3), run_at_most=timedelta(hours=8), retries=2),
)
def reconcile() -> None:
    @task(max_active_tis_per_dagrun=1)
    def hold_against_raw(source: str) -> dict[str, int]:
        """What was missing by stream. Fails when something stays wrong or could not be compared."""
        from ingestion.reconcile import reconcile as run
        from settings import HeadwaterError

        results = run(source, newest_days=NEWEST_DAYS)
        wrong = [f"{it.stream}: {it.left} records stay missing or different" for it in results if it.left]
        wrong += [f"{it.stream}: {it.error}" for it in results if it.error and not it.not_reconcilable]
        if wrong:
            raise HeadwaterError(f"{source}: {'; '.join(wrong)}. See ops.reconciliations.")
        return {it.stream: it.missing for it in results if not it.error}

    for source in pipeline.enabled_sources:
        hold_against_raw.override(task_id=source)(source)


reconcile()
