"""A failure reaches a webhook and Slack; a receiver that is down or slow changes nothing for the task."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dags import alerts
from dags.alerts import announce_failure
from tests.dags.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def failure() -> dict[str, Any]:
    instance = SimpleNamespace(dag_id="ingest_shopify", task_id="orders", run_id="run-1", log_url="http://log")
    return {"ti": instance, "exception": RuntimeError("401 from Shopify: look at SHOPIFY_ACCESS_TOKEN")}


def test_a_failure_reaches_the_webhook_and_slack(
    receiver: Receiver, failure: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", f"{receiver.url}/alert")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{receiver.url}/slack")
    announce_failure(failure)
    (alert,), (message,) = receiver.sent_to("/alert"), receiver.sent_to("/slack")
    assert (alert["dag"], alert["task"]) == ("ingest_shopify", "orders")
    assert "SHOPIFY_ACCESS_TOKEN" in alert["error"]
    assert message["text"] == alert["text"]


def test_one_receiver_that_is_down_does_not_silence_the_other(
    receiver: Receiver, failure: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "http://127.0.0.1:1/alert")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{receiver.url}/slack")
    announce_failure(failure)
    assert [path for path, _ in receiver.posted] == ["/slack"]


def test_a_silent_receiver_is_given_up(
    receiver: Receiver, failure: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "TIMEOUT", (0.2, 0.2))
    monkeypatch.setenv("ALERT_WEBHOOK_URL", f"{receiver.url}/alert")
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    receiver.silent = True
    began = time.monotonic()
    announce_failure(failure)
    assert time.monotonic() - began < 1.5


def test_without_a_receiver_nothing_is_sent(failure: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALERT_WEBHOOK_URL", "SLACK_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    announce_failure(failure)
