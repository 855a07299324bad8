"""Headwater and plain COPY are really measured; the table and the page say what the results say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.contestants import CONTESTANTS, Contestant, Place
from bench.measure import Run, measure
from bench.page import print_table, write_page
from bench.raw_growth import Cost, grow
from bench.results import Results, limits, reaches, rows
from bench.versus import Ring, versus
from local.postgres import EmbeddedPostgres
from settings import HeadwaterError

PEERS = [key for key in CONTESTANTS if key not in ("headwater", "copy")]


def test_headwater_and_copy_load_every_charge() -> None:
    results = versus(1_000, 1, without=PEERS, memory_sizes=[1_000])
    assert set(results.runs) == {"headwater", "copy"}
    assert 2_000 < results.bytes_each < 4_000
    for run in (*results.runs["headwater"], *results.runs["copy"], results.memory[1_000]):
        assert run.seconds > 0 and run.client_cpu > 0 and run.postgres_cpu > 0 and run.peak > 10
    assert len(results.stages) == 5 and all(seconds > 0 for seconds in results.stages.values())


def test_a_new_charge_is_written_to_a_small_and_to_a_large_table() -> None:
    grown = grow(20_000, 1)
    assert list(grown) == [10_000, 20_000]
    assert all(cost.client[0] > 0 and cost.backend[0] > 0 for cost in grown.values())


def test_a_run_that_fails_has_no_figures(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(HeadwaterError, match=r"failed \(3\): no luck"):
        measure([["sh", "-c", "echo no luck >&2; exit 3"], ["cat"]], {"PATH": "/usr/bin:/bin"}, postgres)


def test_a_run_that_loses_rows_has_no_figures(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    def nothing(_place: Place) -> tuple[list[list[str]], dict[str, str]]:
        return [["true"]], {"PATH": "/usr/bin:/bin"}

    idle = Contestant("Idle", "does nothing", "raw.stripe_charges", nothing, template="template_warehouse")
    with pytest.raises(HeadwaterError, match="Idle left 0 rows of 1,000 charges"):
        Ring(postgres, tmp_path).one(idle, "http://127.0.0.1:1", 1_000)


def test_only_peers_can_be_left_out() -> None:
    with pytest.raises(
        HeadwaterError, match="--without copy, fivetran: only peers can be left out: dlt, dlt-arrow, sin"
    ):
        versus(1_000, 1, without=["copy", "fivetran", "dlt"])


def some(**seconds: float) -> Results:
    runs = {
        key.replace("_", "-"): [Run(it, it / 2, it / 4, 80 + it), Run(2 * it, it, it, 70)]
        for key, it in seconds.items()
    }
    memory = {50_000: Run(5, 3, 2, 90), 2_000_000: Run(200, 120, 80, 120)}
    began = datetime(2026, 11, 23, tzinfo=UTC)
    growth = {10_000: Cost([50, 52], [30, 31]), 10_000_000: Cost([51, 53], [70, 71])}
    return Results(
        100_000, began, "Postgres 18 with lz4", 2, 2_400, 10.0, [0.1, 2.0], runs, memory, {"HTTP": 12.0}, growth
    )


def test_rows_and_reaches_are_those_of_the_runs() -> None:
    results = some(copy=4, headwater=8, dlt=40, dlt_arrow=6, singer=200)
    assert [row.title for row in rows(results)] == [
        CONTESTANTS[key].title for key in ("copy", "dlt-arrow", "headwater", "dlt", "singer")
    ]
    mine = rows(results)[2]
    assert mine.rate == pytest.approx(100_000 / 12)
    assert (mine.client_cpu, mine.postgres_cpu, mine.peak) == pytest.approx((60, 50, 88))
    assert mine.to_headwater == 1
    assert [(reach.found.partition(" (")[0], reach.reached) for reach in reaches(results)] == [
        ("0.50", False),
        ("0.8", False),
        ("25.0", True),
        ("110", False),
        ("120 MB", True),
        ("120 MB to 90 MB", False),
        ("122 µs to 82 µs", False),
    ]


def test_a_reach_beyond_the_limit_is_said_to_be() -> None:
    assert len(limits(some(copy=4, headwater=5, dlt=60))) == 1
    assert (
        "6 times dlt's best would be 50,000 charges a second, and plain COPY does 16,667"
        in limits(some(copy=4, headwater=5, dlt=60, dlt_arrow=8))[1]
    )


def test_the_page_and_the_table_tell_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without_memory = some(copy=4, headwater=5)
    without_memory.memory.clear()
    print_table(without_memory)
    assert "reached: memory at the peak: 85 MB" in capsys.readouterr().out
    results = some(copy=4, headwater=5, dlt_arrow=60)
    print_table(results)
    assert "reached: share of plain COPY's speed: 0.80 (wanted: at least 0.6)" in capsys.readouterr().out
    write_page(results, "python -m bench versus --write", tmp_path)
    page = (tmp_path / "benchmarks.md").read_text()
    for line in (
        "Written by `python -m bench versus --write` on 2026-11-23.",
        "| Headwater | 13,333 (10,000–20,000) | 1.00 | 38 + 31 = 69 | 85 |",
        "| memory with 2,000,000 charges to that with 50,000 | the same | 120 MB to 90 MB | **not reached** |",
        "| 2,000,000 | 10,000 | 100 | 120 |",
        "| HTTP | 12 |",
        "| 10,000,000 | 52.0 (51.0-53.0) | 70.5 (70.0-71.0) | 122.5 (121.0-124.0) |",
        "- Headwater, its Postgres and the server take 79 CPU seconds for a million charges. Were 2 cores",
        "dlt 1.",
    ):
        assert line in page
    assert "tap-stripe" not in page.replace("`bench/peers", ""), "it was left out"
    assert "Headwater" in (tmp_path / "benchmarks.svg").read_text()
