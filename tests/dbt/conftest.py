"""Runs dbt as the pipeline does, in a target folder of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from warehouse import dbt_environment

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
JUNE = datetime(2026, 6, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def run_dbt(warehouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunExecutionResult]:
    """A function that runs a dbt command and fails the test with dbt's own words when dbt fails.

    Rows of one test are seconds apart, so no overlap hides a watermark that is wrong.
    """
    home = tmp_path_factory.mktemp("dbt")
    variables = {"overlap": "0 seconds", "shop_timezone": "Europe/Berlin", "test_steps": True}

    def run(*command: str, as_of: datetime = JUNE) -> RunExecutionResult:
        places = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        places += ["--target-path", str(home / "target"), "--log-path", str(home / "logs")]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**dbt_environment(warehouse_url), "DBT_AS_OF": as_of.isoformat()}.items():
                patch.setenv(name, value)
            result = dbtRunner().invoke(["--quiet", *command, *places, "--vars", json.dumps(variables)])
        if result.exception:
            raise result.exception
        assert isinstance(result.result, RunExecutionResult)
        failed = [f"{each.node.name}: {each.message}" for each in result.result.results if each.status in BAD]
        assert result.success and not failed, "\n".join(failed)
        return result.result

    return run


BAD = ("error", "fail", "warn", "runtime error", "skipped")


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The project as dbt reads it; no database is asked, and every deprecation is an error."""
    home = tmp_path_factory.mktemp("dbt_parse")
    command = ["--quiet", "--warn-error", "parse", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    command += ["--vars", json.dumps({"test_steps": True})]
    result = dbtRunner().invoke([*command, "--target-path", str(home / "target"), "--log-path", str(home / "logs")])
    if result.exception:
        raise result.exception
    assert isinstance(result.result, Manifest)
    return result.result
