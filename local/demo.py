"""`make demo`: one day of the pretend shop, from its APIs to published marts, under the real scheduler."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from local.airflow_api import FINISHED
from local.progress import OF_AIRFLOW, Progress, records_since
from local.services import ROOT
from local.stack import Stack
from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse.publish import ABOUT

PATIENCE = timedelta(minutes=30)
ASSET_SECONDS = 20.0  # within which the sources' arrival must have started the delivery
MART_ROWS = 3
MART_ORDER = ("day", "sent_day", "net_sales")  # the newest, or the biggest, first


@dataclass
class Run:
    """A DAG run that the demo follows."""

    dag_id: str
    run_id: str
    state: str = "queued"


class Demo:
    """Start the stack, load every source, deliver, show the result. `run` returns whether the day was delivered.

    A `stack` that runs already is not started: `deliver` a day on it, then ask for the `outcome`.
    """

    def __init__(self, home: Path, size: str, seed: int, report: Path, console: Console, stack: Stack | None = None):
        self.console, self.report = console, report
        self.progress = Progress(console)
        self.note = home.resolve() / "demo.json"
        self.stack = stack or Stack(home, size=size, seed=seed, webhooks=True, on_step=self.progress.step)
        self.pipeline: Pipeline = load_pipeline()
        self.reconciled: list[str] = []

    def run(self) -> bool:
        with ExitStack() as closing:
            with self.progress:
                closing.enter_context(self.stack)
                self.progress.finish_step()
                self.deliver()
            self.stack.release_airflow()
            return self.outcome()

    def deliver(self) -> None:
        """Load the shop's day, publish it, and hold what is critical against its source."""
        self._move_clock()
        self.began = datetime.now(UTC)
        self._ingest()
        self._deliver()
        self._reconcile()

    def outcome(self) -> bool:
        """Show what came of it; whether the day was published."""
        delivered = self._published()
        self._show()
        return delivered

    # -- the stages -----------------------------------------------------------------------------------------------

    def _move_clock(self) -> None:
        """Once the shop's present day has been delivered, a day passes; a shop left alone catches up with today."""
        clock = self.stack.shop.admin("GET", "clock").json()
        today = date.fromisoformat(clock["today"])
        delivered = json.loads(self.note.read_text())["delivered"] if self.note.exists() else ""
        behind = (datetime.now(self.pipeline.shop.zone).date() - today).days
        days = max(behind, 1 if delivered == clock["today"] else 0)
        if days > 0:
            self.progress.step(f"{days} day{'s' if days > 1 else ''} pass{'es' if days == 1 else ''} in the shop")
            self.stack.advance(days)
            self.progress.finish_step()
        self.today = str(self.stack.shop.admin("GET", "clock").json()["today"])

    def _ingest(self) -> None:
        """Load every source. The last critical one waits for the optional ones: its arrival starts the delivery."""
        critical = self.pipeline.critical_sources
        optional = [name for name in self.pipeline.enabled_sources if name not in critical]
        first, last = optional + critical[:-1], critical[-1:]
        runs = [self._trigger(name) for name in first]
        while last or any(run.state not in FINISHED for run in runs):
            if last and all(run.state in FINISHED for run in runs if run.dag_id.removeprefix("ingest_") in optional):
                runs.append(self._trigger(last.pop()))
            self._follow(runs)
        failed = [
            run.dag_id for run in runs if run.state == "failed" and run.dag_id.removeprefix("ingest_") in critical
        ]
        if failed:
            raise HeadwaterError(f"Not delivered: {', '.join(failed)} could not be loaded. {self._why_ingest_failed()}")

    def _deliver(self) -> None:
        run_id = self.stack.run_since("deliver", self.began, ASSET_SECONDS) or self.stack.trigger("deliver")
        run = Run("deliver", run_id)
        while run.state not in FINISHED:
            self._follow([run])

    def _reconcile(self) -> None:
        """The critical sources, side by side; the others' reconciliation is left to the weekly run."""
        self.progress.step("reconcile")
        door = [sys.executable, "-m", "ingestion", "reconcile"]
        out, both = subprocess.PIPE, subprocess.STDOUT
        running = [
            subprocess.Popen([*door, source], env=self.stack.env, cwd=ROOT, text=True, stdout=out, stderr=both)
            for source in self.pipeline.critical_sources
        ]
        self.reconciled = [process.communicate()[0] for process in running]
        self.progress.finish_step()

    def _trigger(self, source: str) -> Run:
        dag_id = f"ingest_{source}"
        for stream in self.pipeline.source(source).streams:
            self.progress.stage(f"{source} {stream}")
        return Run(dag_id, self.stack.trigger(dag_id))

    def _follow(self, runs: list[Run]) -> None:
        """Look once at every unfinished run, and show what changed."""
        began = time.monotonic()
        unfinished = [run for run in runs if run.state not in FINISHED]
        for run in unfinished:
            run.state = self.stack.api.state(run.dag_id, run.run_id)
        looks = [(run, self.stack.tasks(run.dag_id, run.run_id)) for run in unfinished]
        # After the tasks: what a task has loaded is there before its success is.
        records = records_since(self.stack.warehouse_url, self.began)
        for run, tasks in looks:
            for task in tasks:
                self._show_task(run, task.task_id, task.state, task.seconds, records)
        self.stack.check_alive()
        if datetime.now(UTC) - self.began > PATIENCE:
            raise HeadwaterError(f"Not delivered within {PATIENCE}; the logs are in {self.stack.home}.")
        time.sleep(max(0.0, 0.5 - (time.monotonic() - began)))

    def _show_task(
        self,
        run: Run,
        task_id: str,
        state: str | None,
        seconds: float | None,
        records: dict[tuple[str, str], int],
    ) -> None:
        if task_id == "arrived":
            return
        source = run.dag_id.removeprefix("ingest_")
        name = f"{source} {task_id}"
        stage = self.progress.stage(name)
        if run.dag_id != "deliver":
            stage.records = records.get((source, task_id), 0 if state == "success" else None)
        self.progress.update(name, OF_AIRFLOW.get(state or "", "waiting"), seconds)

    # -- the result -----------------------------------------------------------------------------------------------

    def _why_ingest_failed(self) -> str:
        query = """select distinct on (source, stream) source, stream, error from ops.runs
            where status = 'failed' and started_at > %s order by source, stream, started_at desc"""
        with psycopg.connect(self.stack.warehouse_url) as connection:
            rows = connection.execute(query, (self.began,)).fetchall()
        reasons = [f"{source} {stream}: {error}" for source, stream, error in rows[:3]]
        return "\n".join(reasons) or f"Its tasks' logs are in {self.stack.home / 'airflow' / 'logs'}"

    def _published(self) -> bool:
        """Whether the day was published; otherwise says what stood in the way."""
        query = """select day, status, stale_sources, failed_stage, error, checks_executed, checks_declared
            from ops.deliveries where opened_at > %s order by opened_at desc limit 1"""
        with psycopg.connect(self.stack.warehouse_url) as connection:
            row = connection.execute(query, (self.began,)).fetchone()
        if row is None:
            self.console.print(
                "[bold red]Not delivered:[/] the delivery could not be opened; see the log of `deliver`."
            )
            return False
        day, status, stale, stage, error, executed, declared = row
        if status != "published":
            self.console.print(f"[bold red]Not delivered:[/] it failed at {stage or 'an unknown stage'}.", error or "")
            return False
        self.note.write_text(json.dumps({"delivered": self.today}))
        late = f" Stale: {', '.join(stale)}." if stale else ""
        self.console.print(f"[bold green]Delivered:[/] {day}, {executed} of {declared} checks passed.{late}")
        return True

    def _show(self) -> None:
        sys.stdout.flush()
        # Measured once more: it was written before the reconciliation.
        command = [sys.executable, "-m", "quality", "scorecard", "--write"]
        subprocess.run(command, env=self.stack.env, cwd=ROOT, check=False)
        self.console.print("[bold]Held against the sources[/]", *self.reconciled, sep="\n", highlight=False)
        self._show_webhooks()
        show_marts(self.stack.warehouse_url, self.console)
        docs = self.report.with_name("docs") / "index.html"
        for what, words, page in (("docs", "Models and lineage", docs), ("report", "Report", self.report)):
            command = [sys.executable, "-m", "monitoring", what, "--out", str(page)]
            wrote = subprocess.run(command, env=self.stack.env, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
            if wrote.returncode == 0:
                self.console.print(f"{words}: {page}", soft_wrap=True)

    def _show_webhooks(self) -> None:
        with psycopg.connect(self.stack.warehouse_url) as connection:
            row = connection.execute(
                "select (select coalesce(sum(received), 0) from ops.webhook_inboxes),"
                " count(*) filter (where status = 'processed') from ops.webhook_events"
            ).fetchone()
        arrived, applied = row or (0, 0)
        words = (
            f"{arrived:,} arrived, {applied:,} applied" if arrived else "none yet; the shop sends them as a day passes"
        )
        self.console.print(f"[bold]Webhooks:[/] {words}")


def show_marts(url: str, console: Console) -> None:
    """The first rows of every mart that readers see."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "select tablename from pg_tables where schemaname = 'marts' and tablename <> all(%s) order by 1",
            (list(ABOUT),),
        ).fetchall()
        for (name,) in names:
            table, total = _first_rows(connection, name, columns=max(4, console.width // 16))
            table.title = f"marts.{name}: {total:,} rows"
            console.print(table)


def _first_rows(connection: psycopg.Connection, mart: str, columns: int) -> tuple[Table, int]:
    described = connection.execute(sql.SQL("select * from {} limit 0").format(sql.Identifier("marts", mart)))
    names = [column.name for column in described.description or []]
    order = next((name for name in MART_ORDER if name in names), names[0])
    query = sql.SQL("select *, count(*) over () from {} order by {} desc limit {}")
    rows = connection.execute(
        query.format(sql.Identifier("marts", mart), sql.Identifier(order), sql.Literal(MART_ROWS))
    ).fetchall()
    table = Table(*names[:columns], title_justify="left", title_style="bold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row[: len(names[:columns])]))
    return table, rows[0][-1] if rows else 0
