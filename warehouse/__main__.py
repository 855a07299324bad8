"""`python -m warehouse`: migrate, run dbt, look at deliveries, publish one, delete what is too old."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from settings import friendly_errors
from warehouse.connection import connect
from warehouse.dbt import run_dbt
from warehouse.migrate import migrate as run_migrations
from warehouse.prune import prune as run_prune
from warehouse.publish import publish as run_publish

app = typer.Typer(
    help="The database itself: migrations, dbt, deliveries, publish, retention.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def migrate() -> None:
    """Create or update schemas, roles, the ops tables and a raw table for every stream in pipeline.yml."""
    applied = run_migrations()
    print("\n".join(f"applied {name}" for name in applied) or "The warehouse is up to date.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def dbt(context: typer.Context) -> None:
    """Run a command of dbt with the pipeline's address and settings: `dbt source freshness`, `dbt build --select …`."""
    raise typer.Exit(run_dbt(context.args))


@app.command()
def deliveries(last: int = typer.Option(10, help="How many to show, newest first.")) -> None:
    """Show the newest deliveries and how each ended."""
    with connect("monitor") as connection:
        rows = connection.execute(
            "select delivery_id, day, status, stale_sources, checks_executed, checks_declared, failed_stage, error"
            " from ops.deliveries order by opened_at desc limit %s",
            (last,),
        ).fetchall()
    table = Table("delivery", "day", "status", "stale", "checks", "failed at", "error")
    for delivery_id, day, status, stale, executed, declared, stage, error in rows:
        checks = "" if executed is None else f"{executed}/{declared}"
        table.add_row(str(delivery_id), str(day), status, ", ".join(stale), checks, stage or "", error or "")
    Console().print(table)


@app.command()
def publish(delivery_id: str = typer.Argument(help="A delivery that passed its checks.")) -> None:
    """Swap the checked candidate in as marts."""
    for mart, rows in run_publish(delivery_id).rows.items():
        print(f"{mart}: {rows} rows")


@app.command()
def prune() -> None:
    """Delete what is older than `retention` of pipeline.yml, and webhooks that were dealt with a month ago."""
    done = run_prune()
    for table, rows in done.deleted.items():
        print(f"ops.{table}: {rows} deleted")
    for stream, records in done.old_open.items():
        print(f"{stream}: {records} open quarantined records are older than that; they stay until you decide.")
    if done.old_open:
        print("Decide with `python -m ingestion quarantine list`, then `replay` or `discard`.")


if __name__ == "__main__":
    with friendly_errors():
        app()
