"""Rule 1: killed before and after anything that it does, and run again, a sync leaves what an undisturbed one leaves.

`make test` tries some kills of every stream, spread evenly; `make test-soak` (HEADWATER_SOAK=1) tries every one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.ingestion.faults.killed import Job, Warehouse, run
from tests.ingestion.faults.points import Kill
from tests.ingestion.faults.tiny_shop import streams, two_days

EVERY_ONE = os.environ.get("HEADWATER_SOAK") == "1"
OF_A_SYNC = 3  # kills of each stream's first sync, and of its next one


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, str]]]:
    with two_days(tmp_path_factory.mktemp("kills") / "pipeline.yml") as environments:
        yield environments


@pytest.fixture(scope="module")
def warehouse(new_warehouse: Callable[[str], str]) -> Warehouse:
    warehouse = Warehouse(new_warehouse("kill_everywhere"))
    warehouse.save("empty")
    return warehouse


@pytest.fixture(scope="module")
def tried() -> Iterator[list[Kill]]:
    kills: list[Kill] = []
    yield kills
    print(f"kill points tried: {len(kills)}")


@pytest.mark.fault(
    "The process is killed (SIGKILL) before or after any request, statement, write or commit, or while a "
    "commit's reply is on its way",
    "The next run leaves the same raw rows, quarantine, bookmark, files and counts as an undisturbed one.",
)
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("source", "stream"), [pytest.param(*each, id=".".join(each)) for each in streams()])
def test_rule_1_killed_at_any_point_and_run_again_a_sync_leaves_what_an_undisturbed_one_leaves(
    source: str,
    stream: str,
    days: list[dict[str, str]],
    warehouse: Warehouse,
    tried: list[Kill],
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, count = "empty", len(tried)
    for environment in days:  # the stream's first sync, then the one of the day after
        job = Job(source, stream, {**environment, "WAREHOUSE_URL": warehouse.url})
        warehouse.restore(before)
        done = run(job)
        assert done
        undisturbed = warehouse.kept(job)
        assert undisturbed["raw"], "nothing was loaded"
        warehouse.save("next" if before == "empty" else "end")
        for kill in chosen(done.every_kill()):
            warehouse.restore(before)
            assert run(job, kill) is None, f"{kill} was never reached"
            assert run(job), "the second run was killed"
            found = warehouse.kept(job)
            for what, rows in undisturbed.items():
                assert found[what] == rows, f"{job.name} killed at {kill} ({label(done.labels, kill)}): {what}"
            tried.append(kill)
        before = "next"
    with capsys.disabled():
        print(f"\n{source}.{stream}: {len(tried) - count} kill points tried, {len(tried)} so far")


def chosen(kills: list[Kill]) -> list[Kill]:
    if EVERY_ONE:
        return kills
    step = len(kills) / OF_A_SYNC
    return [kills[int((place + 0.5) * step)] for place in range(OF_A_SYNC)]


def label(labels: dict[str, list[str]], kill: Kill) -> str:
    return labels[kill.thread][kill.number - 1]
