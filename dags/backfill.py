"""The Airflow DAG that reads a range of a stream again: a task a window, spread over Airflow's workers.

It is started by hand with what is to be read. Each window keeps its own bookmark in the warehouse, so a task that is
tried again, or a whole run with the same words, goes on where it was.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from dags.policy import dag_policy
from settings import load_pipeline

# Windows at a time, over all machines: what the source's rate limit and the warehouse can bear.
WORKERS = int(os.environ.get("HEADWATER_BACKFILL_WORKERS", "4"))
MOST_WINDOWS = 1_000  # Airflow maps no more than 1,024 tasks unless core.max_map_length is raised

pipeline = load_pipeline()
DAY = "A day of the shop, or a time such as 2026-03-01T06:00Z."


@dag(
    dag_id="backfill",
    description="Load what a source has of a stream from a range of time; the daily syncs are left alone.",
    schedule=None,
    params={
        "source": Param(next(iter(pipeline.sources)), type="string", enum=list(pipeline.sources)),
        "stream": Param("", type="string", description="One of the source's streams."),
        "from": Param("", type="string", description=DAY),
        "to": Param("", type="string", description=f"{DAY} A day is included whole."),
        "windows": Param(8, type="integer", minimum=1, maximum=MOST_WINDOWS, description="Of the same length."),
        "again": Param(False, type="boolean", description="Read windows anew that are done already."),
    },
    tags=["backfill", "optional"],
    **dag_policy(pipeline, tasks_at_most=timedelta(hours=12), run_at_most=timedelta(days=7), retries=3),
)
def backfill() -> None:
    @task
    def plan(params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The windows that are still to be read."""
        from airflow.sdk.exceptions import AirflowFailException

        from ingestion.backfill import plan_backfill, unfinished
        from ingestion.backfill_range import cut, moment
        from ingestion.catalog import check_names
        from settings import HeadwaterError

        asked, zone = params or {}, pipeline.shop.zone
        source, stream, windows = asked["source"], asked["stream"], asked["windows"]
        try:
            check_names(pipeline, source, [stream])
            start, end = moment(asked["from"], zone), moment(asked["to"], zone, end=True)
            cut(start, end, windows)
        except HeadwaterError as error:  # the next try would be asked the same
            raise AirflowFailException(str(error)) from error
        backfill_id = plan_backfill(source, stream, start, end, windows, again=asked["again"])
        about = {"source": source, "stream": stream, "backfill_id": str(backfill_id)}
        return [{**about, "number": window.number} for window in unfinished(backfill_id)]

    @task(max_active_tis_per_dagrun=WORKERS, map_index_template="{{ task.op_kwargs['window']['number'] }}")
    def load(window: dict[str, Any]) -> dict[str, int]:
        """What was received of one window."""
        from uuid import UUID

        from airflow.sdk.exceptions import AirflowFailException

        from ingestion.backfill import run_window
        from settings import SettingsError

        number, backfill_id = window["number"], UUID(window["backfill_id"])
        try:
            counts = run_window(window["source"], window["stream"], backfill_id, number).counts
        except SettingsError as error:  # the next try would find the same setting
            raise AirflowFailException(str(error)) from error
        return {"received": counts.received, "kept": counts.kept, "rejected": counts.rejected}

    load.expand(window=plan())


backfill()
