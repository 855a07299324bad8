"""What holds for every Grafana dashboard; and of the pipeline's health, that every query returns data.

From a real Prometheus that scrapes the real exporter. The other one's queries: test_business_dashboard.py.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from local.postgres import free_port
from monitoring.exporter import start_exporter
from tests.monitoring.tools import tool

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
BOARDS = {path.name: json.loads(path.read_text()) for path in DASHBOARDS}
PANELS = [panel for board in BOARDS.values() for panel in board["panels"] if panel["type"] != "row"]
HEALTH = [panel for panel in PANELS if panel["datasource"]["type"] == "prometheus"]
UNITS = {"none", "short", "locale", "s", "percent", "percentunit", "dateTimeFromNow"}
# What Airflow sends; test_statsd.py holds these names against Airflow itself.
AIRFLOW = [
    "airflow.scheduler_heartbeat:1|c",
    "airflow.ti_failures,dag_id=deliver,task_id=dbt:1|c",
    "airflow.task.duration,dag_id=deliver,task_id=dbt:1500|ms",
    "airflow.dag_processing.import_errors:0|g",
]


class Prometheus:
    """A real server over the real rules, scraping one target every second."""

    def __init__(self, folder: Path, target: str):
        self.url = f"http://127.0.0.1:{free_port()}"
        config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
        config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(MONITORING / "prometheus" / "rules" / "*.yml")]
        config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] == "pipeline"]
        config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        del config["alerting"]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        address = self.url.removeprefix("http://")
        command = [tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, f"--web.listen-address={address}"], stdout=log, stderr=log, cwd=folder
            )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10)
        if answer.status_code == 503:  # it is starting
            return []
        body = answer.json()
        assert body["status"] == "success", f"{expression}: {body}"
        result: list[dict[str, Any]] = body["data"]["result"]
        return result

    def wait_for(self, expression: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.query(expression):
                    return
            except requests.ConnectionError:
                assert self._process.poll() is None, "Prometheus has ended"
            assert time.monotonic() < deadline, f"{expression} has no data"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def prometheus(delivered: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    statsd = free_port()
    exporter = start_exporter("127.0.0.1", 0, statsd_port=statsd, url=delivered)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as airflow:
        airflow.connect(("127.0.0.1", statsd))
        server = Prometheus(tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{exporter.server_port}")
        try:
            for line in AIRFLOW:
                airflow.send(line.encode())
            server.wait_for("airflow_task_duration_seconds_count")
            for line in AIRFLOW:  # a rate needs a change
                airflow.send(line.encode())
            server.wait_for("rate(airflow_task_duration_seconds_count[1h]) > 0")
            yield server
        finally:
            server.stop()
            exporter.shutdown()
            exporter.server_close()


@pytest.mark.parametrize("panel", HEALTH, ids=lambda panel: panel["title"])
def test_every_query_returns_data(prometheus: Prometheus, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        rows = prometheus.query(target["expr"])
        assert rows, target["expr"]
        for row in rows:
            assert row["value"][1] != "NaN", target["expr"]
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert label in row["metric"] or "== 0" in target["expr"], f"{target['expr']} has no label {label}"


def test_the_alerts_see_the_stale_source(prometheus: Prometheus) -> None:
    """The rules as they are, over the exporter as it is: names and labels meet."""
    prometheus.wait_for('ALERTS{alertname="SourceStale",source="email",alertstate="pending"}')
    assert not prometheus.query('ALERTS{alertname="SourceStale",source="shopify"}')
    assert not prometheus.query('ALERTS{alertname=~"ExporterDown|WarehouseUnreachable|DeliveryFailed"}')


def test_dashboards_are_sound() -> None:
    provisioned = {
        (source["type"], source["uid"])
        for path in (MONITORING / "grafana" / "provisioning" / "datasources").glob("*.yml")
        for source in yaml.safe_load(path.read_text())["datasources"]
    }
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    for board in BOARDS.values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
    for panel in PANELS:
        sources = [panel["datasource"], *(one["datasource"] for one in panel["targets"])]
        assert {(one["type"], one["uid"]) for one in sources} <= provisioned
        unit = panel["fieldConfig"]["defaults"]["unit"]
        assert unit in UNITS or unit.startswith("time:"), panel["title"]
    for board in BOARDS.values():
        boxes = [panel["gridPos"] for panel in board["panels"]]
        cells = [
            (x, y)
            for box in boxes
            for x in range(box["x"], box["x"] + box["w"])
            for y in range(box["y"], box["y"] + box["h"])
        ]
        assert len(set(cells)) == len(cells) and max(x for x, _ in cells) == 23, "panels overlap"
