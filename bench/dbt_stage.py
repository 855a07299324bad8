"""The dbt stage under Airflow beside plain `dbt build`: same warehouse, project, variables, and as much to build.

Before every build a day passes in the shop and is synced, so each has one new day before it and the same history
behind it; plain and Airflow take turns in going first. Both are warm: each has built, and parsed, once before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psycopg

from bench.machine import Report, ratio, spread
from local.postgres import EmbeddedPostgres
from local.stack import Stack
from settings import HeadwaterError, load_pipeline
from warehouse.dbt import dbt_environment, dbt_variables

ROOT = Path(__file__).resolve().parent.parent
NOTES = (
    "plain: `dbt build` as a process of its own, start to end, with a target folder that it keeps.",
    "dbt task: its start to its end in Airflow; verdict: its start to the end of `check`, which publishing waits for.",
)


class Stage:
    """One stack in a folder of its own, whose shop is moved on before every build."""

    def __init__(self, stack: Stack, folder: Path):
        self.stack, self.folder = stack, folder
        self.pipeline = load_pipeline()

    def next_day(self) -> None:
        self.stack.advance()
        for source in self.pipeline.sources:
            self._run([sys.executable, "-m", "ingestion", "sync", source, "--quiet"], self.stack.env, ROOT)

    def plain(self) -> float:
        """Seconds of `dbt build` with what the `deliver` DAG hands to it."""
        environment = {
            **self.stack.env,
            **dbt_environment(self.stack.warehouse_url),
            "DBT_AS_OF": self._as_of(),
        }
        variables = dbt_variables(self.pipeline)
        folders = ["--project-dir", ".", "--profiles-dir", ".", "--target-path", str(self.folder / "target")]
        command = [str(Path(sys.executable).with_name("dbt")), "build", *folders, "--vars", json.dumps(variables)]
        began = time.monotonic()
        self._run([*command, "--log-path", str(self.folder / "logs")], environment, ROOT / "dbt")
        return time.monotonic() - began

    def airflow(self) -> tuple[float, float]:
        """Seconds of the dbt task, and from its start to the end of `check`, in a run of `deliver`."""
        run_id = self.stack.trigger("deliver")
        if self.stack.wait("deliver", run_id) != "success":
            raise HeadwaterError(f"The delivery failed: {self.stack.task_states('deliver', run_id)}")
        answer = self.stack.api.call("GET", f"/dags/deliver/dagRuns/{run_id}/taskInstances")
        tasks = {task["task_id"]: task for task in answer["task_instances"]}
        start, end = (datetime.fromisoformat(tasks["dbt"][name]) for name in ("start_date", "end_date"))
        verdict = datetime.fromisoformat(tasks["check"]["end_date"])
        return (end - start).total_seconds(), (verdict - start).total_seconds()

    def _as_of(self) -> str:
        """The time up to which the critical sources are complete, as a delivery finds it."""
        query = "select min(watermark) from ops.checkpoints where source = any(%s)"
        with psycopg.connect(self.stack.warehouse_url) as connection:
            row = connection.execute(query, (self.pipeline.critical_sources,)).fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment.isoformat()

    @staticmethod
    def _run(command: list[str], environment: dict[str, str], folder: Path) -> None:
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise HeadwaterError(f"{' '.join(command[:4])} failed: {(done.stderr or done.stdout)[-1000:]}")


def measure(rounds: int, size: str) -> None:
    """Print the table. Raises HeadwaterError when a sync, a build or a delivery fails."""
    report = Report(f"The dbt stage, {rounds} rounds, size {size}", ("", "seconds (range)", "to plain"), *NOTES)
    plain: list[float] = []
    task: list[float] = []
    verdict: list[float] = []
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may have to run as another account
        try:
            with Stack(folder / "stack", size=size) as stack:
                stage = Stage(stack, folder)
                stage.next_day()
                stage.airflow()
                stage.plain()
                for number in range(rounds):
                    turns: list[Callable[[], None]] = [
                        lambda: plain.append(stage.plain()),
                        lambda: _both(stage, task, verdict),
                    ]
                    for turn in turns if number % 2 else reversed(turns):
                        stage.next_day()
                        turn()
                    print(
                        f"round {number + 1}: plain {plain[-1]:.1f} s, dbt task {task[-1]:.1f} s,"
                        f" verdict {verdict[-1]:.1f} s, load {os.getloadavg()[0]:.1f}",
                        file=sys.stderr,
                    )
        finally:
            EmbeddedPostgres(folder / "stack" / "postgres").remove()
    report.add("plain dbt build", spread(plain), "1.00")
    report.add("the dbt task under Airflow", spread(task), ratio(task, plain))
    report.add("dbt's start to the verdict", spread(verdict), ratio(verdict, plain))
    report.print()


def _both(stage: Stage, task: list[float], verdict: list[float]) -> None:
    of_dbt, to_verdict = stage.airflow()
    task.append(of_dbt)
    verdict.append(to_verdict)
