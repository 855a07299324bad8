"""What happens when an Airflow run has failed: Slack and any webhook hear of it once, in bounded time.

A task leaves its last error as an XCom; the run's one message names every failed task with its error. Airflow calls
back when the run has ended, apart from its verdict, so an alert that cannot be sent is in a log and changes nothing.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any
from urllib.parse import quote

TIMEOUT = (3, 5)  # seconds to connect, to answer
SLACK_CONNECTION = "headwater_slack"
ERROR = "error"  # the XCom
LONGEST_ERROR = 1000
MOST_TASKS = 5  # in the text

log = logging.getLogger(__name__)


def leave_error(context: Any) -> None:
    """For a task: keep what it failed of, for the message of its run."""
    error = str(context.get("exception") or "the task was ended from outside")
    context["ti"].xcom_push(key=ERROR, value=error[:LONGEST_ERROR])


def announce_failure(context: Any) -> None:
    """For a DAG: post the failed run to ALERT_WEBHOOK_URL (JSON) and to SLACK_WEBHOOK_URL, whichever are set."""
    receivers = (("ALERT_WEBHOOK_URL", _to_webhook), ("SLACK_WEBHOOK_URL", _to_slack))
    wanted = [(name, url, send) for name, send in receivers if (url := os.environ.get(name, "").strip())]
    if not wanted:
        return
    alert = _alert(context)
    for name, url, send in wanted:
        try:
            send(url, alert, context)
        except Exception:  # whatever one receiver does, the other must still be told
            log.exception("The alert could not be sent to %s", name)


def _alert(context: Any) -> dict[str, Any]:
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    try:
        tasks = _failed_tasks(context["dag"], run_id)
    except Exception:  # without the details the failure must be told all the same
        log.exception("The failed tasks of %s could not be found out", dag_id)
        tasks = {}
    told = [f"{task}: {error}" if error else task for task, error in list(tasks.items())[:MOST_TASKS]]
    more = f" and {len(tasks) - MOST_TASKS} more" if len(tasks) > MOST_TASKS else ""
    what = f"{'; '.join(told)}{more}" if told else context.get("reason") or "no task tells why"
    return {
        "status": "failed",
        "dag": dag_id,
        "run": run_id,
        "tasks": tasks,
        "url": _page(dag_id, run_id),
        "text": f"{dag_id} failed. {what}",
    }


def _failed_tasks(dag: Any, run_id: str) -> dict[str, str]:
    """Each failed task with its error, empty where it left none; a mapped one as Airflow shows it: windows_3."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from airflow.sdk.execution_time.xcom import XCom

    states = RuntimeTaskInstance.get_task_states(dag_id=dag.dag_id, run_ids=[run_id]).get(run_id, {})
    found = {}
    for name in sorted(name for name, state in states.items() if state == "failed"):
        task, index = (name, None) if name in dag.task_ids else (name.rpartition("_")[0], int(name.rpartition("_")[2]))
        error = XCom.get_one(key=ERROR, dag_id=dag.dag_id, task_id=task, run_id=run_id, map_index=index)
        found[name] = str(error or "")
    return found


def _page(dag_id: str, run_id: str) -> str:
    from airflow.configuration import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/dags/{dag_id}/runs/{quote(run_id, safe='')}"


def _to_webhook(url: str, alert: dict[str, Any], _context: Any) -> None:
    import requests  # at the time of use: a DAG file is read every few minutes

    requests.post(url, json=alert, timeout=TIMEOUT).raise_for_status()


def _to_slack(url: str, alert: dict[str, Any], context: Any) -> None:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    os.environ[f"AIRFLOW_CONN_{SLACK_CONNECTION.upper()}"] = json.dumps({"conn_type": "slackwebhook", "password": url})
    text = f"{alert['text']} {alert['url']}"
    SlackWebhookNotifier(slack_webhook_conn_id=SLACK_CONNECTION, text=text, timeout=sum(TIMEOUT)).notify(context)
