"""How the rooms' functions meet Airflow and Cosmos in the `deliver` DAG: ids, dbt's variables, verdicts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from settings import HeadwaterError, dbt_project

PROJECT = dbt_project()
BUILT_FROM = ("models/staging/**/*.sql", "models/intermediate/**/*.sql", "macros/**/*.sql", "seeds/*.csv")


@contextmanager
def verdict() -> Iterator[None]:
    """A red check is a verdict on the data, not an accident: the task fails at once, without another try."""
    try:
        yield
    except HeadwaterError as error:
        raise AirflowFailException(str(error)) from error


def open_day(only_if_due: bool) -> dict[str, str]:
    """Open the delivery. `only_if_due` (a run by the clock): skip when the sources' arrival had it delivered."""
    from warehouse.deliveries import is_delivered, open_delivery, settings_changed

    if only_if_due and is_delivered():
        raise AirflowSkipException("Yesterday is already delivered.")
    with verdict():
        delivery = open_delivery()
    return {
        "delivery_id": str(delivery.delivery_id),
        "day": delivery.day.isoformat(),
        "as_of": delivery.as_of.isoformat(),
        "stale_sources": ", ".join(delivery.stale_sources),
        "full_refresh": str(settings_changed(delivery.delivery_id, built_with())),
    }


def built_with(project: Path = PROJECT) -> dict[str, str | int | list[str]]:
    """What the rows of staging and the facts depend on beside their sources: when it changes, all are built anew."""
    from warehouse.dbt import dbt_variables

    files = sorted(path for pattern in BUILT_FROM for path in project.glob(pattern))
    code = hashlib.sha256(b"".join(str(path.relative_to(project)).encode() + path.read_bytes() for path in files))
    return {**dbt_variables(), "code": code.hexdigest()}


def hand_over_day(context: Any, operator: Any) -> None:
    """Before dbt starts: the warehouse's address and the day as its environment, the shop as its variables.

    Here and not in the operator's arguments, which Airflow would keep and show, password and all. The day is not a
    variable: dbt parses everything anew when one of those has changed.
    """
    from warehouse.dbt import dbt_environment, dbt_variables

    operator.env = {**(operator.env or {}), **dbt_environment(), "DBT_AS_OF": _opened(context)["as_of"]}
    operator.vars = dbt_variables()


def record_dbt_results(project: str, context: Any) -> None:
    """After dbt, red or green: every model's and test's result goes to ops.check_results.

    A failed test is a verdict. Anything else that went wrong is left to dbt's own error, and to another try.
    """
    from quality.dbt_results import record

    target = Path(project) / "target"
    judged = record(_opened(context)["delivery_id"], target / "run_results.json", target / "manifest.json")
    failed = [f"{result.name} ({result.observed})" for result in judged.blocking if result.status == "failed"]
    if failed:
        raise AirflowFailException(f"{len(failed)} dbt tests failed: {'; '.join(failed[:5])}")


def record_failure(context: Any) -> None:
    """On a task's last failure: the delivery itself says which stage failed, and why."""
    from warehouse.deliveries import fail_delivery

    delivery = context["ti"].xcom_pull(task_ids="open_delivery")
    if delivery:
        error = str(context.get("exception") or "the task was ended from outside")
        fail_delivery(delivery["delivery_id"], context["ti"].task_id, error)


def _opened(context: Any) -> dict[str, str]:
    delivery: dict[str, str] = context["ti"].xcom_pull(task_ids="open_delivery")
    return delivery
