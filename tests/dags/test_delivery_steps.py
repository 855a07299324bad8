"""When the delivery builds everything anew."""

from __future__ import annotations

import shutil
from pathlib import Path

from dags.delivery_steps import PROJECT, built_with


def test_a_changed_model_below_the_marts_is_built_anew_and_a_changed_mart_is_not(tmp_path: Path) -> None:
    project = tmp_path / "dbt"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    before = built_with(project)
    assert before == built_with(PROJECT)
    mart = next((project / "models/marts").glob("*.sql"))
    mart.write_text(mart.read_text() + "\n")
    assert built_with(project) == before
    fact = project / "models/intermediate/fct_orders.sql"
    fact.write_text(fact.read_text() + "\n")
    assert built_with(project) != before
