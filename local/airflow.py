"""Airflow with the LocalExecutor: its settings, its three processes, and its REST API."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import requests

from settings import HeadwaterError

CALL_SECONDS = 60.0  # on a busy machine the API's first calls can take a quarter of that
FINISHED = {"success", "failed"}
SERVICES = {
    "api-server": ["api-server", "--host", "127.0.0.1", "--workers", "1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}


def airflow_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def airflow_environment(
    home: Path, dags: Path, port: int, database_url: str, secrets: dict[str, str]
) -> dict[str, str]:
    """Airflow's settings for a small machine: few processes, short waits, everything on 127.0.0.1."""
    bare = database_url.removeprefix("postgresql://")
    passwords = home / "passwords.json"
    home.mkdir(parents=True, exist_ok=True)
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({"admin": secrets["admin_password"]}))
    url = f"http://127.0.0.1:{port}"
    settings: dict[str, str | int | Path] = {
        "CORE__DAGS_FOLDER": dags,
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 4,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__DEFAULT_TASK_RETRY_DELAY": 2,
        "CORE__FERNET_KEY": secrets["fernet"],
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": passwords,
        # The default derives the asyncpg driver for the second, which is not installed.
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg://{bare}",
        "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+psycopg_async://{bare}",
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": url,
        "API__SECRET_KEY": secrets["api"],
        "API_AUTH__JWT_SECRET": secrets["jwt"],
        "WORKERS__EXECUTION_API_TIMEOUT": "30",
        "LOGGING__BASE_LOG_FOLDER": home / "logs",
        "LOGGING__COLORED_CONSOLE_LOG": "False",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "DAG_PROCESSOR__PARSING_PROCESSES": 1,
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 300,
        "DAG_PROCESSOR__PRINT_STATS_INTERVAL": 0,
        "COSMOS__ENABLE_TELEMETRY": "False",
    }
    environment = {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}
    return {**environment, "AIRFLOW_HOME": str(home), "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "False"}


def metadata_is_current(database_url: str, home: Path) -> bool:
    """Whether this version of Airflow has migrated the database, so that `db migrate` (4 s) can be left out."""
    try:
        with psycopg.connect(database_url) as connection:
            connection.execute("select version_num from alembic_version")
    except psycopg.Error:
        return False
    note = home / "migrated"
    return note.exists() and note.read_text() == version("apache-airflow")


def note_migrated(home: Path) -> None:
    (home / "migrated").write_text(version("apache-airflow"))


def has_unfinished_runs(database_url: str) -> bool:
    """Whether a stack that was cut off left runs, or half of a delivery's assets, behind."""
    query = """select exists (select from dag_run where state in ('queued', 'running'))
        or exists (select from asset_dag_run_queue)"""
    try:
        with psycopg.connect(database_url) as connection:
            row = connection.execute(query).fetchone()
    except psycopg.Error:
        return False
    return bool(row and row[0])


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
