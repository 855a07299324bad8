"""What the runs come to: a row for each contestant, and the reaches with whether they were reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import NamedTuple

from bench.contestants import CONTESTANTS
from bench.measure import Run
from bench.raw_growth import Cost

MILLION = 1_000_000
DLT_TIMES = 6
SAME = 1.1  # what is no more than a tenth above the other counts as the same


@dataclass
class Results:
    """`runs` by contestant; `memory` and `stages` are Headwater's: by number of charges, and CPU seconds by stage.

    `growth`: what a new charge costs, by how many rows raw had. `server_cpu` and `stages` are for a million charges;
    `load` is the machine's before and after.
    """

    records: int
    began: datetime
    postgres: str
    cores: int
    bytes_each: int = 0
    server_cpu: float = 0.0
    load: list[float] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    memory: dict[int, Run] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    growth: dict[int, Cost] = field(default_factory=dict)

    def seconds(self, key: str) -> float:
        return median(run.seconds for run in self.runs[key])

    def rate(self, key: str) -> float:
        """Charges a second, by the median."""
        return self.records / self.seconds(key)

    def per_million(self, cpu: Sequence[float]) -> float:
        return median(cpu) * MILLION / self.records

    def cpu(self, key: str) -> float:
        """CPU seconds for a million charges, client and Postgres."""
        return self.per_million([run.cpu for run in self.runs[key]])

    def peak(self, key: str) -> float:
        return max(run.peak for run in self.runs[key])


class Row(NamedTuple):
    """One contestant: the median rate with its range, Headwater's rate to it, CPU seconds for a million, megabytes."""

    title: str
    rate: float
    slowest: float
    fastest: float
    to_headwater: float
    client_cpu: float
    postgres_cpu: float
    peak: float

    @property
    def cpu(self) -> float:
        return self.client_cpu + self.postgres_cpu


class Reach(NamedTuple):
    what: str
    wanted: str
    found: str
    reached: bool


def limits(results: Results) -> list[str]:
    """What the figures say about how much was to be had, in a sentence each."""
    copy, cost = results.rate("copy"), results.cpu("headwater") + results.server_cpu
    most = results.cores * MILLION / cost
    found = [
        f"Headwater, its Postgres and the server take {cost:.0f} CPU seconds for a million charges. Were"
        f" {results.cores} cores busy with nothing else and never waiting, that would be {most:,.0f} charges a second,"
        f" {most / copy:.2f} of plain COPY; {results.rate('headwater'):,.0f} were measured."
    ]
    best = max((results.rate(key) for key in ("dlt", "dlt-arrow") if key in results.runs), default=0.0)
    if DLT_TIMES * best > copy:
        found.append(
            f"{DLT_TIMES} times dlt's best would be {DLT_TIMES * best:,.0f} charges a second, and plain COPY does"
            f" {copy:,.0f}: nothing that ends in Postgres can be as fast as that here."
        )
    return found


def rows(results: Results) -> list[Row]:
    """The fastest first."""
    found = [
        Row(
            title=CONTESTANTS[key].title,
            rate=results.rate(key),
            slowest=results.records / max(run.seconds for run in runs),
            fastest=results.records / min(run.seconds for run in runs),
            to_headwater=results.seconds(key) / results.seconds("headwater"),
            client_cpu=results.per_million([run.client_cpu for run in runs]),
            postgres_cpu=results.per_million([run.postgres_cpu for run in runs]),
            peak=results.peak(key),
        )
        for key, runs in results.runs.items()
    ]
    return sorted(found, key=lambda row: -row.rate)


def reaches(results: Results) -> list[Reach]:
    """What the project wants of itself; a peer that was left out is not in it."""
    mine = results.rate("headwater")
    share = mine / results.rate("copy")
    found = [Reach("share of plain COPY's speed", "at least 0.6", f"{share:.2f}", share >= 0.6)]
    if dlts := {key: mine / results.rate(key) for key in ("dlt", "dlt-arrow") if key in results.runs}:
        times = min(dlts.values())
        others = ", ".join(f"{dlts[key]:.1f} to {CONTESTANTS[key].title}" for key in dlts)
        found.append(
            Reach(
                "times the speed of dlt's best", f"at least {DLT_TIMES}", f"{times:.1f} ({others})", times >= DLT_TIMES
            )
        )
    if "singer" in results.runs:
        times = mine / results.rate("singer")
        found.append(Reach("times the speed of the Singer pair", "at least 20", f"{times:.1f}", times >= 20))
    cpu = results.cpu("headwater")
    found.append(Reach("CPU seconds for a million charges", "at most 90", f"{cpu:.0f}", cpu <= 90))
    peak = max([results.peak("headwater"), *(run.peak for run in results.memory.values())])
    found.append(Reach("memory at the peak", "below 150 MB", f"{peak:.0f} MB", peak < 150))
    if len(results.memory) > 1:
        few, many = min(results.memory), max(results.memory)
        less, more = results.memory[few].peak, results.memory[many].peak
        what = f"memory with {many:,} charges to that with {few:,}"
        found.append(Reach(what, "the same", f"{more:.0f} MB to {less:.0f} MB", more <= less * SAME))
    if results.growth:
        few, many = min(results.growth), max(results.growth)
        cheap, dear = (median(results.growth[size].both) for size in (few, many))
        what = f"CPU for a new charge with {many:,} rows in raw to that with {few:,}"
        found.append(Reach(what, "the same", f"{dear:.0f} µs to {cheap:.0f} µs", dear <= cheap * SAME))
    return found
