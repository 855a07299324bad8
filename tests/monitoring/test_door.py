"""The doors: exit codes, one-line errors, and an exporter that ends when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def door(*arguments: str, url: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"WAREHOUSE_URL": url}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("monitoring", "exporter"), 1, "WAREHOUSE_URL is not set"),
        (("monitoring", "report"), 1, "WAREHOUSE_URL is not set"),
        (("quality", "scorecard"), 1, "WAREHOUSE_URL is not set"),
        (("quality", "check", "not-an-id"), 2, "Invalid value"),
        (("monitoring", "--help"), 0, "exporter"),
        (("quality", "--help"), 0, "scorecard"),
    ],
)
def test_bad_input_is_told_in_a_line(arguments: tuple[str, ...], code: int, told: str) -> None:
    ended = door(*arguments)
    assert (ended.returncode, told in ended.stdout + ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_scorecard_and_the_report_by_their_doors(delivered: str, tmp_path: Path) -> None:
    shown = door("quality", "scorecard", url=delivered)
    assert shown.returncode == 0 and "Quality score" in shown.stdout and "shopify" in shown.stdout
    written = door("monitoring", "report", "--out", str(tmp_path / "index.html"), url=delivered)
    assert written.returncode == 0 and (tmp_path / "index.html").stat().st_size > 10_000


def test_the_exporter_serves_until_it_is_told_to_end(delivered: str) -> None:
    command = [sys.executable, "-m", "monitoring", "exporter", "--port", "0", "--statsd-port", "0"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"WAREHOUSE_URL": delivered}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        with urllib.request.urlopen(process.stdout.readline().strip(), timeout=10) as answer:
            assert b"pipeline_warehouse_up 1.0" in answer.read()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
