"""`python -m ingestion`: sync or backfill a source, see how the streams stand, look after the quarantine."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from ingestion.backfill_door import backfill
from ingestion.door import print_table, refuse_unknown
from ingestion.new_source import new_source
from ingestion.quarantine_door import app as quarantine_app
from ingestion.reconcile_door import reconcile
from ingestion.show import SyncDisplay
from ingestion.status import StreamStatus
from ingestion.status import status as read_status
from ingestion.sync import sync as run_sync
from settings import friendly_errors

app = typer.Typer(
    help="Load the sources into raw.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(quarantine_app, name="quarantine")
app.command("new-source")(new_source)
app.command()(reconcile)
app.command()(backfill)


@app.command()
def sync(
    source: Annotated[str, typer.Argument(help="A source of pipeline.yml.")],
    streams: Annotated[list[str] | None, typer.Argument(help="Its streams (all of them).")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show the results only.")] = False,
) -> None:
    """Load what SOURCE has and the warehouse has not; exit 1 when a stream failed (the others are loaded)."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    refuse_unknown(source, streams)
    with SyncDisplay(quiet) as display:
        results = run_sync(source, streams, on_progress=display.update)
    failed: dict[str, list[str]] = {}
    for result in results:
        if result.error:
            failed.setdefault(result.error, []).append(f"{result.source}.{result.stream}")
        else:
            display.result(result)
    for error, names in failed.items():
        typer.echo(f"{', '.join(names)}: failed: {error}", err=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def status() -> None:
    """Show for every stream how far it has come, how its last run ended and what waits in quarantine."""
    table = Table("stream", "complete up to", "lag", "last run", "read", "new", "rejected", "in quarantine", "webhooks")
    for row in read_status():
        last = "never" if row.last_status is None else f"{row.last_status} {row.last_started_at:%Y-%m-%d %H:%M}"
        table.add_row(
            f"{row.source}.{row.stream}",
            f"{row.watermark:%Y-%m-%d %H:%M:%S}" if row.watermark else "-",
            f"{_short(row.lag)}{' late' if row.late else ''}" if row.lag is not None else "-",
            f"{last}: {row.last_error}" if row.last_error else last,
            *(str(row.counts.received), str(row.counts.kept), str(row.counts.rejected), str(row.open_quarantine)),
            _webhooks(row),
        )
    print_table(table)


@app.command()
def webhooks(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8070,
    only_apply: Annotated[
        bool, typer.Option("--apply-pending", help="Take none: apply what was stored and is still pending, and end.")
    ] = False,
) -> None:
    """Take the webhooks of the sources whose {SOURCE}_WEBHOOK_SECRET is set, and apply them."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if not only_apply:
        from ingestion.webhooks.serve import serve

        serve(host, port)
        return
    from ingestion.webhooks.apply import apply_pending

    results = apply_pending()
    for done in results:
        left = f"; the rest is left pending: {done.left}" if done.left else ""
        print(f"{done.source}.{done.stream}: {done.events} events applied, {done.kept} new to raw{left}")
    if not results:
        print("No webhook is pending.")
    if any(done.left for done in results):
        raise typer.Exit(1)


def _webhooks(row: StreamStatus) -> str:
    if row.webhooks_missed is None and not row.webhooks_pending:
        return "-"
    return f"{row.webhooks_pending} pending, {row.webhooks_missed or 0} missed"


def _short(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2 * 24 * 60 else f"{minutes // 1440} d"


if __name__ == "__main__":
    with friendly_errors():
        app()
