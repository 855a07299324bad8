"""Backfill under the real scheduler: a task a window, each with its bookmark; the same run again has nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("backfill"), size="tiny", today="2026-03-20", durable=False) as stack:
        yield stack


def fetch(stack: Stack, query: str) -> list[Any]:
    with psycopg.connect(stack.warehouse_url) as connection:
        return connection.execute(query.encode()).fetchall()


def run(stack: Stack, **asked: Any) -> tuple[str, list[tuple[str, str | None]], str]:
    """A run's state, its tasks and theirs, its id."""
    run_id = stack.api.trigger("backfill", {"source": "stripe", "stream": "charges", "windows": 3, **asked})
    state = stack.wait("backfill", run_id)
    return state, sorted((task.task_id, task.state) for task in stack.tasks("backfill", run_id)), run_id


def test_windows_are_tasks_and_a_second_run_reads_nothing_again(stack: Stack) -> None:
    state, tasks, run_id = run(stack, **{"from": "2020-01-01", "to": "2026-03-18"})
    assert (state, tasks) == ("success", [("load", "success")] * 3 + [("plan", "success")]), stack.task_log(
        "backfill", run_id, "load"
    )
    windows = fetch(stack, "select number, status from ops.backfill_windows order by 1")
    assert windows == [(1, "done"), (2, "done"), (3, "done")]
    [(kept,)] = fetch(stack, "select count(*) from raw.stripe_charges")
    assert kept > 0
    assert fetch(stack, "select kind, count(*) from ops.runs where source = 'stripe' group by 1") == [("backfill", 3)]
    assert fetch(stack, "select count(*) from ops.checkpoints where source = 'stripe'") == [(0,)]

    state, tasks, _ = run(stack, **{"from": "2020-01-01", "to": "2026-03-18"})
    assert (state, tasks) == ("success", [("load", "skipped"), ("plan", "success")])
    assert fetch(stack, "select count(*) from ops.runs where source = 'stripe'") == [(3,)]


def test_a_wrong_range_fails_at_once_and_says_what_to_write(stack: Stack) -> None:
    state, tasks, run_id = run(stack, **{"from": "yesterday", "to": "2026-03-18"})
    assert state == "failed"
    assert ("plan", "failed") in tasks
    assert "'yesterday' is no day and no time; write 2026-03-01" in stack.task_log("backfill", run_id, "plan")
