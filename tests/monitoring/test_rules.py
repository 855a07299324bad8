"""The alert rules fire, do not fire, and bear a missing series; each names a runbook that is there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.tools import tool

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
RULES = sorted((MONITORING / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((MONITORING / "prometheus" / "tests").glob("*.yml"))
ALERTS = [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
HEADINGS = ["## Time needed", "## Prerequisites", "## Checklist"]


def run(*command: str, **environment: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_rules_behave() -> None:
    run(tool("promtool"), "test", "rules", *map(str, RULE_TESTS))


def test_configuration_is_valid() -> None:
    run(tool("promtool"), "check", "config", str(MONITORING / "prometheus" / "prometheus.yml"))


def test_every_alert_is_tested_for_firing_not_firing_and_a_missing_series() -> None:
    fires, silent, missing = set(), set(), set()
    for path in RULE_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                (fires if case["exp_alerts"] else silent if test["input_series"] else missing).add(case["alertname"])
                if case["exp_alerts"] and not test["input_series"]:
                    missing.add(case["alertname"])
    names = {rule["alert"] for rule in ALERTS}
    assert names == fires == silent == missing


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_a_summary_and_a_runbook(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    text = (MONITORING.parent / rule["annotations"]["runbook"]).read_text()
    assert [line for line in text.splitlines() if line in HEADINGS] == HEADINGS
    assert f"`{rule['alert']}`" in text


@pytest.mark.parametrize(
    ("webhook", "slack", "integrations"),
    [("", "", "0"), ("http://hook:9/a?b=c", "", "1"), ("http://hook:9/a", "https://hooks.slack.test/T/B/x", "2")],
)
def test_alertmanager_sends_where_the_environment_says(
    tmp_path: Path, webhook: str, slack: str, integrations: str
) -> None:
    alertmanager = MONITORING / "alertmanager"
    run(
        "sh",
        str(alertmanager / "entrypoint.sh"),
        TMPDIR=str(tmp_path),
        ALERTMANAGER="true",
        ALERTMANAGER_CONFIG=str(alertmanager / "alertmanager.yml"),
        ALERT_WEBHOOK_URL=webhook,
        SLACK_WEBHOOK_URL=slack,
    )
    written = tmp_path / "alertmanager.yml"
    run(tool("amtool"), "check-config", str(written))
    receiver = yaml.safe_load(written.read_text())["receivers"][0]
    assert str(len(receiver) - 1) == integrations
