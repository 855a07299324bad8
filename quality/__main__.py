"""`python -m quality`: check a candidate, write and show the scorecard, write the metric dictionary."""

from __future__ import annotations

import uuid

import typer
from rich.console import Console

from quality.checks import run_checks
from quality.metrics import PAGE, page, parse
from quality.scorecard import render, write_scorecard
from settings import HeadwaterError, friendly_errors
from warehouse import connect

app = typer.Typer(
    help="Delivery checks, the scorecard and the metric dictionary.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def check(
    delivery_id: uuid.UUID | None = typer.Argument(None, help="The delivery; the newest open one when left out."),
) -> None:
    """Check marts_candidate, and pass the delivery or fail it."""
    results = run_checks(delivery_id or _newest_open())
    for result in results:
        if result.status == "warned":
            print(f"warning: {result.sentence}")
    print(f"{len(results)} delivery checks ran; the delivery may be published.")


@app.command()
def scorecard(
    write: bool = typer.Option(False, "--write", help="Measure the newest delivery again before showing it."),
) -> None:
    """Show the newest scorecard: sources, checks, delivery, quality score."""
    if write:
        write_scorecard()
    Console().print(render())


@app.command()
def metrics(
    write: bool = typer.Option(False, "--write", help="Renew docs/metrics.md with it."),
) -> None:
    """Show the metric dictionary: what each number of the marts means, from the models' own descriptions."""
    text = page(parse())
    if write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def _newest_open() -> uuid.UUID:
    with connect("monitor", application="headwater checks") as connection:
        row = connection.execute(
            "select delivery_id from ops.deliveries where status = 'open' order by opened_at desc limit 1"
        ).fetchone()
    if row is None:
        raise HeadwaterError("No delivery is open; `python -m warehouse deliveries` lists them.")
    newest: uuid.UUID = row[0]
    return newest


if __name__ == "__main__":
    with friendly_errors():
        app()
