"""Airflow's own StatsD client against our listener: the names and labels that alerts and panels use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry, generate_latest

from monitoring.statsd import MAX_SERIES, AirflowMetrics

SEND = """
from airflow._shared.observability.metrics import stats
from airflow.configuration import conf
from airflow.observability.metrics import stats_utils
# As the scheduler does before its loop.
stats.initialize(
    factory=stats_utils.get_stats_factory(), export_legacy_names=conf.getboolean("metrics", "legacy_names_on")
)
stats.incr("scheduler_heartbeat", 1, 1)
stats.incr("scheduler_heartbeat", 1, 1)
stats.incr("ti.finish", tags={"dag_id": "deliver", "task_id": "dbt", "state": "failed", "run_id": "manual__1"})
stats.incr("ti_failures", tags={"dag_id": "deliver", "task_id": "dbt"})
stats.gauge("dag_processing.import_errors", 3)
stats.timing("task.duration", 1500, tags={"dag_id": "deliver", "task_id": "dbt"})
"""


USED = {"scheduler_heartbeat", "ti_failures", "task.duration", "dag_processing.import_errors"}  # by rules and panels


def exposed(metrics: AirflowMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode()


def test_airflows_packets_become_labelled_metrics(tmp_path: Path) -> None:
    metrics = AirflowMetrics().start()
    settings = {
        "STATSD_ON": "True",
        "STATSD_HOST": "127.0.0.1",
        "STATSD_PORT": str(metrics.port),
        "STATSD_PREFIX": "airflow",
        "STATSD_INFLUXDB_ENABLED": "True",
        "LEGACY_NAMES_ON": "False",
    }
    environment = os.environ | {"AIRFLOW_HOME": str(tmp_path)}
    environment |= {f"AIRFLOW__METRICS__{name}": value for name, value in settings.items()}
    subprocess.run([sys.executable, "-c", SEND], env=environment, check=True, timeout=60)
    deadline = time.monotonic() + 5
    while "airflow_task_duration_seconds_sum" not in (text := exposed(metrics)):  # the last packet sent
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    metrics.close()
    for line in (
        "airflow_scheduler_heartbeat_total 2.0",
        'airflow_ti_finish_total{dag_id="deliver",state="failed",task_id="dbt"} 1.0',
        'airflow_ti_failures_total{dag_id="deliver",task_id="dbt"} 1.0',
        "airflow_dag_processing_import_errors 3.0",
        'airflow_task_duration_seconds_count{dag_id="deliver",task_id="dbt"} 1.0',
        'airflow_task_duration_seconds_sum{dag_id="deliver",task_id="dbt"} 1.5',
        "airflow_statsd_dropped_total 0.0",
    ):
        assert f"\n{line}\n" in text, text


def test_airflow_knows_the_names_that_alerts_and_panels_use() -> None:
    spec = find_spec("airflow")  # found, not imported: that takes seconds and makes a folder in the home
    assert spec and spec.origin
    registry = Path(spec.origin).parent / "_shared" / "observability" / "metrics" / "metrics_template.yaml"
    assert {metric["name"] for metric in yaml.safe_load(registry.read_text())["metrics"]} >= USED
    monitoring = Path(__file__).resolve().parents[2] / "monitoring"
    files = [*monitoring.glob("prometheus/rules/*.yml"), *monitoring.glob("grafana/dashboards/*.json")]
    used = {name for path in files for name in re.findall(r"airflow_(\w+)", path.read_text())}
    used = {re.sub(r"(_seconds_(sum|count)|_total)$", "", name) for name in used}
    assert used == {name.replace(".", "_") for name in USED}


def test_nonsense_and_too_many_series_are_dropped_and_counted() -> None:
    metrics = AirflowMetrics()
    for line in ("", "no value", "airflow.x:1|z", "airflow.x:1e|c", "airflow.x:1|c|@0"):
        metrics.take(line)
    metrics.take("airflow.sampled:2|c|@0.5")
    metrics.take("airflow.level:5|g")
    metrics.take("airflow.level:-2|g")
    for number in range(MAX_SERIES):
        metrics.take(f"airflow.ti.start,dag_id=d{number}:1|c")
    metrics.close()
    text = exposed(metrics)
    assert "airflow_sampled_total 4.0" in text and "airflow_level 3.0" in text
    assert "airflow_statsd_dropped_total 7.0" in text
