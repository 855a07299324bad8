"""What happens when an Airflow task has failed for good: Slack and any webhook hear of it, in bounded time.

Airflow runs each callback apart from the task's own verdict, so an alert that cannot be sent is in the task's log
and changes nothing.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any

TIMEOUT = (3, 5)  # seconds to connect, to answer
SLACK_CONNECTION = "headwater_slack"

log = logging.getLogger(__name__)


def announce_failure(context: Any) -> None:
    """Post the failure to ALERT_WEBHOOK_URL (JSON) and to SLACK_WEBHOOK_URL, whichever are set."""
    alert = _alert(context)
    for name, send in (("ALERT_WEBHOOK_URL", _to_webhook), ("SLACK_WEBHOOK_URL", _to_slack)):
        if url := os.environ.get(name, "").strip():
            try:
                send(url, alert, context)
            except Exception:  # whatever one receiver does, the other must still be told
                log.exception("The alert could not be sent to %s", name)


def _alert(context: Any) -> dict[str, str]:
    instance = context["ti"]
    error = str(context.get("exception") or "the task was ended from outside")[:1000]
    return {
        "status": "failed",
        "dag": instance.dag_id,
        "task": instance.task_id,
        "run": instance.run_id,
        "error": error,
        "log": str(getattr(instance, "log_url", "") or ""),
        "text": f"{instance.dag_id}: {instance.task_id} failed. {error}",
    }


def _to_webhook(url: str, alert: dict[str, str], _context: Any) -> None:
    import requests  # at the time of use: a DAG file is read every few minutes

    requests.post(url, json=alert, timeout=TIMEOUT).raise_for_status()


def _to_slack(url: str, alert: dict[str, str], context: Any) -> None:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    os.environ[f"AIRFLOW_CONN_{SLACK_CONNECTION.upper()}"] = json.dumps({"conn_type": "slackwebhook", "password": url})
    SlackWebhookNotifier(slack_webhook_conn_id=SLACK_CONNECTION, text=alert["text"], timeout=sum(TIMEOUT)).notify(
        context
    )
