"""What a day costs dbt when the shop has been open for a month, and when it has been for thirty times as long.

Two shops with the same last day, as many orders, sessions and mails a day in each; both are built, then further days
arrive in both and are built in turn, as often as there are rounds. The tests of a day are a part of its cost.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from bench.dbt_run import DbtRun, dbt
from bench.machine import Report, ratio, spread
from bench.synthetic_shop import SyntheticShop
from local.postgres import EmbeddedPostgres
from warehouse.migrate import migrate

TODAY = date(2026, 6, 29)  # a Monday: the week's mail is the first of the measured days
SHOWN = 8
WANTED = 1.3  # how much more a day may take on the long history
COLUMNS = ("", "short history, seconds (range)", "long history, seconds (range)", "long to short")


def measure(days: int, times: int, orders: int, rounds: int) -> Report:
    """The table. Raises HeadwaterError when Postgres or a build fails."""
    title = f"A day of {orders} orders on a history of {days} and of {days * times} days, {rounds} rounds"
    report = Report(title, COLUMNS, "Each is the median of the rounds; the range is the least and the most.")
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may have to run as another account
        postgres = EmbeddedPostgres(folder / "postgres")
        try:
            postgres.start()
            shops = [_open(postgres, folder, days * each, orders) for each in (1, times)]
            full = [_build(postgres, shop, folder, "--full-refresh") for shop in shops]
            for shop in shops:
                shop.settle()
            daily: list[list[DbtRun]] = [[], []]
            for number in range(rounds + 1):
                for which in (0, 1) if number % 2 else (1, 0):
                    shops[which].load()
                    run = _build(postgres, shops[which], folder)
                    if number:  # the first day warms up
                        daily[which].append(run)
                    _say(f"day {number}, {['short', 'long'][which]}: {run.seconds:.1f} s")
        finally:
            postgres.remove()
    short, long = daily
    longer = median(run.seconds for run in long) / median(run.seconds for run in short)
    reached = "Reached" if longer <= WANTED else "NOT reached"
    report.note(
        f"{reached}: a day takes at most {WANTED} times as long on the long history; it took {longer:.2f} times."
    )
    report.add("from scratch", *(f"{run.seconds:.1f}" for run in full), ratio([full[1].seconds], [full[0].seconds]))
    _compare(report, "a day, dbt build", [run.seconds for run in short], [run.seconds for run in long])
    for part, title in (("postgres_cpu", "CPU of Postgres"), ("client_cpu", "CPU of dbt")):
        _compare(report, title, *([getattr(run, part) for run in side] for side in daily))
    for kind, title in (("models", "all models"), ("tests", "all tests")):
        _compare(report, title, *([sum(getattr(run, kind).values()) for run in side] for side in daily))
    for kind, title in (("models", "model"), ("tests", "test")):
        for name in _slowest([getattr(run, kind) for run in long], [getattr(run, kind) for run in short]):
            _compare(
                report,
                f"{title} {name.partition('.')[0]}",
                *([getattr(run, kind)[name] for run in side] for side in daily),
            )
    return report


def _open(postgres: EmbeddedPostgres, folder: Path, days: int, orders: int) -> SyntheticShop:
    url = postgres.create_database(f"shop_of_{days}_days")
    migrate(url)
    first_day = TODAY - timedelta(days=days - 1)
    shop = SyntheticShop(url, first_day, orders, sessions=3 * orders, recipients=20 * orders)
    shop.open()
    shop.load(days)
    shop.settle()
    _say(f"{days} days are in raw")
    return shop


def _build(postgres: EmbeddedPostgres, shop: SyntheticShop, folder: Path, *options: str) -> DbtRun:
    home = folder / shop.url.rpartition("/")[2]
    home.mkdir(exist_ok=True)
    run = dbt(postgres, shop.url, home, shop.last_day, "build", "--exclude-resource-type", "unit_test", *options)
    _say(f"{home.name} built in {run.seconds:.1f} s")
    return run


def _compare(report: Report, title: str, short: list[float], long: list[float]) -> None:
    report.add(title, spread(short), spread(long), ratio(long, short))


def _slowest(long: list[dict[str, float]], short: list[dict[str, float]]) -> list[str]:
    """What has grown most with the history, in seconds."""
    grown = {name: median(run[name] for run in long) - median(run[name] for run in short) for name in long[0]}
    return sorted(grown, key=lambda name: -grown[name])[:SHOWN]


def _say(text: str) -> None:
    print(f"{text}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
