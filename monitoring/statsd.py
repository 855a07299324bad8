"""Airflow's StatsD packets as Prometheus metrics.

Airflow pushes UDP packets; this listens and is scraped with the rest. Airflow needs (section `metrics`):
statsd_on=True, statsd_host, statsd_port, statsd_prefix=airflow, statsd_influxdb_enabled=True (tags travel with the
name: `airflow.ti.finish,dag_id=deliver,state=success:1|c`), legacy_names_on=False (names with ids in them).
A counter becomes `airflow_ti_finish_total`, a timer `airflow_task_duration_seconds_{sum,count}`, a gauge keeps its
name.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from settings import HeadwaterError

LINE = re.compile(
    r"(?P<name>[^,:|]+)(?P<tags>[^:|]*):(?P<value>[+-]?[\d.eE+-]+)\|(?P<kind>c|g|ms)(?:\|@(?P<rate>[\d.]+))?"
)
# Other tags (run_id, job_id, hostname, map_index …) take a new value for every run: never a label.
LABELS = {
    "dag_id", "task_id", "state", "status", "return_code", "executor", "pool_name", "queue", "operator_name",
    "file_name", "bundle_name", "job_name",
}  # fmt: skip
MAX_SERIES = 5_000
GAUGE_SECONDS = 600.0  # a gauge nobody has sent for this long is of a process that is gone

Labels = tuple[tuple[str, str], ...]


class AirflowMetrics(Collector):
    """Listens on UDP `host:port` from `start()` on. Raises HeadwaterError when the port is taken."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            raise HeadwaterError(
                f"StatsD port {host}:{port} cannot be opened: {error.strerror}; choose another with --statsd-port."
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, Labels], float] = {}
        self._gauges: dict[tuple[str, Labels], tuple[float, float]] = {}
        self._timers: dict[tuple[str, Labels], tuple[int, float]] = {}
        self._dropped = 0

    def start(self) -> AirflowMetrics:
        threading.Thread(target=self._listen, name="statsd", daemon=True).start()
        return self

    def close(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                packet = self._socket.recv(65_535)
            except OSError:  # closed
                return
            for line in packet.decode(errors="replace").splitlines():
                self.take(line)

    def take(self, line: str) -> None:
        """Count one StatsD line; one that cannot be read, or is one series too many, is counted as dropped."""
        match = LINE.fullmatch(line.strip())
        with self._lock:
            try:
                if match is None:
                    raise ValueError(line)
                self._store(match["name"], match["tags"], match["value"], match["kind"], float(match["rate"] or 1))
            except (ValueError, ZeroDivisionError):
                self._dropped += 1

    def _store(self, name: str, tags: str, value: str, kind: str, rate: float) -> None:
        pairs = (tag.partition("=") for tag in tags.split(",") if "=" in tag)
        labels = tuple(sorted((key, text) for key, _, text in pairs if key in LABELS))
        key = (re.sub(r"[^a-zA-Z0-9_]", "_", name), labels)
        known = {"c": self._counters.keys(), "g": self._gauges.keys(), "ms": self._timers.keys()}
        if key not in known[kind] and sum(map(len, known.values())) >= MAX_SERIES:
            raise ValueError(name)
        number = float(value)
        if kind == "c":
            self._counters[key] = self._counters.get(key, 0.0) + number / rate
        elif kind == "ms":
            count, total = self._timers.get(key, (0, 0.0))
            self._timers[key] = (count + 1, total + number / 1000)
        else:
            before = self._gauges.get(key, (0.0, 0.0))[0] if value[0] in "+-" else 0.0
            self._gauges[key] = (before + number, time.monotonic())

    def describe(self) -> Iterable[Metric]:
        """Nothing: what Airflow will send is not known beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            oldest = time.monotonic() - GAUGE_SECONDS
            self._gauges = {key: gauge for key, gauge in self._gauges.items() if gauge[1] >= oldest}
            families: dict[str, Metric] = {}
            for (name, labels), total in self._counters.items():
                _add(families, name, "counter", labels, _total=total)
            for (name, labels), (value, _) in self._gauges.items():
                _add(families, name, "gauge", labels, **{"": value})
            for (name, labels), (count, seconds) in self._timers.items():
                _add(families, f"{name}_seconds", "summary", labels, _count=count, _sum=seconds)
            _add(families, "airflow_statsd_dropped", "counter", (), _total=self._dropped)
        yield from families.values()


def _add(families: dict[str, Metric], name: str, kind: str, labels: Labels, **values: float) -> None:
    """Add samples (by their suffix). Airflow sends a few names as two kinds: the later gets a name of its own."""
    if name in families and families[name].type != kind:
        name = f"{name}_{kind}"
    family = families.setdefault(name, Metric(name, f"Airflow's {name}, by StatsD.", kind))
    for suffix, value in values.items():
        family.add_sample(name + suffix, dict(labels), value)
