"""`python -m local`: the whole stack on this machine, without Docker."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from settings import HeadwaterError, friendly_errors

ROOT = Path(__file__).resolve().parent.parent
FREE_BYTES = 1_000_000_000
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(
    help="The whole stack on this machine, without Docker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Home = Annotated[Path, typer.Option(help="Where its data, logs and secrets are.")]
Size = Annotated[str, typer.Option(help="The pretend shop at its first start: tiny, small or large.")]
Seed = Annotated[int, typer.Option(help="Another seed, another shop.")]


@app.command()
def demo(
    home: Home = ROOT / ".local",
    size: Size = "small",
    seed: Seed = 1,
    report: Annotated[Path, typer.Option(help="Where the report goes.")] = ROOT / "reports" / "index.html",
) -> None:
    """Deliver a day of the pretend shop, show it, and stop everything. Run again: the next day."""
    from local.demo import Demo

    _ready(home)
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", "140")  # a log has room for the tables
    run = Demo(home, size, seed, report.resolve(), Console())
    if not run.run():
        raise SystemExit(1)


@app.command()
def start(
    home: Home = ROOT / ".local",
    size: Size = "small",
    seed: Seed = 1,
    port: Annotated[int, typer.Option(help="Of the Airflow UI; 0 takes a free one.")] = 0,
) -> None:
    """Leave the stack running, with the Airflow UI on 127.0.0.1."""
    from local.progress import Progress
    from local.stack import Stack

    _ready(home)
    progress = Progress(Console())
    stack = Stack(
        home, size=size, seed=seed, ui_port=port, schedules=True, leashed=False, webhooks=True, on_step=progress.step
    )
    with progress:
        stack.start()
        progress.finish_step()
    stack.leave_running()
    _print_addresses(home)


@app.command()
def stop(home: Home = ROOT / ".local") -> None:
    """End what `start` left running; the data stay."""
    from local.left_running import forget_running
    from local.postgres import EmbeddedPostgres
    from local.processes import end_all

    if not home.exists():
        print("Nothing was running.")
        return
    ended = end_all(home.resolve())
    EmbeddedPostgres(home.resolve() / "postgres").stop()
    forget_running(home)
    print(f"Stopped ({ended} processes)." if ended else "Nothing was running.")


@app.command()
def remove(home: Home = ROOT / ".local") -> None:
    """Delete all that the local stack keeps: its data, logs and secrets. `make clean` asks first."""
    from local.postgres import EmbeddedPostgres
    from local.processes import end_all

    end_all(home.resolve())
    EmbeddedPostgres(home.resolve() / "postgres").remove()
    shutil.rmtree(home, ignore_errors=True)
    print(f"Deleted {home}.")


@app.command()
def status(home: Home = ROOT / ".local") -> None:
    """Say whether the stack is running, and where. Exits with 1 when it is not."""
    from local.left_running import running_state

    if not running_state(home):
        print("The stack is not running; `make local` starts it.")
        raise SystemExit(1)
    _print_addresses(home)


@app.command()
def url(home: Home = ROOT / ".local") -> None:
    """Print the warehouse's address, for psql and the rooms' own doors (it holds the password)."""
    from local.left_running import running_state

    if not (state := running_state(home)):
        raise HeadwaterError("The stack is not running; `make local` starts it.")
    print(state["warehouse"])


def _print_addresses(home: Path) -> None:
    from local.credentials import stack_secrets
    from local.left_running import running_state

    state = running_state(home)
    password = stack_secrets(home / "secrets.json")["admin_password"]
    print(f"Airflow:     {state['ui']}  (user admin, password {password})")
    print(f"Mock APIs:   {state['mock']}")
    if "webhooks" in state:
        print(f"Webhooks:    {state['webhooks']}/stripe and /shopify, to which the mock APIs send")
    print("Warehouse:   python -m local url")


def _ready(home: Path) -> None:
    """Turn signals into an orderly end, and refuse a full disk before anything is half-made."""
    for number in ENDINGS:
        signal.signal(number, _interrupted)
    existing = next(parent for parent in (home.resolve(), *home.resolve().parents) if parent.exists())
    if shutil.disk_usage(existing).free < FREE_BYTES:
        raise HeadwaterError(f"Less than 1 GB is free on the disk of {existing}; make room and run it again.")


def _interrupted(number: int, _frame: FrameType | None) -> None:
    for other in ENDINGS:  # what is being stopped is stopped in order, even for the impatient
        signal.signal(other, signal.SIG_IGN)
    print("Stopping ...", file=sys.stderr)
    sys.exit(128 + number)


if __name__ == "__main__":
    with friendly_errors():
        app()
