"""`python -m ingestion`: what it prints and how it exits."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ingestion.__main__ import app
from settings import HeadwaterError
from tests.conftest import ROOT
from tests.ingestion.conftest import Numbers

runner = CliRunner()


def test_sync_prints_a_line_a_stream_and_exits_0(numbers: Numbers) -> None:
    numbers(count=10, bad=[1], new=[2])
    done = runner.invoke(app, ["sync", "numbers"])
    assert done.exit_code == 0
    lines = [line for line in done.stdout.splitlines() if line.startswith("numbers.")]
    assert [line.partition(" in ")[0] for line in lines] == [
        f"numbers.{stream}: 10 read, 9 new, 0 there already, 1 rejected" for stream in ("items", "others")
    ]
    assert lines[0].endswith("; new fields: colour")


def test_sync_exits_1_when_a_stream_failed_and_says_once_why(numbers: Numbers) -> None:
    numbers(count=10, fails_at=0)
    done = runner.invoke(app, ["sync", "numbers"])
    assert done.exit_code == 1
    assert done.stderr == "numbers.items, numbers.others: failed: numbers is down; try later.\n"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["sums"], "error: There is no source 'sums' in pipeline.yml; it has: numbers.\n"),
        (["numbers", "x"], "error: There is no stream 'x' of numbers in pipeline.yml; it has: items, others.\n"),
    ],
)
def test_an_unknown_name_is_a_wrong_use_and_the_known_ones_are_listed(
    numbers: Numbers, names: list[str], told: str
) -> None:
    numbers()
    done = runner.invoke(app, ["sync", *names])
    assert (done.exit_code, done.stderr) == (2, told)


def test_status_shows_every_stream_of_the_pipeline(numbers: Numbers) -> None:
    numbers(count=10, bad=[1])
    before = runner.invoke(app, ["status"]).stdout
    assert "numbers.items" in before
    assert "never" in before
    runner.invoke(app, ["sync", "numbers", "items"])
    line = next(line for line in runner.invoke(app, ["status"]).stdout.splitlines() if "numbers.items" in line)
    assert [cell.strip() for cell in line.split("│")[2:3] + line.split("│")[5:9]] == [
        "2026-03-01 23:59:00",
        "10",
        "9",
        "1",
        "1",
    ]
    assert "late" in line
    assert "succeeded" in line


def test_the_quarantine_is_listed_shown_replayed_and_discarded(numbers: Numbers) -> None:
    numbers(count=3, bad=[1])
    runner.invoke(app, ["sync", "numbers", "items"])
    listed = runner.invoke(app, ["quarantine", "list"]).stdout
    line = next(line for line in listed.splitlines() if "numbers.items" in line)
    number = line.split("│")[1].strip()
    assert "(+1)" in line
    shown = runner.invoke(app, ["quarantine", "show", number]).stdout
    assert '"updated_at": "yesterday"' in shown
    assert 'error: text: the value is not of type "string"' in shown
    assert runner.invoke(app, ["quarantine", "replay"]).stdout == "numbers.items: 0 replayed, 1 still broken\n"
    assert runner.invoke(app, ["quarantine", "discard", number]).exit_code == 2  # no reason
    discarded = runner.invoke(app, ["quarantine", "discard", number, "--why", "a test order", "--by", "ann"])
    assert discarded.stdout == "1 discarded; `quarantine show` still has them.\n"
    assert "discarded by ann at " in runner.invoke(app, ["quarantine", "show", number]).stdout
    assert "retention.quarantine" in runner.invoke(app, ["quarantine", "discard", "--help"]).stdout
    assert runner.invoke(app, ["quarantine", "list"]).stdout == "The quarantine is empty.\n"
    missing = runner.invoke(app, ["quarantine", "show", "0"])
    assert isinstance(missing.exception, HeadwaterError)


def test_a_missing_warehouse_is_one_line_and_exit_1() -> None:
    command = [sys.executable, "-m", "ingestion", "status"]
    url = "postgresql://nobody:geheim@127.0.0.1:1/none"
    done = subprocess.run(command, cwd=ROOT, env={"WAREHOUSE_URL": url}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: The warehouse at 127.0.0.1:1/none cannot be used: ")
    assert done.stderr.count("\n") == 1
    assert "geheim" not in done.stderr
