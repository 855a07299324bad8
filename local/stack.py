"""The stack on one machine: Postgres, the pretend shop, Airflow; each in processes of its own, all in one folder."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from local.airflow_api import FINISHED, AirflowApi, TaskState
from local.airflow_services import AirflowServices
from local.credentials import stack_secrets
from local.left_running import forget_running, note_running, running_url
from local.postgres import EmbeddedPostgres, free_port
from local.processes import end_all, is_free, marked
from local.services import ROOT, Services
from local.shop import Shop
from local.webhooks import Receiver
from settings import HeadwaterError, load_pipeline
from warehouse.migrate import migrate

SHOP_SECONDS = 120.0
Step = Callable[[str], None]


class Stack:
    """All state, logs and secrets are in `home`; every port is free and on 127.0.0.1.

    `size`, `seed`, `today`: the pretend shop, at its first start. `schedules`: Airflow's runs by the clock, and
    a shop that lives with the calendar.
    `leashed`: its processes end with the caller, however that ends. `airflow`, `webhooks` (a receiver): with them.
    `env` is for subprocesses (the rooms' doors) from `start` on. Raises HeadwaterError.
    """

    def __init__(
        self,
        home: Path,
        *,
        size: str = "small",
        seed: int = 1,
        today: str | None = None,
        schedules: bool = False,
        leashed: bool = True,
        durable: bool = True,
        airflow: bool = True,
        webhooks: bool = False,
        ui_port: int = 0,
        extra_env: dict[str, str] | None = None,
        on_step: Step = lambda _step: None,
    ):
        self.home = home.resolve()
        self.env: dict[str, str] = {}
        self.ui_url = self.warehouse_url = ""
        self._shop_options = {"--size": size, "--seed": str(seed), **({"--today": today} if today else {})}
        self._schedules, self._leashed, self._with_airflow = schedules, leashed, airflow
        self._ui_port, self._extra, self._step = ui_port, extra_env or {}, on_step
        self._postgres = EmbeddedPostgres(self.home / "postgres", durable=durable)
        self._services = Services(self.home, leashed)
        self._airflow: AirflowServices | None = None
        self._shop: Shop | None = None
        self._receiver = Receiver(webhooks)
        self._lock: Any = None

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> Stack:
        """Bring everything up and wait until it answers. On any failure nothing is left running."""
        self._take_lock()
        try:
            end_all(self.home)  # what a killed run left behind
            self._start_all()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every process of the stack, Postgres last; the data stay."""
        self._services.end()
        self._postgres.stop()
        forget_running(self.home)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def release_airflow(self) -> None:
        """Ask Airflow to end, without waiting for it: nothing more is to be run."""
        self._services.ask_to_end("airflow")

    def leave_running(self) -> None:
        """Let go of a stack that was not leashed; `stop` of a later Stack on the same folder ends it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _take_lock(self) -> None:
        if self._ui_port and not is_free(self._ui_port):
            raise HeadwaterError(f"Port {self._ui_port} of 127.0.0.1 is in use; choose another with --port.")
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self._lock = (self.home / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HeadwaterError(f"Another run is using {self.home}; wait for it or end it first.") from error
        except OSError as error:
            raise HeadwaterError(f"{self.home} cannot be used: {error.strerror}.") from error
        if running_url(self.home):
            self._lock.close()
            raise HeadwaterError(f"The stack is already running at {running_url(self.home)}; run `make stop` first.")

    def _start_all(self) -> None:
        known = stack_secrets(self.home / "secrets.json")
        self._step("Postgres")
        self._postgres.start()
        self.warehouse_url = self._postgres.create_database("warehouse")
        self._step("the pretend shop")
        self.env = {**self._base_env(), **self._rooms_env()}
        self._start_shop(known)
        if self._with_airflow:
            port = self._ui_port or free_port()
            self._airflow = AirflowServices(self._services, self._postgres, port, known, fresh=self._leashed)
            self.ui_url = self._airflow.url
            self.env |= self._airflow.environment()
            self._airflow.begin_migration(self.env)
        migrate(self.warehouse_url)
        self._services.until(self.shop.answers, SHOP_SECONDS, "mock-apis")
        self.env |= self.shop.sources_env()
        self._receiver.start(self._services, self.env)
        if self._airflow is not None:
            self._step("Airflow")
            self._airflow.start(self.env)
        state = {"ui": self.ui_url, "mock": self.mock_url, "warehouse": self.warehouse_url}
        state |= self._receiver.address
        if not self._leashed:
            note_running(self.home, state)

    # -- the parts ------------------------------------------------------------------------------------------------

    def _base_env(self) -> dict[str, str]:
        """The caller's environment without what would lead Airflow, dbt or the rooms elsewhere."""
        sources = ("SHOPIFY_", "STRIPE_", "EMAIL_SFTP_", "UPLOADS_", "APP_DATABASE_", "STOCK_KAFKA_", "MOCK_")
        foreign = ("AIRFLOW", "DBT_", "HEADWATER_STACK", *sources)
        mine = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = [str(Path(sys.executable).parent), mine.get("PATH", "")]
        return {
            **mine,
            **marked(self.home),
            "PYTHONPATH": str(ROOT),
            "PATH": os.pathsep.join(path),
            "PYTHONUNBUFFERED": "1",
        }

    def _rooms_env(self) -> dict[str, str]:
        return {
            "WAREHOUSE_URL": self.warehouse_url,
            "HEADWATER_SCHEDULES": "on" if self._schedules else "off",
            "GX_ANALYTICS_ENABLED": "false",
            **self._extra,
        }

    def _start_shop(self, known: dict[str, str]) -> None:
        options = {"--timezone": load_pipeline().shop.timezone, **self._shop_options}
        app = self._postgres.url("app")
        self._shop = Shop(self.home / "mock.json", options, known, app, live=self._schedules)
        self._services.start("mock-apis", self._shop.command, self.env | self._shop.keys | self._receiver.shop_env)

    @property
    def shop(self) -> Shop:
        if self._shop is None:
            raise HeadwaterError("The stack is not running.")
        return self._shop

    @property
    def mock_url(self) -> str:
        return self.shop.url

    def advance(self, days: int = 1) -> None:
        """Let `days` days pass in the pretend shop."""
        self.shop.advance(days)

    # -- runs -----------------------------------------------------------------------------------------------------

    @property
    def api(self) -> AirflowApi:
        if self._airflow is None:
            raise HeadwaterError("Airflow is not running in this stack.")
        return self._airflow.api

    def trigger(self, dag_id: str) -> str:
        """Start a run of the DAG; its run id."""
        return self.api.trigger(dag_id)

    def run_since(self, dag_id: str, since: datetime, timeout: float) -> str | None:
        """The first run of the DAG after `since` (UTC), by whatever it was started; None after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (runs := self.api.runs(dag_id, since.isoformat())):
            if time.monotonic() > deadline:
                return None
            time.sleep(0.3)
        return str(runs[-1]["dag_run_id"])

    def wait(self, dag_id: str, run_id: str, timeout: float = 300) -> str:
        """The state ("success" or "failed") in which the run ended. Raises HeadwaterError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while (state := self.api.state(dag_id, run_id)) not in FINISHED:
            if time.monotonic() > deadline:
                raise HeadwaterError(f"{dag_id} was still {state} after {timeout:.0f} s; see {self.home / 'airflow'}")
            self.check_alive()
            time.sleep(0.3)
        return state

    def check_alive(self) -> None:
        """Raises HeadwaterError when one of the stack's processes has ended."""
        self._services.check_alive()

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Each task's state ("success", "failed", "upstream_failed", "skipped", "running", ... or None)."""
        return {task.task_id: task.state for task in self.tasks(dag_id, run_id)}

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        return self.api.tasks(dag_id, run_id)

    def task_log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """The log of a task's tries, as text."""
        folder = self.home / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        return "\n".join(path.read_text(errors="replace") for path in sorted(folder.rglob("*.log")))
