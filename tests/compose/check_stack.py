"""The Docker stack, proved: `make test-compose`. Not part of `make test`: it needs a Docker engine.

Public images are pulled where they can be; else stand-ins of Debian's packages take their names (standins.py).
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import compose
import psycopg
import pytest
import requests

from local.postgres import free_port
from settings import load_pipeline
from tests.compose.standins import ensure_images

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "headwater-test"
# The wheel's program itself: the script that it puts into .venv/bin loses the exit code.
COMPOSE_FOLDER = Path(compose.__file__).parent
PORTS = (
    "AIRFLOW_PORT",
    "GRAFANA_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "POSTGRES_PORT",
    "MOCK_APIS_PORT",
    "WEBHOOKS_PORT",
    "REPORTS_PORT",
)
MARTS = (
    "daily_sales_by_region",
    "customer_lifetime_value",
    "email_campaign_performance",
    "product_performance",
)


class Stack:
    """A clone of this checkout with the stack that its `make up` brought up."""

    def __init__(self, checkout: Path):
        self.checkout = checkout
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "PATH": f"{COMPOSE_FOLDER}:{os.environ['PATH']}",
            **{name: str(free_port()) for name in PORTS},
        }
        if Path("/etc/pip.conf").exists():
            self.environment["PIP_CONF"] = "/etc/pip.conf"
        for certificate in Path("/usr/local/share/ca-certificates").glob("*.crt"):
            shutil.copy(certificate, checkout / "docker/ca")

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", target], cwd=self.checkout, env=self.environment, capture_output=True, text=True, timeout=1500
        )

    @property
    def secrets(self) -> dict[str, str]:
        lines = (self.checkout / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    def port(self, name: str) -> int:
        return int(self.environment[name])

    def query(self, user: str, text: str) -> list[tuple[Any, ...]]:
        password = self.secrets["POSTGRES_PASSWORD" if user == "headwater" else f"{user.upper()}_PASSWORD"]
        url = f"postgresql://{user}:{password}@127.0.0.1:{self.port('POSTGRES_PORT')}/warehouse"
        with psycopg.connect(url) as connection:
            return connection.execute(text.encode()).fetchall()

    def containers(self) -> list[dict[str, Any]]:
        listed = subprocess.run(
            ["docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        if not listed:
            return []
        found = subprocess.run(["docker", "inspect", *listed], capture_output=True, text=True, check=True)
        inspected: list[dict[str, Any]] = json.loads(found.stdout)
        return inspected


def until(what: str, found: Callable[[], Any], seconds: float) -> Any:
    """The first true answer of `found`; fails with `what` when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(2)
    return answer


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True)
    assert answer.returncode == 0, f"start a Docker engine first (as root: dockerd &): {answer.stderr.strip()}"
    standins = ensure_images(ROOT, ROOT / ".local" / "standins")
    print(f"\nstand-ins, not the public images: {', '.join(standins) or 'none'}", flush=True)
    checkout = tmp_path_factory.mktemp("clone") / "headwater"
    subprocess.run(["git", "clone", "-q", ROOT, checkout], check=True)
    stack = Stack(checkout)
    done = stack.make("up")
    try:
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        yield stack
    finally:
        logs = ["docker-compose", "--profile", "*", "logs", "--no-color", "--tail", "200"]
        (ROOT / ".local").mkdir(exist_ok=True)
        with (ROOT / ".local" / "compose.log").open("w") as file:
            subprocess.run(logs, cwd=checkout, env=stack.environment, stdout=file, stderr=file)
        end = ["docker-compose", "--profile", "*", "down", "-v", "--remove-orphans"]
        subprocess.run(end, cwd=checkout, env=stack.environment, capture_output=True)


def test_the_first_up_writes_random_secrets_for_the_owner_alone(stack: Stack) -> None:
    path = stack.checkout / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secrets = {name: value for name, value in stack.secrets.items() if "PASSWORD" in name or "SECRET" in name}
    # The pretend shop has one SFTP server for the emails and the uploads.
    assert secrets.pop("UPLOADS_SFTP_PASSWORD") == secrets["EMAIL_SFTP_PASSWORD"]
    words = list(secrets.values())
    assert len(set(words)) == len(words) >= 7
    assert all(len(word) >= 32 for word in words)


def test_containers_are_non_root_limited_restarted_and_checked(stack: Stack) -> None:
    containers = stack.containers()
    assert len(containers) == 14
    for container in containers:
        name = container["Name"]
        once = container["Config"]["Labels"]["com.docker.compose.service"] == "init"
        assert container["Config"]["User"] not in ("", "root", "0"), name
        assert container["HostConfig"]["Memory"] > 0, name
        assert container["HostConfig"]["RestartPolicy"]["Name"] == ("no" if once else "unless-stopped"), name
        if once:
            assert container["State"]["ExitCode"] == 0
        else:
            assert container["State"]["Health"]["Status"] == "healthy", name
        for bindings in (container["HostConfig"]["PortBindings"] or {}).values():
            assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"], name


def test_both_kinds_of_dag_run_and_the_marts_are_filled(stack: Stack) -> None:
    """The schedules themselves: each source is loaded at once on a new installation, and its arrival delivers."""
    found = until(
        "a delivery",
        lambda: stack.query("headwater", "select status, error from ops.deliveries where finished_at is not null"),
        600,
    )
    assert found[0] == ("published", None)
    for source, settings in load_pipeline().enabled_sources.items():
        for table in (f"raw.{source}_{stream}" for stream in settings.streams):
            until(f"rows in {table}", partial(stack.query, "headwater", f"select 1 from {table} limit 1"), 180)
    for mart in MARTS:
        for login in ("reporter", "dashboard"):
            assert stack.query(login, f"select count(*) from marts.{mart}")[0][0] > 0, mart
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stack.query("reporter", "select 1 from raw.shopify_orders")


def test_the_report_and_the_documentation_are_served_after_the_delivery(stack: Stack) -> None:
    for path, words in (("", "Revenue"), ("docs/", "daily_sales_by_region")):
        url = f"http://127.0.0.1:{stack.port('REPORTS_PORT')}/{path}"
        until(f"the page {url}", lambda url=url, words=words: words in requests.get(url, timeout=10).text, 180)


def test_webhooks_of_a_day_that_passes_are_stored_and_applied(stack: Stack) -> None:
    address = f"http://127.0.0.1:{stack.port('MOCK_APIS_PORT')}/_admin/advance"
    requests.post(address, json={"days": 1}, timeout=120).raise_for_status()
    applied = "select distinct source from ops.webhook_events where status = 'processed' order by 1"
    until(
        "webhooks of both senders, applied",
        lambda: stack.query("headwater", applied) == [("shopify",), ("stripe",)],
        180,
    )


def test_every_prometheus_target_is_up_and_grafana_answers(stack: Stack) -> None:
    def targets() -> list[dict[str, Any]]:
        answer = requests.get(f"http://127.0.0.1:{stack.port('PROMETHEUS_PORT')}/api/v1/targets", timeout=10)
        found: list[dict[str, Any]] = answer.json()["data"]["activeTargets"]
        return found if found and all(target["health"] == "up" for target in found) else []

    jobs = {target["labels"]["job"] for target in until("every Prometheus target up", targets, 120)}
    assert {"pipeline", "prometheus", "alertmanager"} <= jobs
    answer = requests.get(f"http://127.0.0.1:{stack.port('GRAFANA_PORT')}/api/health", timeout=10)
    assert answer.status_code == 200, answer.text


def test_down_stops_everything_and_keeps_the_data(stack: Stack) -> None:
    done = stack.make("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.containers() == []
    command = ["docker", "volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={PROJECT}"]
    volumes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert f"{PROJECT}_postgres-data" in volumes
