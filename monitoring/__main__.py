"""`python -m monitoring`: the exporter, the report, dbt's documentation."""

from __future__ import annotations

import signal
from pathlib import Path

import typer

from settings import friendly_errors

app = typer.Typer(
    help="The exporter for Prometheus, the report, and dbt's documentation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def exporter(
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(9100, help="Port of /metrics."),
    statsd_port: int = typer.Option(9125, help="UDP port for Airflow's StatsD packets; 0 leaves them out."),
) -> None:
    """Serve the ops tables (and Airflow's metrics) on /metrics until told to end."""
    from monitoring.exporter import start_exporter
    from warehouse import warehouse_url

    warehouse_url()  # a missing address is said now, not at the first scrape
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    server = start_exporter(host, port, statsd_port or None)
    print(f"http://{host}:{server.server_port}/metrics", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        server.shutdown()


@app.command()
def report(out: Path = typer.Option(Path("reports/index.html"), help="The file to write.")) -> None:
    """Write the report: one HTML file that needs nothing else; it links to dbt's documentation in docs/ beside it."""
    from monitoring.report import write_report

    print(write_report(out))


@app.command()
def docs(out: Path = typer.Option(Path("reports/docs/index.html"), help="The file to write.")) -> None:
    """Write dbt's documentation, with the lineage of every model: one HTML file that needs nothing else."""
    from monitoring.dbt_docs import write_dbt_docs

    print(write_dbt_docs(out))


if __name__ == "__main__":
    with friendly_errors():
        app()
