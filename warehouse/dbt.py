"""dbt as the pipeline runs it: the warehouse's address as its environment, pipeline.yml as its variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from psycopg import conninfo

from settings import HeadwaterError, Pipeline, dbt_project, load_pipeline
from warehouse.connection import warehouse_url


def dbt_environment(url: str | None = None) -> dict[str, str]:
    """WAREHOUSE_URL in the pieces that dbt/profiles.yml asks for."""
    parts = conninfo.conninfo_to_dict(url or warehouse_url())
    return {
        "DBT_HOST": str(parts.get("host", "127.0.0.1")),
        "DBT_PORT": str(parts.get("port", 5432)),
        "DBT_USER": str(parts.get("user", "")),
        "DBT_PASSWORD": str(parts.get("password", "")),
        "DBT_DATABASE": str(parts.get("dbname", "")),
    }


def dbt_variables(pipeline: Pipeline | None = None) -> dict[str, str | int | list[str]]:
    """What of pipeline.yml the models depend on."""
    pipeline = pipeline or load_pipeline()
    return {
        "shop_timezone": pipeline.shop.timezone,
        "shop_currency": pipeline.shop.currency,
        "attribution_window_days": pipeline.attribution_window_days,
        "stripe_gateways": pipeline.payments.stripe_gateways,
        "payments_settle_days": pipeline.payments.settle_days,
    }


def freshness_minutes(pipeline: Pipeline | None = None) -> dict[str, int]:
    """How old each source may be, for `dbt source freshness`. No model depends on it."""
    pipeline = pipeline or load_pipeline()
    return {name: int(source.freshness.total_seconds() // 60) for name, source in pipeline.enabled_sources.items()}


def run_dbt(arguments: Sequence[str], url: str | None = None) -> int:
    """Run dbt's command on the project with its output on ours; its exit code. Raises HeadwaterError without dbt."""
    pipeline = load_pipeline()
    project = str(dbt_project())
    variables = {**dbt_variables(pipeline), "freshness_minutes": freshness_minutes(pipeline)}
    command = [str(Path(sys.executable).with_name("dbt")), *arguments]
    if arguments and not arguments[0].startswith("-"):
        command += ["--project-dir", project, "--profiles-dir", project, "--vars", json.dumps(variables)]
    try:
        return subprocess.run(command, env={**os.environ, **dbt_environment(url)}).returncode
    except FileNotFoundError as error:
        raise HeadwaterError(f"dbt is not installed beside {sys.executable}; run `make install`.") from error
