"""docs/faults.md says what the tests say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_the_page_of_faults_has_the_rows_of_the_tests(tmp_path: Path) -> None:
    page = tmp_path / "faults.md"
    command = [sys.executable, "-m", "pytest", "-p", "tests.faults_page", "-p", "no:cacheprovider", "-m", "fault"]
    done = subprocess.run(
        [*command, f"--faults-page={page}", "--collect-only"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert page.exists() and done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    expected, found = without_results(page), without_results(ROOT / "docs" / "faults.md")
    assert len(expected) > 20
    assert found == expected, "docs/faults.md is out of date: run `make faults`"


def without_results(page: Path) -> list[str]:
    lines = page.read_text().splitlines()
    return [line.rstrip("| ").rpartition(" | ")[0] if line.startswith("| ") else line for line in lines]
