"""The state machine: a source that lives, webhooks that come as they like, and work of ours that dies half-way."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from ingestion import quarantine
from ingestion import sync as sync_module
from ingestion.backfill import plan_backfill, run_window, unfinished
from ingestion.reconcile import reconcile
from ingestion.sync import sync
from ingestion.webhooks.apply import apply_pending
from settings import HeadwaterError
from tests.ingestion.machine.bench import SOURCE, STREAM, STRICTER, Bench, Contract
from tests.ingestion.machine.customers import REFUSED, RESET
from tests.ingestion.machine.oracle import Oracle
from tests.ingestion.machine.seams import Fault

MINUTE, HOUR, DAY = 60, 3600, 86_400
# Few people with few names: what is rare (the same one again, as it was once) is to happen often.
names, emails = some.sampled_from(["Ada", "Bo"]), some.sampled_from(["a@example.com", "a@example.com", None])
lateness = some.sampled_from([0, 0, 30, 10 * MINUTE, 10 * MINUTE, HOUR])
whoever = some.integers(0, 3)
faults = some.none() | some.builds(Fault, some.integers(1, 90), some.sampled_from(["before", "after"]), some.booleans())
lives = some.sampled_from(["nothing", "nothing", "create", "update", "delete", "tick", "reset", "refused"])


class StripeMachine(RuleBasedStateMachine):
    def __init__(self, bench: Bench):
        super().__init__()
        self.bench, self.source, self.seams = bench, bench.source, bench.seams
        self.source.reset()
        bench.warehouse.empty()
        self.oracle = Oracle(self.source)
        self.change_contract("as it is")

    # What happens at the source.

    @rule(people=some.lists(some.tuples(names, emails), min_size=1, max_size=4), late=lateness)
    def create(self, people: list[tuple[str, str | None]], late: int) -> None:
        """All of them in the same second."""
        for name, email in people:
            self.source.create(name, email, late)

    @precondition(lambda self: self.source.live())
    @rule(who=whoever, name=names, email=emails, late=lateness)
    def update(self, who: int, name: str, email: str | None, late: int) -> None:
        live = self.source.live()
        self.source.update(live[who % len(live)], name, email, late)

    @precondition(lambda self: self.source.live())
    @rule(who=whoever, late=lateness)
    def delete(self, who: int, late: int) -> None:
        live = self.source.live()
        self.source.delete(live[who % len(live)], late)

    @rule(seconds=some.sampled_from([1, 61, HOUR, DAY, 20 * DAY, 31 * DAY]))
    def tick(self, seconds: int) -> None:
        self.source.now += seconds

    @precondition(lambda self: self.source.live())
    @rule(who=whoever, days=some.lists(names, min_size=1, max_size=3))
    def update_daily(self, who: int, days: list[str]) -> None:
        """A change and a sync each day."""
        for name in days:
            self.update(who, name, "a@example.com", 0)
            self.poll(DAY)

    @precondition(lambda self: self.source.live())
    @rule(who=whoever, moments=some.lists(names, min_size=1, max_size=3))
    def update_at_once(self, who: int, moments: list[str]) -> None:
        """Changes in one second, each told of and applied before the next."""
        for name in moments:
            self.update(who, name, None, 0)
            self.webhook(0, "once", True)

    # What the source tells us of.

    @precondition(lambda self: self.source.events)
    @rule(which=some.integers(0, 9), how=some.sampled_from(["once", "twice", "forged"]), at_once=some.booleans())
    def webhook(self, which: int, how: str, at_once: bool) -> None:
        """Any event may come at any time, in any order, or never: the newest ones first of all."""
        event_id = list(self.source.events)[-1 - which % len(self.source.events)]
        key, index = self.source.events[event_id]
        body = self.source.customers[key].states[index].event
        if how == "forged":
            assert self.bench.post(body, "whsec_of_somebody_else") == 401
            return
        self.oracle.delivered.add(event_id)
        for _ in range(2 if how == "twice" else 1):
            assert self.bench.post(body) == 200
        if at_once:
            self.apply_webhooks(None)

    # What we do.

    @rule(seconds=some.sampled_from([0, 61, 61, DAY]))
    def poll(self, seconds: int) -> None:
        """An undisturbed sync."""
        self.tick(seconds)
        result = self._poll(None)
        assert result.error is None, result.error

    @rule(fault=faults, life=lives, after=some.integers(1, 12), batch=some.sampled_from([1, 5, 2000]))
    def disturbed_poll(self, fault: Fault | None, life: str, after: int, batch: int) -> None:
        """A sync that dies or is cut off, while the source lives on."""
        self.source.listen()
        if life in ("reset", "refused"):
            self.source.broken[after] = RESET if life == "reset" else REFUSED
        elif life != "nothing":
            self.source.meanwhile[after] = self._living(life)
        self._poll(fault, batch)

    def _poll(self, fault: Fault | None, batch: int = 5) -> Any:
        began, result = self.source.now, None
        before = self.bench.warehouse.found()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sync_module, "BATCH_RECORDS", batch)
            with self.seams.work(fault):
                [result] = sync(SOURCE, [STREAM], pipeline=self.bench.pipeline, url=self.bench.warehouse.url)
        found = self.bench.warehouse.found()
        said = self._heard()
        if result and result.error is None:
            self.oracle.synced(found, began)
            self.oracle.was_kept(said, self.bench.refuses, found)
            if not self.seams.struck:
                refused = sum(self.bench.refuses(each.data) for each in said)
                [received, *_, rejected] = (now - then for now, then in zip(found.loads, before.loads, strict=True))
                assert (received, rejected) == (len(said), refused), "the counts are not those of what was said"
        self.oracle.always(found)
        return result

    @rule(fault=faults)
    def apply_webhooks(self, fault: Fault | None) -> None:
        self.source.listen()
        done: list[Any] | None = None
        with self.seams.work(fault):
            done = self._trying(lambda: apply_pending(pipeline=self.bench.pipeline, url=self.bench.warehouse.url))
        found = self.bench.warehouse.found()
        said = self._heard()
        if done is not None and not any(each.left for each in done):
            self.oracle.was_kept(said, self.bench.refuses, found)
            assert set(found.events.values()) <= {"processed"}
        self.oracle.always(found)

    @rule(contract=some.sampled_from(list(STRICTER)))
    def change_contract(self, contract: Contract) -> None:
        self.bench.contract(contract)

    @rule(fault=faults)
    def replay(self, fault: Fault | None) -> None:
        before = self.bench.warehouse.found()
        done: list[Any] | None = None
        with self.seams.work(fault):
            url = self.bench.warehouse.url
            done = self._trying(lambda: [quarantine.replay(SOURCE, STREAM, pipeline=self.bench.pipeline, url=url)])
        found = self.bench.warehouse.found()
        if done and not self.seams.struck:
            self.oracle.replayed(self.bench.refuses, before, found)
        self.oracle.always(found)

    @precondition(lambda self: self.source.live())
    @rule(who=some.none() | whoever, fault=faults)
    def lose_and_reconcile(self, who: int | None, fault: Fault | None) -> None:
        """A record is taken out of raw behind everybody's back; the reconciliation finds it."""
        live = self.source.live()
        if who is not None:
            key = live[who % len(live)].key
            if versions := self.bench.warehouse.forget(key):
                self.oracle.forget(key, versions)
        self.source.listen()
        before = self.bench.warehouse.found()
        done: list[Any] | None = None
        with self.seams.work(fault):
            url, pipeline = self.bench.warehouse.url, self.bench.pipeline
            done = self._trying(lambda: reconcile(SOURCE, [STREAM], pipeline=pipeline, url=url))
        found = self.bench.warehouse.found()
        said = [each for each in self._heard() if each.how == "one"]
        if done and done[0].error is None:
            end = found.watermark.timestamp() if found.watermark else 0
            owed = [
                each.key
                for each in live
                if each.created <= end
                and (each.key not in before.current or before.current[each.key].deleted)
                and each.key not in {key for key, _ in before.quarantine}
            ]
            assert done[0].missing == len(owed), (done[0].missing_keys, owed)
            self.oracle.was_kept(said, self.bench.refuses, found)
            self.oracle.reconciled(end, before)
        self.oracle.always(found)

    @rule(days=some.integers(1, 40), windows=some.integers(1, 3), again=some.booleans(), fault=faults)
    def backfill(self, days: int, windows: int, again: bool, fault: Fault | None) -> None:
        """What was created in the last days is read again; one that died goes on when the same is asked for."""
        self.source.listen()
        end = self._time(self.source.now - MINUTE)
        self.oracle.reads_as_of(end)
        done: list[Any] | None = None
        with self.seams.work(fault):
            done = self._trying(lambda: self._backfill(end - timedelta(days=days), end, windows, again))
        found = self.bench.warehouse.found()
        said = self._heard()
        if done is not None and not self.seams.struck:
            self.oracle.was_kept(said, self.bench.refuses, found)
        self.oracle.always(found)

    def _backfill(self, start: datetime, end: datetime, windows: int, again: bool) -> list[Any]:
        named: Any = {"pipeline": self.bench.pipeline, "url": self.bench.warehouse.url}
        backfill = plan_backfill(SOURCE, STREAM, start, end, windows, again=again, **named)
        waiting = unfinished(backfill, named["url"])
        return [run_window(SOURCE, STREAM, backfill, window.number, **named) for window in waiting]

    def teardown(self) -> None:
        """In the end everything is mended, and everything must be there."""
        if sys.exc_info()[0] is not None:
            return  # a step has failed already
        self.poll(DAY)
        self.poll(2 * HOUR)  # no event of the lookback is left that would bring again what a replay must bring
        self.apply_webhooks(None)
        self.change_contract("as it is")
        self.replay(None)
        assert not self.bench.warehouse.found().quarantine

    def _living(self, life: str) -> Callable[[], None]:
        """One thing that happens at the source while it is read."""
        live = self.source.live()

        def act() -> None:
            if life == "create":
                self.source.create("Di", None)
            elif life == "tick":
                self.source.now += 7
            elif live and life == "update":
                self.source.update(live[-1], "Di", None)
            elif live and life == "delete":
                self.source.delete(live[0])

        return act

    def _time(self, second: int) -> datetime:
        return datetime.fromtimestamp(second, UTC)

    def _heard(self) -> list[Any]:
        said = self.source.said
        self.source.listen()
        return said

    def _trying(self, work: Callable[[], list[Any]]) -> list[Any] | None:
        """What it did; None when it failed in a way that it may."""
        try:
            return work()
        except (HeadwaterError, psycopg.Error):
            return None
