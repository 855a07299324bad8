"""What holds for every Airflow DAG here: owner, retries, time limits, clock, and who hears of a failure."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable

from dags.alerts import announce_failure, leave_error
from settings import Pipeline


def dag_policy(
    pipeline: Pipeline,
    *,
    tasks_at_most: timedelta,
    run_at_most: timedelta,
    retries: int,
    on_failure: Sequence[Callable[[Any], None]] = (),
) -> dict[str, Any]:
    """Arguments of a DAG; `on_failure` is called for each task that has failed for good.

    The delay before the first retry is Airflow's own setting (core.default_task_retry_delay, 5 minutes); it doubles
    with each, up to half an hour.
    """
    return {
        "catchup": False,
        "max_active_runs": 1,
        "dagrun_timeout": run_at_most,
        "on_failure_callback": announce_failure,
        "default_args": {
            "owner": pipeline.delivery.owner,
            "retries": retries,
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=30),
            "execution_timeout": tasks_at_most,
            "on_failure_callback": [*on_failure, leave_error],
        },
    }


def by_the_clock(pipeline: Pipeline, cron: str) -> CronTriggerTimetable | None:
    """A schedule in the shop's time zone, where DAGs run by themselves."""
    return CronTriggerTimetable(cron, timezone=pipeline.shop.timezone) if by_itself() else None


def by_itself() -> bool:
    """Whether DAGs run by the clock, and the report after a delivery.

    HEADWATER_SCHEDULES=off leaves that out: the demo's pretend shop has a clock of its own, which stands still
    until somebody moves it, so runs by the real clock would only get in the way; and the demo writes its own report.
    """
    return os.environ.get("HEADWATER_SCHEDULES", "on") != "off"
