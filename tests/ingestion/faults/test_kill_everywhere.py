"""Rule 1: killed before and after anything that it does, and run again, a sync leaves what an undisturbed one leaves.

`make test` tries some kills of every stream, spread evenly. `make test-soak` tries every one, in as many processes as
the machine has processors: HEADWATER_SOAK=2/3 is the second of three shares, each with its own Postgres and shop.
How a source joins: tiny_shop.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from local.postgres import EmbeddedPostgres
from tests.ingestion.faults.killed import Job, Warehouse, run
from tests.ingestion.faults.points import Kill
from tests.ingestion.faults.tiny_shop import streams, two_days

SHARE = os.environ.get("HEADWATER_SOAK")
OF_A_SYNC = 3  # kills of each stream's first sync, and of its next one


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Iterator[list[dict[str, str]]]:
    with two_days(tmp_path_factory.mktemp("kills") / "pipeline.yml", postgres) as environments:
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
    before, count, there, begun = "empty", len(tried), 0, time.monotonic()
    for environment in days:  # the stream's first sync, then the one of the day after
        job = Job(source, stream, {**environment, "WAREHOUSE_URL": warehouse.url})
        warehouse.restore(before)
        done = run(job)
        assert done
        undisturbed = warehouse.kept(job)
        assert undisturbed["raw"], "nothing was loaded"
        warehouse.save("next" if before == "empty" else "end")
        kills = done.every_kill()
        there += len(kills)
        for kill in chosen(kills):
            warehouse.restore(before)
            assert run(job, kill) is None, f"{kill} was never reached"
            assert run(job), "the second run was killed"
            found = warehouse.kept(job)
            for what, rows in undisturbed.items():
                assert found[what] == rows, f"{job.name} killed at {kill} ({label(done.labels, kill)}): {what}"
            tried.append(kill)
        before = "next"
    with capsys.disabled():
        mine, seconds = len(tried) - count, time.monotonic() - begun
        print(f"\n{source}.{stream}: {mine} of {there} kill points in {seconds:.0f} s, {len(tried)} so far")


def chosen(kills: list[Kill]) -> list[Kill]:
    if SHARE:
        share, of = map(int, SHARE.split("/"))
        return kills[share - 1 :: of]
    step = len(kills) / OF_A_SYNC
    return [kills[int((place + 0.5) * step)] for place in range(OF_A_SYNC)]


def label(labels: dict[str, list[str]], kill: Kill) -> str:
    return labels[kill.thread][kill.number - 1]
