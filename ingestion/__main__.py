"""`python -m ingestion`: sync a source, see how the streams stand, look after the quarantine."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ingestion import quarantine as quarantined
from ingestion.catalog import check_names
from ingestion.new_source import new_source
from ingestion.reconcile_door import reconcile
from ingestion.show import SyncDisplay
from ingestion.status import StreamStatus
from ingestion.status import status as read_status
from ingestion.sync import sync as run_sync
from settings import HeadwaterError, friendly_errors, load_pipeline

app = typer.Typer(
    help="Load the sources into raw.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
quarantine_app = typer.Typer(help="Records that broke their contract.", no_args_is_help=True, add_completion=False)
app.add_typer(quarantine_app, name="quarantine")
app.command("new-source")(new_source)
app.command()(reconcile)

Source = Annotated[str | None, typer.Argument(help="A source of pipeline.yml (all of them).")]
Stream = Annotated[str | None, typer.Argument(help="A stream of it (all of them).")]


@app.command()
def sync(
    source: Annotated[str, typer.Argument(help="A source of pipeline.yml.")],
    streams: Annotated[list[str] | None, typer.Argument(help="Its streams (all of them).")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show the results only.")] = False,
) -> None:
    """Load what SOURCE has and the warehouse has not; exit 1 when a stream failed (the others are loaded)."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    _known(source, streams)
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
    _print(table)


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


@quarantine_app.command("list")
def list_(
    source: Source = None,
    stream: Stream = None,
    everything: Annotated[bool, typer.Option("--all", help="The replayed and discarded ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
) -> None:
    """Show the newest quarantined records, each with its first error."""
    entries = quarantined.list_entries(source, stream, everything=everything, limit=limit)
    table = Table("id", "stream", "key", "since", "status", "errors")
    for each in entries:
        more = f" (+{len(each.errors) - 1})" if len(each.errors) > 1 else ""
        since = f"{each.quarantined_at:%Y-%m-%d %H:%M}"
        name = f"{each.source}.{each.stream}"
        table.add_row(str(each.id), name, each.key or "-", since, each.status, f"{each.errors[0]}{more}")
    if entries:
        _print(table)
    else:
        print("The quarantine is empty.")


@quarantine_app.command()
def show(quarantine_id: Annotated[int, typer.Argument(help="The number that `list` shows.")]) -> None:
    """Show one record: every error it has, where it came from, and the record itself."""
    kept = quarantined.show(quarantine_id)
    entry = kept.entry
    print(
        f"{entry.source}.{entry.stream} {entry.key or '(no key)'}: {entry.status}, since {entry.quarantined_at:%F %T%z}"
    )
    print(f"from: {kept.origin}")
    for error in entry.errors:
        print(f"error: {error}")
    try:
        print(json.dumps(json.loads(kept.record), indent=2, ensure_ascii=True))
    except (ValueError, RecursionError):
        print(repr(kept.record))


@quarantine_app.command()
def replay(source: Source = None, stream: Stream = None) -> None:
    """Hold open records against today's contracts: those that pass go to raw, the others stay with their new errors."""
    if source:
        _known(source, [stream] if stream else None)
    pairs = [(source, stream)] if source and stream else quarantined.streams_with_open(source)
    for each_source, each_stream in pairs:
        done = quarantined.replay(each_source, each_stream)
        print(f"{done.source}.{done.stream}: {done.written} replayed, {done.still_open} still broken")
    if not pairs:
        print("The quarantine is empty.")


def _print(table: Table) -> None:
    """As wide as the terminal is; whole where there is none."""
    console = Console(markup=False)
    (console if console.is_terminal else Console(markup=False, width=200)).print(table)


def _known(source: str, streams: list[str] | None) -> None:
    """Refuse an unknown name as a wrong use (exit 2), before anything runs."""
    pipeline = load_pipeline()
    try:
        check_names(pipeline, source, streams or ())
    except HeadwaterError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


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
