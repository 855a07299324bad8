"""`python -m ingestion quarantine`: list the records that broke their contract; show, replay or discard them."""

from __future__ import annotations

import getpass
import json
from typing import Annotated

import typer
from rich.table import Table

from ingestion import quarantine
from ingestion.door import print_table, refuse_unknown

app = typer.Typer(
    help="Records that broke their contract.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

Source = Annotated[str | None, typer.Argument(help="A source of pipeline.yml (all of them).")]
Stream = Annotated[str | None, typer.Argument(help="A stream of it (all of them).")]
EMPTY = "The quarantine is empty."


@app.command("list")
def list_(
    source: Source = None,
    stream: Stream = None,
    everything: Annotated[bool, typer.Option("--all", help="The replayed and discarded ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
) -> None:
    """Show the newest quarantined records, each with its first error."""
    entries = quarantine.list_entries(source, stream, everything=everything, limit=limit)
    table = Table("id", "stream", "key", "since", "status", "errors")
    for each in entries:
        more = f" (+{len(each.errors) - 1})" if len(each.errors) > 1 else ""
        since = f"{each.quarantined_at:%Y-%m-%d %H:%M}"
        name = f"{each.source}.{each.stream}"
        table.add_row(str(each.id), name, each.key or "-", since, each.status, f"{each.errors[0]}{more}")
    if entries:
        print_table(table)
    else:
        print(EMPTY)


@app.command()
def show(quarantine_id: Annotated[int, typer.Argument(help="The number that `list` shows.")]) -> None:
    """Show one record: every error it has, where it came from, and the record itself."""
    kept = quarantine.show(quarantine_id)
    entry = kept.entry
    print(
        f"{entry.source}.{entry.stream} {entry.key or '(no key)'}: {entry.status}, since {entry.quarantined_at:%F %T%z}"
    )
    print(f"from: {kept.origin}")
    if kept.discarded_by:
        print(f"discarded by {kept.discarded_by} at {kept.resolved_at:%F %T%z}: {kept.discard_reason}")
    for error in entry.errors:
        print(f"error: {error}")
    try:
        print(json.dumps(json.loads(kept.record), indent=2, ensure_ascii=True))
    except (ValueError, RecursionError):
        print(repr(kept.record))


@app.command()
def replay(source: Source = None, stream: Stream = None) -> None:
    """Hold open records against today's contracts: those that pass go to raw, the others stay with their new errors."""
    if source:
        refuse_unknown(source, [stream] if stream else None)
    pairs = [(source, stream)] if source and stream else quarantine.streams_with_open(source)
    for each_source, each_stream in pairs:
        done = quarantine.replay(each_source, each_stream)
        print(f"{done.source}.{done.stream}: {done.written} replayed, {done.still_open} still broken")
    if not pairs:
        print(EMPTY)


@app.command()
def discard(
    quarantine_ids: Annotated[list[int], typer.Argument(help="The numbers that `list` shows.")],
    why: Annotated[str, typer.Option(help="Why these records are not wanted; it is kept with them.")],
    by: Annotated[str | None, typer.Option(help="Who decided (the user of this session).")] = None,
) -> None:
    """Decide that open records are not wanted: all of them or, when one is not open, none.

    They are no longer counted, replayed or asked for. Their bytes stay until retention.quarantine of pipeline.yml ends.
    """
    done = quarantine.discard(quarantine_ids, why=why, by=by or getpass.getuser())
    print(f"{done} discarded; `quarantine show` still has them.")
