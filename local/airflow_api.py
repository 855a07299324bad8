"""Airflow's REST API, as far as the stack needs it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import requests

from settings import HeadwaterError

CALL_SECONDS = 60.0  # on a busy machine the API's first calls can take a quarter of that
FINISHED = {"success", "failed"}


@dataclass(frozen=True)
class TaskState:
    dag_id: str
    run_id: str
    task_id: str
    state: str | None
    seconds: float | None


class AirflowApi:
    """The parts of Airflow's REST API that the stack needs; every call is bounded in time."""

    def __init__(self, url: str, password: str):
        self.url = url
        self._password = password
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the user's is not for 127.0.0.1

    def healthy(self) -> bool:
        """Whether the API answers and the scheduler and the DAG processor have reported to it."""
        try:
            answer = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5)
            parts = answer.json() if answer.ok else {}
        except (requests.RequestException, ValueError):
            return False
        needed = ("metadatabase", "scheduler", "dag_processor")
        return all(parts.get(name, {}).get("status") == "healthy" for name in needed)

    def log_in(self) -> None:
        answer = self._session.post(
            f"{self.url}/auth/token", json={"username": "admin", "password": self._password}, timeout=10
        )
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """One call below /api/v2; a GET whose answer is lost is tried again. Raises HeadwaterError."""
        for attempts_left in (2, 1, 0):
            try:
                answer = self._session.request(method, f"{self.url}/api/v2{path}", timeout=CALL_SECONDS, **arguments)
                break
            except requests.RequestException as error:
                if not attempts_left or method != "GET":
                    raise HeadwaterError(f"Airflow at {self.url} does not answer: {error}") from error
                time.sleep(0.5)
        if answer.status_code == 401 and "Authorization" in self._session.headers:
            del self._session.headers["Authorization"]
            self.log_in()
            return self.call(method, path, **arguments)
        if not answer.ok:
            raise HeadwaterError(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:200]}")
        body: dict[str, Any] = answer.json()
        return body

    def dags_parsed_since(self, moment: str) -> set[str]:
        """The DAGs whose file was read after `moment` (ISO 8601, UTC)."""
        dags = self.call("GET", "/dags", params={"limit": 100})["dags"]
        return {dag["dag_id"] for dag in dags if (dag["last_parsed_time"] or "") >= moment}

    def import_errors(self) -> list[str]:
        errors = self.call("GET", "/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        body = {"logical_date": None, "conf": conf or {}}
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def runs(self, dag_id: str, since: str) -> list[dict[str, Any]]:
        """The runs of a DAG after `since` (ISO 8601), newest first."""
        params: dict[str, str | int] = {"order_by": "-run_after", "limit": 20, "run_after_gte": since}
        found: list[dict[str, Any]] = self.call("GET", f"/dags/{dag_id}/dagRuns", params=params)["dag_runs"]
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        rows = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 100})
        return [
            TaskState(dag_id, run_id, row["task_id"], row["state"], row["duration"]) for row in rows["task_instances"]
        ]
