"""A failed run reaches a webhook and Slack once; a receiver that is down or slow changes nothing for the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dags import alerts
from dags.alerts import announce_failure, leave_error
from tests.dags.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as server:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", f"{server.url}/alert")
        monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
        yield server


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The context of a run whose tasks have these states and left these errors, as the Airflow API would answer."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from airflow.sdk.execution_time.xcom import XCom

    def make(states: dict[str, str], errors: dict[tuple[str, int | None], str]) -> dict[str, Any]:
        def of_run(dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
            return {run_ids[0]: states} if dag_id == "ingest_shopify" else {}

        def left(*, task_id: str, map_index: int | None, **_: Any) -> str | None:
            return errors.get((task_id, map_index))

        monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(of_run))
        monkeypatch.setattr(XCom, "get_one", left)
        dag = SimpleNamespace(dag_id="ingest_shopify", task_ids=["orders", "products", "arrived", "sales_2"])
        return {"dag": dag, "run_id": "scheduled__2026-03-01T02:15:00+01:00", "reason": "task_failure"}

    return make


def test_a_run_is_told_once_with_every_failed_task(
    receiver: Receiver, failed: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{receiver.url}/slack")
    states = {"orders": "failed", "products": "failed", "sales_2": "failed", "windows_3": "failed"}
    errors = {("orders", None): "401: look at SHOPIFY_ACCESS_TOKEN", ("windows", 3): "too slow"}
    announce_failure(failed({**states, "customers": "success", "arrived": "upstream_failed"}, errors))
    (alert,), (message,) = receiver.sent_to("/alert"), receiver.sent_to("/slack")
    assert alert["dag"] == "ingest_shopify"
    assert alert["tasks"] == {
        "orders": "401: look at SHOPIFY_ACCESS_TOKEN", "products": "", "sales_2": "", "windows_3": "too slow"
    }  # fmt: skip
    assert alert["text"] == (
        "ingest_shopify failed. orders: 401: look at SHOPIFY_ACCESS_TOKEN; products; sales_2; windows_3: too slow"
    )
    assert alert["url"].endswith("/dags/ingest_shopify/runs/scheduled__2026-03-01T02%3A15%3A00%2B01%3A00")
    assert message["text"] == f"{alert['text']} {alert['url']}"


def test_a_run_that_cannot_be_looked_into_is_told_all_the_same(
    receiver: Receiver, failed: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    announce_failure({**failed({"orders": "skipped"}, {}), "reason": "timed_out"})
    monkeypatch.setattr(alerts, "_failed_tasks", lambda *_: 1 / 0)
    announce_failure(failed({}, {}))
    assert [alert["text"].partition(". ")[2] for alert in receiver.sent_to("/alert")] == ["timed_out", "task_failure"]


def test_many_failed_tasks_make_a_short_text(receiver: Receiver, failed: Callable[..., dict[str, Any]]) -> None:
    announce_failure(failed({f"windows_{number}": "failed" for number in range(40)}, {}))
    (alert,) = receiver.sent_to("/alert")
    assert len(alert["tasks"]) == 40 and alert["text"].endswith("and 35 more")


def test_a_task_leaves_its_error_cut_to_length() -> None:
    pushed: dict[str, str] = {}
    instance = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    leave_error({"ti": instance, "exception": RuntimeError("x" * 5000)})
    assert pushed == {"error": "x" * 1000}
    leave_error({"ti": instance})
    assert pushed == {"error": "the task was ended from outside"}


def test_one_receiver_that_is_down_does_not_silence_the_other(
    receiver: Receiver, failed: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "http://127.0.0.1:1/alert")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{receiver.url}/slack")
    announce_failure(failed({"orders": "failed"}, {}))
    assert [path for path, _ in receiver.posted] == ["/slack"]


def test_a_silent_receiver_is_given_up(
    receiver: Receiver, failed: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "TIMEOUT", (0.2, 0.2))
    receiver.silent = True
    context = failed({"orders": "failed"}, {})
    began = time.monotonic()
    announce_failure(context)
    assert time.monotonic() - began < 1.5


def test_without_a_receiver_nothing_is_asked_or_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALERT_WEBHOOK_URL", "SLACK_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    announce_failure({})
