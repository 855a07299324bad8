"""What the commands of `python -m ingestion` share."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from ingestion.catalog import check_names
from settings import HeadwaterError, load_pipeline


def refuse_unknown(source: str, streams: list[str] | None) -> None:
    """An unknown name is a wrong use: one line and exit 2, before anything runs."""
    pipeline = load_pipeline()
    try:
        check_names(pipeline, source, streams or ())
    except HeadwaterError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def print_table(table: Table) -> None:
    """As wide as the terminal is; whole where there is none."""
    console = Console(markup=False)
    (console if console.is_terminal else Console(markup=False, width=200)).print(table)
