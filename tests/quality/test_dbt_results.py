"""dbt's own artifacts, from a real `dbt build` over a small project: what ran is held against what was declared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from quality.checks import run_checks
from quality.dbt_results import record
from settings import HeadwaterError
from tests.quality.seeds import new_candidate, new_delivery
from warehouse import dbt_environment

ROOT = Path(__file__).resolve().parents[2]
PROJECT = {
    "dbt_project.yml": "name: little\nversion: '1.0'\nprofile: headwater\n",
    "models/sound.sql": "select 1 as id, 5 as amount",
    "models/broken.sql": "select no_such_column as id",
    "models/helper.sql": "{{ config(materialized='ephemeral') }} select 1 as id",
    "models/off.sql": "{{ config(enabled=false) }} select 1 as id",
    "tests/no_amounts.sql": "{{ config(severity='warn') }} select * from {{ ref('sound') }}",
    "models/models.yml": """
models:
  - name: sound
    versions: [{v: 1}]
    columns:
      - {name: id, data_tests: [unique, not_null]}
      - {name: amount, data_tests: [{accepted_values: {arguments: {values: [6]}}}]}
  - name: broken
    columns: [{name: id, data_tests: [unique]}]
exposures:
  - {name: page, type: dashboard, owner: {name: Ada}, depends_on: [ref('sound')]}
unit_tests:
  - name: amount_is_five
    model: sound
    given: []
    expect: {rows: [{id: 1, amount: 5}]}
""",
}


@pytest.fixture(scope="module")
def target(warehouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("little")
    for name, text in PROJECT.items():
        path = project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (project / "profiles.yml").write_bytes((ROOT / "dbt" / "profiles.yml").read_bytes())
    environment = {**os.environ, **dbt_environment(warehouse_url), "DBT_SEND_ANONYMOUS_USAGE_STATS": "False"}
    command = [str(Path(sys.executable).with_name("dbt")), "build", "--project-dir", ".", "--profiles-dir", "."]
    ended = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1, ended.stdout
    return project / "target"


def test_every_declared_thing_has_its_row(clean_warehouse: str, target: Path) -> None:
    delivery = new_delivery(clean_warehouse)
    for _ in range(2):  # a second try replaces what the first wrote
        verdict = record(delivery, target / "run_results.json", target / "manifest.json")
    with psycopg.connect(clean_warehouse) as connection:
        rows = connection.execute(
            "select kind, subject, severity, status, executed from ops.check_results where layer = 'dbt' order by 1, 2"
        ).fetchall()
    assert rows == [
        ("accepted_values", "sound.amount", "error", "failed", True),
        ("model", "staging.broken", "error", "errored", True),
        ("model", "staging.sound_v1", "error", "passed", True),
        ("not_null", "sound.id", "error", "passed", True),
        ("singular", "sound", "warn", "warned", True),
        ("unique", "broken.id", "error", "skipped", False),
        ("unique", "sound.id", "error", "passed", True),
        ("unit_test", "sound", "error", "passed", True),
    ]
    assert (verdict.declared, verdict.executed, verdict.passed) == (8, 7, False)
    failed = next(result for result in verdict.results if result.kind == "accepted_values")
    assert failed.observed is not None and failed.observed.startswith("1 failing rows")


def test_a_check_that_never_ran_fails_the_delivery(clean_warehouse: str, target: Path, tmp_path: Path) -> None:
    """Rule 10: all that ran is green, but one test of the manifest is missing."""
    run = json.loads((target / "run_results.json").read_text())
    manifest = json.loads((target / "manifest.json").read_text())
    run["results"] = [result for result in run["results"] if result["status"] in ("success", "pass")]
    green = {result["unique_id"] for result in run["results"]}
    for section in ("nodes", "unit_tests"):
        manifest[section] = {name: node for name, node in manifest[section].items() if name in green}
    left_out = next(result for result in run["results"] if ".not_null_" in result["unique_id"])
    run["results"].remove(left_out)
    (tmp_path / "run_results.json").write_text(json.dumps(run))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    delivery = new_delivery(clean_warehouse)
    verdict = record(delivery, tmp_path / "run_results.json", tmp_path / "manifest.json")
    assert (verdict.declared, verdict.executed, verdict.passed) == (4, 3, False)
    new_candidate(clean_warehouse)
    with pytest.raises(HeadwaterError, match=r"not_null on sound\.id errored .*never ran it"):
        run_checks(delivery)


def test_files_that_are_missing_cut_or_old_leave_nothing_green(
    clean_warehouse: str, target: Path, tmp_path: Path
) -> None:
    delivery = new_delivery(clean_warehouse)
    nothing = record(delivery, tmp_path / "run_results.json", tmp_path / "manifest.json")
    assert (nothing.declared, nothing.executed, nothing.passed) == (1, 0, False)

    cut = tmp_path / "run_results.json"
    cut.write_text((target / "run_results.json").read_text()[:500])
    verdict = record(delivery, cut, target / "manifest.json")
    assert (verdict.declared, verdict.executed) == (8, 0)

    run = json.loads((target / "run_results.json").read_text())
    run["metadata"]["generated_at"] = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    cut.write_text(json.dumps(run))
    old = record(delivery, cut, target / "manifest.json")
    assert old.executed == 0 and "older than this delivery" in str(old.results[0].observed)
