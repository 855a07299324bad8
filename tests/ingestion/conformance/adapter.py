"""What a case may do at a source: let records appear, change, tie and vanish, move its clock, make it fail."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from settings import Pipeline
from tests.ingestion.conformance.corpus import JSON, Hostile
from tests.ingestion.conftest import SHOP

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
Fault = Literal["auth", "rate limit", "reset"]
Document = dict[str, Any]


@dataclass
class Thing:
    """A record at the source. `key` is what raw calls it; `spoil` changes its document, `hole` is a raw JSON value."""

    number: int
    key: str
    created: datetime
    changed: datetime
    mark: str
    spoil: Callable[[Document], Document] = lambda document: document
    hole: bytes | None = None


@dataclass
class Fail:
    """Requests after the first `after` fail, `times` of them."""

    kind: Fault
    after: int
    times: int


class Adapter(ABC):
    """A source with nothing in it. Made once a test; `page` is how many records it gives at once."""

    name: ClassVar[str]
    source: ClassVar[str]
    stream: ClassVar[str]
    required: ClassVar[str]
    type: ClassVar[str] = ""
    """The source's type, where it is not called like it."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Cases by name (all of a test, or `test[parameter]`) that cannot be asked of it, each with why."""
    tells_deletions: ClassVar[bool] = False
    has_window: ClassVar[bool] = True
    """Whether it reads windows of the source's time (with a lookback); files have times, and no windows."""
    asks_until_bound: ClassVar[int] = 1
    """How many requests a run makes until it has fixed what it will read."""
    settle: ClassVar[timedelta] = timedelta(seconds=60)
    lookback: ClassVar[timedelta] = timedelta(hours=1)
    drift_breaks_the_file: ClassVar[bool] = False
    """Whether a missing column costs the whole file (which stays where it is, named) and not the record alone."""
    times: ClassVar[Sequence[str]] = ()
    """The fields with the time of its change as ISO text, which may be written by any clock."""
    money: ClassVar[Sequence[Document]] = ()
    """Fields in which its records may have an amount, in currencies of no and of three decimals."""
    credential: ClassVar[str]
    corpus: ClassVar[Sequence[Hostile]] = JSON
    attempts: ClassVar[int] = 3
    remembers: ClassVar[tuple[str, ...]] = ("things", "now")
    """The attributes that make up what the source holds."""

    def __init__(self) -> None:
        self.now = T0
        self.page = 3
        self.things: dict[int, Thing] = {}
        self.fails: list[Fail] = []
        self.on_request: Callable[[], None] = lambda: None
        self.requests = 0
        self.before_all = b""  # bytes that stand before every answer or file
        self._marks = 0

    # What a case does.

    def put(self, *numbers: int, at: datetime | None = None, **more: Any) -> None:
        """These records appear or change, all at the same time: now, or `at`."""
        when = at or self.now
        for number in numbers:
            self._marks += 1
            created = self.things[number].created if number in self.things else when
            self.things[number] = Thing(number, self.key(number), created, when, f"mark-{self._marks:05d}-", **more)
            self.told(self.things[number])
        self.shown([self.things[number] for number in numbers])

    def vanish(self, number: int) -> None:
        thing = self.things.pop(number)
        self.gone(thing)

    def tick(self, **time: float) -> None:
        self.now += timedelta(**time)

    def fail(self, kind: Fault, after: int = 0, times: int = 1) -> None:
        self.fails.append(Fail(kind, self.requests + after, times))

    def snapshot(self) -> dict[str, Any]:
        """The source as it is, to be restored any number of times."""
        return {name: deepcopy(getattr(self, name)) for name in self.remembers}

    def restore(self, kept: dict[str, Any]) -> None:
        for name, value in kept.items():
            setattr(self, name, deepcopy(value))

    def cut_off(self, after: int) -> None:
        """A run is to end in an error at the request after the first `after`."""
        self.fail("auth", after)

    def heal(self) -> None:
        """No more failures."""
        self.fails.clear()

    def pipeline(self, on_reject: str = "quarantine") -> Pipeline:
        block = {
            "type": self.type or self.source,
            "schedule": "0 2 * * *",
            "freshness": "26h",
            "lookback": f"{self.lookback.total_seconds():.0f}s",
            "http": {"attempts": self.attempts, "timeout": "20s", "deadline": "60s"},
            "options": self.options,
            "streams": {self.stream: {"on_reject": on_reject}},
        }
        return Pipeline.model_validate({**SHOP, "sources": {self.source: block}})

    def bytes_of(self, thing: Thing) -> bytes:
        """The record as the source shows it, byte by byte; `hole` stands where the free text stood."""
        data = json.dumps(thing.spoil(self.document(thing)), ensure_ascii=False).encode()
        if thing.hole is None:
            return data
        return data.replace(b'"<hole>"', thing.hole)

    def failing(self) -> Fault | None:
        """To be asked at each request: counts it, lets life go on, says how it must fail."""
        self.requests += 1
        for fail in self.fails:
            if self.requests > fail.after and fail.times:
                fail.times -= 1
                return fail.kind
        self.on_request()
        return None

    # What a source says of itself.

    options: ClassVar[dict[str, Any]] = {}

    @abstractmethod
    def key(self, number: int) -> str:
        """What raw calls record `number`."""

    @abstractmethod
    def document(self, thing: Thing) -> Document:
        """The record; "<hole>" stands in its free text when it has a hole."""

    def told(self, thing: Thing) -> None:
        """One record has changed (an event log would say so)."""

    def shown(self, things: list[Thing]) -> None:
        """These have changed together (a file would hold them)."""

    def gone(self, thing: Thing) -> None:
        """It was deleted."""

    def close(self) -> None:
        """Let go of servers."""
