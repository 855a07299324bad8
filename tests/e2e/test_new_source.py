"""`python -m ingestion new-source`: in a copy of the checkout, what it writes passes before anyone edits it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ingestion.new_source import Paging, with_block, write_source
from settings import HeadwaterError, load_pipeline
from tests.conftest import ROOT
from tests.ingestion.conftest import SHOP

ROOMS = ("ingestion", "settings", "warehouse", "dbt", "quality", "monitoring", "dags", "mock_apis", "local", "tests")
PARTS = (*ROOMS, "docs", "pipeline.yml", "pyproject.toml", ".sqlfluff")
BEFORE = {"helpdesk": "tickets", "crm": "orders"}  # the name of the documentation's example, and another
TOUCHED = [
    f"tests/{path}"
    for path in (
        *("settings", "dags/test_policy.py", "dbt/test_dbt_project.py", "dbt/test_dbt_governance.py"),
        *("monitoring/test_exporter.py", "monitoring/test_report.py", "monitoring/test_rules.py"),
        *("warehouse/test_deliveries.py", "ingestion/test_adding_a_source.py", "ingestion/test_catalog.py"),
    )
]
LEFT_OUT = shutil.ignore_patterns("__pycache__", "target", "logs", "*_cache")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for part in PARTS:
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


def add(checkout: Path, sources: dict[str, str]) -> None:
    """Those that the checkout has not yet."""
    there = load_pipeline(checkout / "pipeline.yml").sources
    for name, stream in sources.items():
        if name not in there:
            write_source(checkout, name, "https://example.com", Paging.cursor, stream)


def test_what_it_writes_passes_before_anyone_edits_it(checkout: Path) -> None:
    add(checkout, BEFORE)
    before = (checkout / "pipeline.yml").read_text()
    names = [f"made_{paging.value.replace('-', '_')}" for paging in Paging]
    for name, paging in zip(names, Paging, strict=True):
        told = run(checkout, "ingestion", "new-source", name, "--paging", paging.value)
        assert f"{name.upper()}_API_KEY=" in told
    after = (checkout / "pipeline.yml").read_text()
    assert [line for line in after.splitlines(keepends=True) if "made_" in line] == [f"  {name}:\n" for name in names]
    old, new = (yaml.safe_load(text)["sources"] for text in (before, after))
    assert [*new] == [*old, *names] and all(new[name] == old[name] for name in old)
    assert not any(load_pipeline(checkout / "pipeline.yml").source(name).enabled for name in names)

    written = sorted(str(path.relative_to(checkout)) for path in checkout.rglob("*made_*.*"))
    python = [path for path in written if path.endswith(".py")]
    assert len(python) == 2 * len(Paging)
    run(checkout, "settings", "check")
    run(checkout, "ruff", "check", "--no-cache", *python)
    run(checkout, "ruff", "format", "--no-cache", "--check", *python)
    run(checkout, "mypy", "--cache-dir", str(checkout / "cache"), *(path for path in python if "sources" in path))
    run(checkout, "sqlfluff", "lint", "-q", *(path for path in written if path.endswith(".sql")))


def test_beside_it_every_test_that_a_source_can_touch_stays_green(checkout: Path) -> None:
    sources = {**BEFORE, "made_last": "records"}
    add(checkout, sources)
    own = [f"tests/ingestion/test_{name}.py" for name in sources]
    run(checkout, "pytest", "-p", "no:cacheprovider", "-q", *TOUCHED, *own)


def test_it_is_in_the_conformance_suite_beside_the_example_and_passes(checkout: Path) -> None:
    add(checkout, {**BEFORE, "made_last": "records"})
    words = ("tests/ingestion/conformance", "-k", "rest] or made_last-records]")
    told = run(checkout, "pytest", "-p", "no:cacheprovider", "-vv", *words)
    assert "test_a_huge_window_is_read_to_its_end[made_last-records] PASSED" in told


def test_nothing_is_overwritten_and_nothing_half_written_stays(checkout: Path) -> None:
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    for name in ("shopify", "Helpdesk", "class", "a-b", "../x", ""):
        with pytest.raises(HeadwaterError):
            write_source(checkout, name, "https://example.com", Paging.cursor, "records")
    blocked = checkout / "tests/ingestion"
    blocked.rename(checkout / "tests/elsewhere")
    blocked.write_text("no folder")
    with pytest.raises(HeadwaterError, match="nothing was kept"):
        write_source(checkout, "not_written", "https://example.com", Paging.cursor, "tickets")
    blocked.unlink()
    (checkout / "tests/elsewhere").rename(blocked)
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before
    assert not (checkout / "ingestion/contracts/not_written").exists()


def test_the_block_stands_with_the_other_sources_and_comments_stay() -> None:
    sources = (
        'sources: # ours\n  shop: # the first\n    type: shopify\n    schedule: "15 2 * * *"\n    freshness: 26h\n'
    )
    text = f"{yaml.safe_dump(SHOP)}{sources}    streams:\n      orders:\n"
    last = "\n# What comes after.\nretention: {}\n"
    block = '\n  desk:\n    schedule: "40 2 * * *"\n    freshness: 26h\n    streams:\n      records:\n'
    assert with_block(text + last, "desk", block) == text + block + last
    assert with_block(text.rstrip("\n"), "desk", block) == text + block
