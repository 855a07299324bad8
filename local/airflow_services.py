"""Airflow's processes in a stack: the metadata's migration, the three services, and the wait for the DAGs."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from local.airflow import (
    SERVICES,
    airflow_command,
    airflow_environment,
    has_unfinished_runs,
    metadata_is_current,
    note_migrated,
)
from local.airflow_api import AirflowApi
from local.postgres import EmbeddedPostgres
from local.processes import last_line
from local.services import ROOT, Services
from settings import HeadwaterError, load_pipeline

DATABASE = "airflow"
MIGRATION = "airflow-migrate"
SECONDS = 180.0


class AirflowServices:
    """Airflow in `home`/airflow, its metadata in the stack's Postgres, its UI and API on `port` of 127.0.0.1.

    `fresh`: drop what a stack that was cut off had not finished.
    """

    def __init__(self, services: Services, postgres: EmbeddedPostgres, port: int, known: dict[str, str], fresh: bool):
        self.url = f"http://127.0.0.1:{port}"
        self.home: Path = services.home / "airflow"
        self.api = AirflowApi(self.url, known["admin_password"])
        self._services, self._postgres, self._port, self._known = services, postgres, port, known
        self._fresh = fresh
        self._migration: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Airflow's settings; they also make its home."""
        return airflow_environment(self.home, ROOT / "dags", self._port, self._postgres.url(DATABASE), self._known)

    def begin_migration(self, env: dict[str, str]) -> None:
        """Start the metadata's migration, unless it is not needed."""
        url = self._postgres.create_database(DATABASE)
        if self._fresh and has_unfinished_runs(url):
            # They would start again beside the new ones. The metadata hold nothing but Airflow's own history.
            self._drop_metadata()
        if not metadata_is_current(url, self.home):
            self._migration = self._services.run(MIGRATION, airflow_command("db", "migrate"), env)

    def start(self, env: dict[str, str]) -> None:
        """Start the services and wait until every DAG of pipeline.yml has been read by them."""
        self._end_migration()
        started = datetime.now(UTC).isoformat()
        for name, arguments in SERVICES.items():
            port = ["--port", str(self._port)] if name == "api-server" else []
            self._services.start(f"airflow-{name}", airflow_command(*arguments, *port), env)
        self._services.until(self.api.healthy, SECONDS, *(f"airflow-{name}" for name in SERVICES))
        self.api.log_in()
        wanted = {f"ingest_{name}" for name in load_pipeline().enabled_sources} | {"deliver"}
        self._services.until(lambda: self._dags_are_there(wanted, started), SECONDS, "airflow-dag-processor")

    def _end_migration(self) -> None:
        if self._migration is not None:
            if self._migration.wait(SECONDS):
                log = self._services.log(MIGRATION)
                raise HeadwaterError(f"Airflow's database could not be migrated: {last_line(log)}; see {log}")
            note_migrated(self.home)

    def _drop_metadata(self) -> None:
        with psycopg.connect(self._postgres.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(DATABASE)))
        self._postgres.create_database(DATABASE)

    def _dags_are_there(self, wanted: set[str], since: str) -> bool:
        errors = self.api.import_errors()
        if errors:
            raise HeadwaterError("Airflow cannot read a DAG file: " + "; ".join(errors))
        return wanted <= self.api.dags_parsed_since(since)
