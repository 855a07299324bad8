"""`python -m bench`: measure the dbt stage under Airflow, and the syncs. Each takes a few minutes."""

from __future__ import annotations

from typing import Annotated

import typer

from settings import friendly_errors

app = typer.Typer(
    help="Speed, as ratios within one run; medians over interleaved rounds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Rounds = Annotated[int, typer.Option(min=1, help="How often everything is measured, in turn.")]


@app.command()
def dbt_stage(rounds: Rounds = 3, size: Annotated[str, typer.Option(help="Of the pretend shop.")] = "small") -> None:
    """The dbt stage of a delivery under Airflow, beside plain `dbt build` of a day of the same size."""
    from bench.dbt_stage import measure

    measure(rounds, size)


@app.command()
def sync(rounds: Rounds = 3) -> None:
    """Records per second and peak memory of a first sync, beside a plain COPY of the same rows."""
    from bench.sync import measure

    measure(rounds)


@app.command()
def versus(
    records: Annotated[int, typer.Option(min=1_000, help="How many charges everyone loads.")] = 100_000,
    rounds: Rounds = 3,
    without: Annotated[list[str], typer.Option(help="A peer to leave out: dlt, dlt-arrow, singer.")] = [],  # noqa: B006
) -> None:
    """Headwater beside dlt, the Singer pair and plain COPY: the same charges into the same Postgres."""
    from bench.versus import versus

    versus(records, rounds, without)


@app.command()
def serve(
    records: Annotated[int, typer.Option(min=1, help="How many charges it has.")] = 100_000,
    port: Annotated[int, typer.Option(help="0: any free one.")] = 0,
) -> None:
    """A fast Stripe of nothing but charges, for STRIPE_API_URL; it prints its address and serves until killed."""
    from bench.server import serve

    serve(records, port)


if __name__ == "__main__":
    with friendly_errors():
        app()
