"""`python -m bench`: measure the dbt stage under Airflow, the syncs, Headwater beside its peers, raw as it grows."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bench.machine import Report
from bench.measure import ROOT
from settings import friendly_errors

app = typer.Typer(
    help="Speed, as ratios within one run; medians over interleaved rounds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
GROWTH_ROUNDS = 10
COMMAND = "python -m bench " + " ".join(sys.argv[1:])
Write = Annotated[bool, typer.Option("--write", help="Renew the page in docs/, too.")]
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
    without: Annotated[list[str] | None, typer.Option(help="A peer to leave out: dlt, dlt-arrow, singer.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Memory and raw's growth too, and all into docs/benchmarks.md.")
    ] = False,
) -> None:
    """Headwater beside dlt, the Singer pair and plain COPY: the same charges into the same Postgres."""
    from bench.page import print_table, write_page
    from bench.raw_growth import MANY, grow
    from bench.versus import MEMORY_SIZES, versus

    results = versus(records, rounds, without or (), MEMORY_SIZES if write else ())
    if write:
        results.growth = grow(MANY, GROWTH_ROUNDS)
    print_table(results)
    if write:
        write_page(results, COMMAND, ROOT / "docs")


@app.command()
def memory(
    records: Annotated[list[int] | None, typer.Option(min=1_000, help="50,000 and 2,000,000 when not given.")] = None,
) -> None:
    """Headwater's peak memory, and its speed, by the number of charges."""
    from bench.versus import MEMORY_SIZES, memory

    memory(records or MEMORY_SIZES)


@app.command()
def raw_growth(
    rows: Annotated[
        int | None, typer.Option(min=100_000, help="Of the large table; 10 million when not given.")
    ] = None,
    rounds: Rounds = GROWTH_ROUNDS,
) -> None:
    """CPU for a new charge in a raw table of 10 thousand rows, and in one of 10 million."""
    from bench.raw_growth import MANY, measure

    measure(rows or MANY, rounds)


@app.command()
def daily_cost(
    days: Annotated[int, typer.Option(min=7, help="Of the short history.")] = 30,
    times: Annotated[int, typer.Option(min=2, help="How much longer the long one is.")] = 30,
    orders: Annotated[int, typer.Option(min=10, help="A day, in both.")] = 100,
    rounds: Rounds = 3,
    write: Write = False,
) -> None:
    """`dbt build` of a day when the shop has a month behind it, and when it has thirty times as much."""
    from bench.daily_cost import measure

    _show(measure(days, times, orders, rounds), "benchmarks-daily-cost.md" if write else None)


@app.command()
def large_shop(
    orders: Annotated[int, typer.Option(min=10_000, help="Over a thousand days.")] = 2_000_000,
    write: Write = False,
) -> None:
    """dbt from scratch, dbt of a day, and the dashboard's queries on a shop of millions of orders."""
    from bench.large_shop import measure

    _show(measure(orders), "benchmarks-large-shop.md" if write else None)


@app.command()
def dashboard() -> None:
    """Each query of the business dashboard on the marts at WAREHOUSE_URL, as they are published: milliseconds."""
    from bench.dashboard import print_queries

    print_queries()


@app.command()
def serve(
    records: Annotated[int, typer.Option(min=1, help="How many charges it has.")] = 100_000,
    port: Annotated[int, typer.Option(help="0: any free one.")] = 0,
) -> None:
    """A fast Stripe of nothing but charges, for STRIPE_API_URL; it prints its address and serves until killed."""
    from bench.server import serve

    serve(records, port)


def _show(report: Report, page: str | None) -> None:
    report.print()
    if page:
        report.write(ROOT / "docs" / page, COMMAND)


if __name__ == "__main__":
    with friendly_errors():
        app()
