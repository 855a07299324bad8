"""Short lives told step by step: those that once went wrong, and those in which a removed safeguard is seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple

import psycopg
import pytest

from ingestion import stripe_stream
from ingestion.stripe_stream import EventedStream
from ingestion.window import WindowedStream
from settings import SourceSettings
from tests.ingestion.machine.bench import Bench
from tests.ingestion.machine.seams import Fault
from tests.ingestion.machine.stripe_machine import DAY, MINUTE, StripeMachine
from warehouse import batch
from warehouse.known import CurrentRow, Known

MAIL = "a@example.com"
Story = Callable[[StripeMachine], None]


def born(life: StripeMachine) -> None:
    """One customer whom a first sync has brought."""
    life.create([("Ada", MAIL)], 0)
    life.poll(DAY)


def back_to_what_was_refused(life: StripeMachine) -> None:
    """Bo is refused, Ada is kept, and Bo comes again: the replay must bring the second Bo."""
    life.change_contract("no Bo")
    life.update_daily(0, ["Bo", "Ada", "Bo"])


def refused_a_moment_before(life: StripeMachine) -> None:
    """Bo is refused and Ada is kept in the same second: the replay of Bo must not come after Ada."""
    life.change_contract("no Bo")
    life.update_at_once(0, ["Bo", "Ada"])


def refused_and_read_again_when_deleted(life: StripeMachine) -> None:
    """Bo is refused and then deleted, which the log shows late: the event of his creation, read again in the lookback,
    brings the deletion under the version that Bo waits with, and the replay leaves him out."""
    life.change_contract("with email")
    life.create([("Bo", None)], 0)
    life.poll(MINUTE + 1)
    life.change_contract("as it is")
    life.delete(1, 10 * MINUTE)
    life.poll(MINUTE + 1)


@pytest.mark.parametrize(
    "story", [back_to_what_was_refused, refused_a_moment_before, refused_and_read_again_when_deleted]
)
def test_a_replay_brings_what_the_source_says_now(bench: Bench, story: Story) -> None:
    life = StripeMachine(bench)
    born(life)
    story(life)
    life.teardown()


def test_two_backfills_before_the_first_sync_do_not_win_over_it(bench: Bench) -> None:
    life = StripeMachine(bench)
    life.create([("Ada", MAIL)], 0)
    for name in ("Bo", "Cy"):
        life.tick(DAY)
        life.backfill(3, 1, False, None)
        life.update(0, name, MAIL, 0)
    life.teardown()


def told_late(life: StripeMachine) -> None:
    """The log shows a change only after the bookmark has passed its time."""
    life.update(0, "Bo", MAIL, 10 * MINUTE)
    life.poll(5 * MINUTE)
    life.poll(10 * MINUTE)


def listed_late(life: StripeMachine) -> None:
    """The log shows a change half a minute late, and nobody looks back."""
    life.update(0, "Bo", MAIL, 30)
    life.poll(29)


def twice_in_a_second(life: StripeMachine) -> None:
    """Two changes in one second, each fetched before the next."""
    life.update_at_once(0, ["Bo", "Cy"])


def months_later(life: StripeMachine) -> None:
    """A change whose event is gone from the log: everything is listed again."""
    life.update(0, "Bo", MAIL, 0)
    life.poll(31 * DAY)


def listed_again_after_a_change(life: StripeMachine) -> None:
    """What is listed again must win over a change that was known."""
    life.update_daily(0, ["Cy"])
    months_later(life)


def dead_between_statements(life: StripeMachine) -> None:
    """Customers come, and the sync that is to bring them dies a little later each time."""
    for number in range(12, 48, 2):
        life.create([("Ada", MAIL)], 0)
        life.tick(DAY)
        life.disturbed_poll(Fault(number, "before", dies=True), "nothing", 1, 1)
        life.poll(DAY)


class Removed(NamedTuple):
    """`remove` takes the safeguard out; `story` is the life in which the oracle sees that."""

    safeguard: str
    story: Story
    remove: Callable[[pytest.MonkeyPatch, str], None]


def _listed_by_creation(patch: pytest.MonkeyPatch, _url: str) -> None:
    listed = EventedStream._listed
    patch.setattr(
        EventedStream, "_listed", lambda self, *given, **named: listed(self, *given, **{**named, "version": None})
    )


def _bookmark_first(patch: pytest.MonkeyPatch, url: str) -> None:
    move = batch._move_bookmark

    def at_once(_connection: Any, run: Any, of: Any) -> None:
        with psycopg.connect(url, autocommit=True) as other:
            move(other, run, of)

    patch.setattr(batch, "_move_bookmark", at_once)


def _skip_the_same_second(patch: pytest.MonkeyPatch, _url: str) -> None:
    current = Known.current
    tick = timedelta(microseconds=1)

    def a_little_newer(known: Known, keys: list[str]) -> dict[str, CurrentRow]:
        return {key: row._replace(version=row.version + tick) for key, row in current(known, keys).items()}

    patch.setattr(Known, "current", a_little_newer)


def _one_hash(patch: pytest.MonkeyPatch, _url: str) -> None:
    same = SimpleNamespace(digest=lambda: b"the same")
    patch.setattr(batch, "hashlib", SimpleNamespace(sha256=lambda _data: same))


REMOVED = [
    Removed("the lookback", told_late, lambda patch, _: patch.setattr(SourceSettings, "lookback_of", _no_time)),
    Removed(
        "the time that a source is given to list a change",
        listed_late,
        lambda patch, _: patch.setattr(WindowedStream, "settle", timedelta(0)),
    ),
    Removed("the hash in a version's identity", twice_in_a_second, _one_hash),
    Removed("the new fetch for an event of the same second", twice_in_a_second, _skip_the_same_second),
    Removed(
        "the full list past the events' horizon",
        months_later,
        lambda patch, _: patch.setattr(stripe_stream, "EVENTS_REACH_BACK", timedelta(days=365)),
    ),
    Removed("the version of what is listed again", listed_again_after_a_change, _listed_by_creation),
    Removed("the bookmark from the page's transaction", dead_between_statements, _bookmark_first),
]


def _no_time(_settings: SourceSettings, _stream: str) -> timedelta:
    return timedelta(0)


@pytest.mark.parametrize(
    "removed",
    [
        pytest.param(
            each,
            id=each.safeguard,
            marks=pytest.mark.fault(
                f"Somebody removes {each.safeguard}",
                f"The oracle of the state machine sees it: `{each.story.__name__}`.",
            ),
        )
        for each in REMOVED
    ],
)
def test_the_oracle_sees_a_safeguard_that_is_removed(
    bench: Bench, clean_warehouse: str, removed: Removed, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = StripeMachine(bench)
    born(whole)
    removed.story(whole)
    without = StripeMachine(bench)
    born(without)
    removed.remove(monkeypatch, clean_warehouse)
    with pytest.raises(AssertionError):
        removed.story(without)
