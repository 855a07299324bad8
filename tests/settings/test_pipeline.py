"""A mistake in pipeline.yml or the environment is named by key and line, in one or two lines, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from settings import SettingsError, load_pipeline, secret

ROOT = Path(__file__).resolve().parents[2]
GOOD = (ROOT / "pipeline.yml").read_text()

MISTAKES = [
    ("timezone: Europe/Berlin", "timezone: Berlin", r"line 6, shop\.timezone: 'Berlin' is not a time zone"),
    ('deadline: "08:00"', "deadline: 18:30", r"line \d+, delivery\.deadline: write a time of day"),
    ("    freshness: 26h", "    freshness: 26", r"line \d+, sources\.shopify\.freshness: write a duration"),
    ("    critical: true", "    critcal: true", r"line \d+, sources\.shopify\.critcal: there is no such setting"),
    (
        "    critical: true",
        "    critical: true\n    enabled: false",
        r"line \d+, sources\.shopify: .*no day is delivered without a critical source",
    ),
    ("    freshness: 26h\n", "", r"line \d+, sources\.shopify\.freshness: this setting is missing"),
    ('schedule: "15 2 * * *"', 'schedule: "hourly"', r"sources\.shopify\.schedule: 'hourly' is not a cron line"),
    (
        "usual_rows_share: 0.7",
        "usual_rows_share: 7",
        r"usual_rows_share: Input should be less than or equal to 1",
    ),
    ("loads: 400d", "loads: 7d", r"line \d+, retention: loads must be kept for 30d at least"),
    ("      customers:\n", "      Customers!:\n", r"line \d+, sources\.shopify\.streams\.Customers!"),
    ("shop:\n", "shop: [\n", r"line \d+: not valid YAML"),
]


@pytest.mark.parametrize(("good", "bad", "message"), MISTAKES)
def test_a_mistake_is_named_by_key_and_line(tmp_path: Path, good: str, bad: str, message: str) -> None:
    assert good in GOOD
    path = tmp_path / "pipeline.yml"
    path.write_text(GOOD.replace(good, bad, 1))
    with pytest.raises(SettingsError, match=message):
        load_pipeline(path)


def test_a_missing_secret_is_named_with_where_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)
    with pytest.raises(SettingsError, match=r"STRIPE_API_KEY is not set: set it in \.env"):
        secret("STRIPE_API_KEY")


def test_the_door_prints_the_message_alone_and_exits_with_1(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yml"
    path.write_text(GOOD.replace("Europe/Berlin", "Berlin", 1))
    done = subprocess.run(
        [sys.executable, "-m", "settings", "check"],
        cwd=ROOT,
        env={**os.environ, "HEADWATER_PIPELINE": str(path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: pipeline.yml, line 6, shop.timezone:")
    assert len(done.stderr.splitlines()) == 1
