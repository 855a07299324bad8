"""Rule 1: killed before and after anything that it does, and run again, a sync leaves what an undisturbed one leaves.

`make test` tries some kills of every stream, spread evenly, and one while a COMMIT's reply is on its way. `make
test-soak` (tests/soak.py) tries every one, in shares: HEADWATER_SOAK=2/3 is the second of three, each with its own
Postgres and shop.
How a source joins: tiny_shop.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.postgres import EmbeddedPostgres
from settings import load_pipeline
from tests.ingestion.faults.killed import Job, Warehouse, run
from tests.ingestion.faults.points import Kill
from tests.ingestion.faults.tiny_shop import SOURCES, streams, two_days
from tests.soak import SHARE, note
from warehouse.migrate import migrate

OF_A_SYNC = 3  # kills of each stream's first sync, and of its next one


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Iterator[list[dict[str, str]]]:
    with two_days(tmp_path_factory.mktemp("kills") / "pipeline.yml", postgres) as environments:
        yield environments


@pytest.fixture(scope="module")
def warehouse(new_warehouse: Callable[[str], str], days: list[dict[str, str]]) -> Warehouse:
    url = new_warehouse("kill_everywhere")
    migrate(url, load_pipeline(Path(days[0]["HEADWATER_PIPELINE"])))
    warehouse = Warehouse(url)
    warehouse.save("empty")
    return warehouse


def test_every_source_that_is_enabled_is_killed() -> None:
    """How one joins: tiny_shop.py."""
    assert set(SOURCES) == set(load_pipeline().enabled_sources)


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
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, tried, there, begun = "empty", 0, 0, time.monotonic()
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
        mine = chosen(kills)
        note(source, "kill points to try", len(mine))
        for kill in mine:
            warehouse.restore(before)
            assert run(job, kill) is None, f"{kill} was never reached"
            assert run(job), "the second run was killed"
            found = warehouse.kept(job)
            for what, rows in undisturbed.items():
                assert found[what] == rows, f"{job.name} killed at {kill} ({label(done.labels, kill)}): {what}"
            tried += 1
            note(source, "tried and equal")
        before = "next"
    with capsys.disabled():
        seconds = time.monotonic() - begun
        print(f"\n{source}.{stream}: {tried} of {there} kill points in {seconds:.0f} s")


def chosen(kills: list[Kill]) -> list[Kill]:
    if SHARE:
        return kills[SHARE.number - 1 :: SHARE.of]
    step = len(kills) / OF_A_SYNC
    sent = [kill for kill in kills if kill.thread == "write" and kill.moment == "sent"]
    # The one in the middle commits a batch.
    return [*(kills[int((place + 0.5) * step)] for place in range(OF_A_SYNC)), sent[len(sent) // 2]]


def label(labels: dict[str, list[str]], kill: Kill) -> str:
    return labels[kill.thread][kill.number - 1]
