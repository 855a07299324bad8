"""`python -m ingestion backfill`: read a range of a stream again, window by window."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from ingestion.backfill import plan_backfill, unfinished
from ingestion.backfill_range import cut, moment
from ingestion.backfill_show import BackfillDisplay
from ingestion.backfill_workers import run_windows
from ingestion.catalog import check_names
from settings import HeadwaterError, load_pipeline
from warehouse.windows import progress


def backfill(
    source: Annotated[str, typer.Argument(help="A source of pipeline.yml.")],
    stream: Annotated[str, typer.Argument(help="A stream of it.")],
    first: Annotated[
        str, typer.Option("--from", help="First day in the shop's time zone, or a time such as 2026-03-01T06:00Z.")
    ],
    last: Annotated[str, typer.Option("--to", help="Last day, which is included whole, or a time.")],
    windows: Annotated[int, typer.Option(min=1, help="Into how many windows of the same length to cut.")] = 1,
    workers: Annotated[
        int, typer.Option(min=1, max=32, help="How many windows at a time; APIs count the requests of all together.")
    ] = 1,
    again: Annotated[bool, typer.Option("--again", help="Read windows anew that are done already.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show the results only.")] = False,
) -> None:
    """Load what SOURCE has of STREAM from a range of time; the daily sync and its bookmark are left alone.

    Stripe and Shopify are asked for what was created in the range, the app database and plain APIs for what changed
    in it. The same command again goes on where it was. Exit 1 when a window failed, 2 for a wrong use, 130 when it
    was stopped.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    pipeline = load_pipeline()
    try:
        check_names(pipeline, source, [stream])
        start, end = moment(first, pipeline.shop.zone), moment(last, pipeline.shop.zone, end=True)
        if end <= start:
            raise HeadwaterError(f"--to {last} is not after --from {first}; swap them.")
        cut(start, end, windows)
    except HeadwaterError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    backfill_id = plan_backfill(source, stream, start, end, windows, again=again, pipeline=pipeline)
    left = unfinished(backfill_id)
    if not left:
        typer.echo(f"{source}.{stream}: all {windows} windows of this range are done; --again reads them anew.")
        return
    with BackfillDisplay(f"{source}.{stream}", windows, len(left), quiet) as display:
        try:
            results = run_windows(
                *(source, stream, backfill_id, workers),
                pipeline=pipeline,
                on_progress=display.update,
                on_result=display.result,
            )
        except KeyboardInterrupt:
            typer.echo("Stopped; run the same command to go on.", err=True)
            raise typer.Exit(130) from None
    states = progress(backfill_id)
    display.total([window.counts for window in states])
    if any(result.error for result in results):
        count = sum(window.status == "done" for window in states)
        typer.echo(f"{count} of {windows} windows are done; run the same command for the others.", err=True)
        raise typer.Exit(1)
