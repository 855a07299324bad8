"""Airflow with the LocalExecutor: its settings, its three processes, and what its metadata say."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import psycopg

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
