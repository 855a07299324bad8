"""Stripe's changed objects fetched side by side: as many at once as allowed, and the same rows as one by one."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from ingestion import http as http_module
from ingestion.side_by_side import side_by_side
from ingestion.source import Context, Record
from ingestion.sources.stripe import Source
from ingestion.window import Window
from settings import HeadwaterError
from tests.ingestion.kept import settings_of
from tests.ingestion.scripted import Answer, Asked, Scripted

END = datetime(2026, 3, 1, 11, 59, tzinfo=UTC)
CHANGED = 40


class SlowStripe:
    """A page of events about CHANGED charges; each charge takes `seconds`. `refuse` gives the 429 of a request."""

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds
        self.at_once = self.most_at_once = 0
        self.fetched: dict[str, int] = {}
        self.refuse: set[str] = set()
        self.broken: set[str] = set()
        self.refused_at = 0.0
        self.asked_at: list[float] = []
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Answer:
        path = urlsplit(asked.path).path
        if path == "/v1/events":
            events = [self._event(number) for number in reversed(range(CHANGED))]
            return Answer(json.dumps({"object": "list", "data": events, "has_more": False}).encode())
        if path == "/v1/charges":
            return Answer(b'{"object": "list", "data": [], "has_more": false}')
        charge = path.rsplit("/", 1)[1]
        with self._lock:
            self.asked_at.append(time.monotonic())
            self.fetched[charge] = self.fetched.get(charge, 0) + 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.seconds)
        with self._lock:
            self.at_once -= 1
            if charge in self.refuse:
                self.refuse.discard(charge)
                self.refused_at = time.monotonic()
                return Answer(b'{"error": {"message": "slow down"}}', 429, {"Retry-After": "0.6"})
        if charge in self.broken:
            return Answer(b'{"error": {"message": "no"}}', 400)
        return Answer(json.dumps({"id": charge, "object": "charge"}).encode())

    def _event(self, number: int) -> dict[str, Any]:
        created = int((END - timedelta(minutes=5)).timestamp()) + number
        thing = {"id": f"ch_{number:03d}", "object": "charge"}
        return {"id": f"evt_{number:03d}", "created": created, "type": "charge.updated", "data": {"object": thing}}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test")


def changes(scripted: Scripted, monkeypatch: pytest.MonkeyPatch, workers: int) -> list[Record]:
    """The records of the one page of changed charges."""
    monkeypatch.setenv("STRIPE_API_URL", scripted.url)
    source = Source(Context("stripe", settings_of("stripe", refetch_workers=workers)))
    try:
        (page,) = source.stream("charges").pages(Window(END - timedelta(hours=1), END), None)  # type: ignore[attr-defined]  # a windowed stream
        return list(page.records)
    finally:
        source.close()


def test_eight_workers_are_several_times_faster_and_bring_the_same_records(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    took: dict[int, float] = {}
    found: dict[int, list[Record]] = {}
    for workers in (1, 8):
        scripted.then = slow = SlowStripe(0.03)
        begun = time.perf_counter()
        found[workers] = changes(scripted, monkeypatch, workers)
        took[workers] = time.perf_counter() - begun
        assert slow.most_at_once <= workers
        assert slow.fetched == {f"ch_{number:03d}": 1 for number in range(CHANGED)}
    assert found[1] == found[8]
    assert [json.loads(record.data)["id"] for record in found[8]] == [f"ch_{n:03d}" for n in reversed(range(CHANGED))]
    assert took[1] / took[8] > 3, took


def test_a_429_to_one_holds_all_back(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "BACKOFF_SECONDS", 0.01)
    scripted.then = slow = SlowStripe(0.02)
    slow.refuse = {"ch_030"}
    assert len(changes(scripted, monkeypatch, 4)) == CHANGED
    assert slow.fetched == {f"ch_{number:03d}": 2 if number == 30 else 1 for number in range(CHANGED)}
    # What was on its way when the 429 came is let through; then nothing for as long as Stripe asked.
    meanwhile = [at for at in slow.asked_at if slow.refused_at + 0.15 < at < slow.refused_at + 0.6]
    assert not meanwhile


def test_an_error_is_raised_at_once_and_nothing_more_is_begun(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.then = slow = SlowStripe(0.02)
    slow.broken = {"ch_036"}  # the fourth of the page
    with pytest.raises(HeadwaterError, match="v1/charges/ch_036: 400: no"):
        changes(scripted, monkeypatch, 4)
    assert len(slow.fetched) < CHANGED / 2


@pytest.mark.parametrize("workers", [0, 33, True, "8"])
def test_a_wrong_number_of_workers_is_named(workers: Any) -> None:
    with pytest.raises(HeadwaterError, match=r"sources.stripe.options.refetch_workers: .* is no number from 1 to 32"):
        Source(Context("stripe", settings_of("stripe", refetch_workers=workers))).stream("charges")


def test_results_keep_the_order_of_the_things_whatever_finishes_first() -> None:
    def later_the_smaller(number: int) -> int:
        time.sleep((5 - number) / 100)
        return number * number

    assert side_by_side(later_the_smaller, range(5), 5) == [0, 1, 4, 9, 16]
    assert side_by_side(later_the_smaller, [], 5) == []
