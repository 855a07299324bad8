"""The sweep: a table's whole key list against the keys that raw holds as current, merged in the order of the keys.

It finds what no time of change tells: rows that vanished, and rows that were missed (committed later than the lookback
reaches, or without a time at all). Nothing is concluded from a partial listing: it is one snapshot, it must come whole
(as many keys as the snapshot counts, each once, in order), and only then is anything given. What was found waits in a
temporary file, so memory does not grow with the table.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, NamedTuple

from settings import HeadwaterError
from warehouse.known import CurrentVersion

IN_MEMORY_BYTES = 1_000_000
FEW = 10  # so many may always vanish


class SweepRefused(HeadwaterError):
    """The listing cannot be trusted; nothing was concluded from it."""


class ListedRow(NamedTuple):
    """A row of the source. `settled`: no window to come will read it; `version` is None when its time is no time."""

    key: str
    version: datetime | None
    settled: bool


class Finding(NamedTuple):
    """A key to be looked at. `gone`: the source has it no more. Else its row was missed, and `beats` is the deletion
    that its row must be newer than, if it had been taken for deleted."""

    key: str
    gone: bool
    beats: datetime | None = None


class Sweep:
    """Compare once, then give the findings; a context manager, since they wait in a file."""

    def __init__(self, table: str, most_vanished: float):
        self._table, self._most = table, most_vanished
        self._file: IO[str] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, "w+", encoding="utf-8")  # noqa: SIM115 - __exit__ closes it
        self.gone = self.missed = 0

    def __enter__(self) -> Sweep:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def compare(self, listed: Iterable[ListedRow], counted: int, known: Iterator[CurrentVersion]) -> None:
        """Hold the listing against raw. Raises SweepRefused; there are no findings then."""
        alive = seen = 0
        mine = next(known, None)
        last: str | None = None
        for row in listed:
            if last is not None and row.key <= last:
                raise self._refused("its keys do not come once each in the order of their bytes")
            last, seen = row.key, seen + 1
            while mine is not None and mine.key < row.key:
                alive += self._only_known(mine)
                mine = next(known, None)
            match = mine if mine is not None and mine.key == row.key else None
            if match is not None:
                alive += not match.deleted
                mine = next(known, None)
            if row.settled and _is_missing(row, match):
                self.missed += 1
                self._note(Finding(row.key, False, match.version if match and match.deleted else None))
        while mine is not None:
            alive += self._only_known(mine)
            mine = next(known, None)
        if seen != counted:
            raise self._refused(f"its listing broke off: {seen} of {counted} keys came")
        if self.gone > max(FEW, self._most * alive):
            raise self._refused(
                f"{self.gone} of {alive} known records are not in it, which looks like a table that is being refilled;"
                " if they were deleted, set options.most_vanished to 1 for one run"
            )

    def findings(self) -> Iterator[Finding]:
        self._file.seek(0)
        for line in self._file:
            key, gone, beats = json.loads(line)
            yield Finding(key, gone, datetime.fromisoformat(beats) if beats else None)

    def _only_known(self, mine: CurrentVersion) -> bool:
        """Note a record of raw that the source does not list; whether it was alive."""
        if mine.deleted:
            return False
        self.gone += 1
        self._note(Finding(mine.key, True))
        return True

    def _note(self, finding: Finding) -> None:
        key, gone, beats = finding
        self._file.write(json.dumps([key, gone, beats.isoformat() if beats else None]) + "\n")

    def _refused(self, why: str) -> SweepRefused:
        return SweepRefused(f"The sweep of {self._table} was refused: {why}. Nothing was marked as deleted.")


def _is_missing(row: ListedRow, match: CurrentVersion | None) -> bool:
    if match is None or match.deleted or row.version is None:
        return True
    return match.version < row.version
