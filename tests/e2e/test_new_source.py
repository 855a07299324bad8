"""`python -m ingestion new-source`: in a copy of the checkout, what it writes passes before anyone edits it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.new_source import Paging, with_block, write_source
from settings import HeadwaterError, load_pipeline
from tests.conftest import ROOT

ROOMS = ("ingestion", "settings", "warehouse", "dbt", "quality", "monitoring", "dags", "mock_apis", "local", "tests")
PARTS = (*ROOMS, "pipeline.yml", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "target", "logs", "*_cache")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for part in (*PARTS, ".sqlfluff"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / part, tmp_path / part)
    return tmp_path


def run(checkout: Path, *words: str) -> str:
    env = {name: value for name, value in os.environ.items() if name != "HEADWATER_PIPELINE"}
    env |= {"PYTHONPATH": str(checkout), "WAREHOUSE_URL": "postgresql://u:p@127.0.0.1:1/none"}
    done = subprocess.run([sys.executable, "-m", *words], cwd=checkout, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_it_writes_passes_before_anyone_edits_it(checkout: Path) -> None:
    for paging in Paging:
        name = f"desk_{paging.value.replace('-', '_')}"
        told = run(checkout, "ingestion", "new-source", name, "--paging", paging.value)
        assert f"{name.upper()}_API_KEY=" in told
    before = (ROOT / "pipeline.yml").read_text()
    assert (checkout / "pipeline.yml").read_text().startswith(before.rstrip("\n"))
    written = sorted(str(path.relative_to(checkout)) for path in checkout.rglob("*desk_*.*"))
    python = [path for path in written if path.endswith(".py")]
    assert len(python) == 2 * len(Paging)
    run(checkout, "settings", "check")
    run(checkout, "ruff", "check", "--no-cache", *python)
    run(checkout, "ruff", "format", "--no-cache", "--check", *python)
    run(checkout, "mypy", "--cache-dir", str(checkout / "cache"), *(path for path in python if "sources" in path))
    run(checkout, "sqlfluff", "lint", "-q", *(path for path in written if path.endswith(".sql")))
    tests = [path for path in python if path.startswith("tests")]
    run(checkout, "pytest", "-p", "no:cacheprovider", "-q", *tests, "tests/ingestion/test_catalog.py")
    run(checkout, "pytest", "-p", "no:cacheprovider", "-q", "tests/dbt/test_dbt_project.py")
    run(checkout, "pytest", "-p", "no:cacheprovider", "-q", "tests/dags/test_policy.py")
    pipeline = load_pipeline(checkout / "pipeline.yml")
    named = {Path(path).stem.removeprefix("test_") for path in tests}
    assert pipeline.sources.keys() - pipeline.enabled_sources.keys() == named


def test_nothing_is_overwritten_and_nothing_half_written_stays(checkout: Path) -> None:
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    for name in ("shopify", "rest", "Helpdesk", "class", "a-b", "../x", ""):
        if name != "rest":
            with pytest.raises(HeadwaterError):
                write_source(checkout, name, "https://example.com", Paging.cursor, "records")
    blocked = checkout / "tests/ingestion"
    blocked.rename(checkout / "tests/elsewhere")
    blocked.write_text("no folder")
    with pytest.raises(HeadwaterError, match="nothing was kept"):
        write_source(checkout, "helpdesk", "https://example.com", Paging.cursor, "tickets")
    blocked.unlink()
    (checkout / "tests/elsewhere").rename(blocked)
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before
    assert not (checkout / "ingestion/contracts/helpdesk").exists()


def test_the_block_stands_with_the_other_sources_and_comments_stay() -> None:
    text = (ROOT / "pipeline.yml").read_text().replace("sources:\n", "sources: # ours\n", 1)
    last = "\n# What comes after.\nretention: {}\n"
    moved = text.replace("retention:\n  quarantine: 90d\n  loads: 400d\n", "") + last
    block = '\n  desk:\n    schedule: "40 2 * * *"\n    freshness: 26h\n    streams:\n      records:\n'
    assert with_block(moved, "desk", block) == moved.removesuffix(last) + block + last
    assert with_block(text.rstrip("\n"), "desk", block) == text + block
