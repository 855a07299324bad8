"""The exporter process: the ops tables and Airflow's StatsD packets on one /metrics."""

from __future__ import annotations

from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server

from monitoring.collector import OpsCollector
from monitoring.statsd import AirflowMetrics
from settings import HeadwaterError


def start_exporter(host: str, port: int, statsd_port: int | None = None, url: str | None = None) -> WSGIServer:
    """Serve in threads of this process; return the HTTP server (`server_port`, `shutdown()`).

    `statsd_port` None leaves Airflow's packets out. Raises HeadwaterError when a port is taken.
    """
    registry = CollectorRegistry()
    registry.register(OpsCollector(url))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    if statsd_port is not None:
        registry.register(AirflowMetrics(host, statsd_port).start())
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise HeadwaterError(
            f"The exporter cannot listen on {host}:{port}: {error.strerror}; choose another with --port."
        ) from error
    return server
