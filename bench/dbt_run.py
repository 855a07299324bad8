"""dbt as a delivery runs it, as a process of its own: how long it took, and each model of it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from bench.measure import postgres_cpu
from local.postgres import EmbeddedPostgres
from settings import HeadwaterError, dbt_project
from warehouse.dbt import dbt_environment, dbt_variables


class DbtRun(NamedTuple):
    """Seconds of the whole process, CPU seconds of dbt and of Postgres, and seconds by the name of a model or test."""

    seconds: float
    client_cpu: float
    postgres_cpu: float
    models: dict[str, float]
    tests: dict[str, float]


def dbt(postgres: EmbeddedPostgres, url: str, folder: Path, day: date, *command: str) -> DbtRun:
    """`dbt build` or another command, at the end of `day`; `folder` keeps its target. Raises HeadwaterError."""
    environment = {**os.environ, **dbt_environment(url), "DBT_AS_OF": f"{day + timedelta(days=1)}T00:00:00+00:00"}
    places = ["--project-dir", ".", "--profiles-dir", ".", "--target-path", str(folder / "target")]
    program = [str(Path(sys.executable).with_name("dbt")), *command, *places, "--log-path", str(folder / "logs")]
    began, client, server = time.monotonic(), _children_cpu(), postgres_cpu(postgres)
    done = subprocess.run(
        [*program, "--vars", json.dumps(dbt_variables())],
        env=environment,
        cwd=dbt_project(),
        capture_output=True,
        text=True,
    )
    taken = (time.monotonic() - began, _children_cpu() - client, postgres_cpu(postgres) - server)
    if done.returncode:
        raise HeadwaterError(f"dbt {' '.join(command)} failed: {(done.stdout or done.stderr)[-2000:]}")
    kinds: dict[str, dict[str, float]] = {"model": {}, "test": {}}
    for result in json.loads((folder / "target" / "run_results.json").read_text())["results"]:
        kind, _, name = result["unique_id"].split(".", 2)
        if kind in kinds:
            kinds[kind][name] = result["execution_time"]
    return DbtRun(*taken, kinds["model"], kinds["test"])


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
