"""A failure reaches a webhook and Slack; a receiver that is down or slow changes nothing for the task."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from dags import alerts
from dags.alerts import announce_failure


class Receiver(ThreadingHTTPServer):
    """Keeps every JSON body that was posted to it, by path."""

    def __init__(self) -> None:
        self.posted: dict[str, Any] = {}
        self.silent = False
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted[self.path] = json.loads(body)
        if self.server.silent:
            time.sleep(2)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


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
    assert receiver.posted["/alert"]["dag"] == "ingest_shopify"
    assert receiver.posted["/alert"]["task"] == "orders"
    assert "SHOPIFY_ACCESS_TOKEN" in receiver.posted["/alert"]["error"]
    assert receiver.posted["/slack"]["text"] == receiver.posted["/alert"]["text"]


def test_one_receiver_that_is_down_does_not_silence_the_other(
    receiver: Receiver, failure: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "http://127.0.0.1:1/alert")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{receiver.url}/slack")
    announce_failure(failure)
    assert set(receiver.posted) == {"/slack"}


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
