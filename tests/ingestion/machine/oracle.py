"""The oracle: what must be in the warehouse, by what the source has said; it knows nothing of how syncs work.

It believes three things. A sync that succeeded knows every change that the source's event log showed before it began,
up to the bookmark that it left. An event that was ticked off has been applied. And what was said to a run that
succeeded is in raw or, when its contract refused it, in quarantine, by its exact bytes. So for each customer there is a
state that raw may never fall behind again (`floors`). Only this cannot be known: a customer who was deleted before the
first list, and a deletion whose event was gone from the log before any sync could read it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from tests.ingestion.machine.customers import EVENTS_REACH_BACK, Customer, Customers, Said, State
from tests.ingestion.machine.found import Found, Row, shown

HOUR = 3600
SETTLE = 60

Refuses = Callable[[bytes], bool]


class Oracle:
    def __init__(self, source: Customers):
        self._source = source
        self.floors: dict[str, int] = {}
        self.delivered: set[str] = set()
        self.holes: set[str] = set()
        self._taken_out = 0
        self._ends: list[datetime] = []
        self._as_of: list[datetime] = []
        self._applied: set[str] = set()
        self._began: int | None = None
        self._before: Found | None = None

    def always(self, found: Found) -> None:
        """What holds whatever happened, a crash included."""
        before = self._before
        rows = len(found.rows)
        received, kept, already, rejected = found.loads
        assert received == kept + already + rejected
        assert kept == rows + self._taken_out, f"{kept} were counted as kept, raw has {rows}"
        if before:
            assert before.rows <= found.rows, f"raw lost {before.rows - found.rows}"
            assert (before.quarantine | before.resolved) <= (found.quarantine | found.resolved), "quarantine lost some"
            assert before.watermark is None or found.watermark >= before.watermark, "the bookmark went back"
            assert before.events.keys() <= found.events.keys(), "a stored event is gone"
        assert found.events.keys() <= self.delivered, "an event that nobody sent with a right signature"
        for window in (found.state.get("window"), {"end": found.state.get("watermark")}):
            if window and window["end"]:
                self._ends.append(datetime.fromisoformat(window["end"]))
        for row in found.rows - (before.rows if before else set()):
            self._was_said(row)
        for key, data in found.quarantine:
            assert (key, data) in self._source.ever_said, f"quarantine has what was never said: {key} {data!r}"
        for event_id, status in found.events.items():
            if status == "processed" and event_id not in self._applied:
                self._applied.add(event_id)
                key, index = self._source.events[event_id]
                self._known(self._source.customers[key], index, found, f"{event_id} was ticked off")
        self._settled(found)
        for key, index in self.floors.items():
            assert self._index(key, found) >= index, f"raw fell behind state {index} of {key}\n{shown(found)}"
        self._before = found

    def forget(self, key: str, versions: int) -> None:
        """Somebody took the record out of raw: it is owed only once a reconciliation has found that."""
        self._taken_out += versions
        self.holes.add(key)
        self.floors.pop(key, None)
        if self._before:
            rows = {row for row in self._before.rows if row.key != key}
            self._before = self._before._replace(rows=rows)

    def synced(self, found: Found, began: int) -> None:
        """After a sync that succeeded; `began` is the source's clock when it did."""
        assert found.watermark is not None and not found.state["window"], "it ended in the middle of a window"
        watermark = int(found.watermark.timestamp())
        assert began - SETTLE <= watermark <= self._source.now - SETTLE, "the bookmark is not where it should be"
        self._began = began

    def reconciled(self, end: float, before: Found) -> None:
        """After a reconciliation that succeeded: what was created up to `end` is there again.

        What has anything in quarantine is left to its replay.
        """
        waiting = {key for key, _ in before.quarantine}
        self.holes = {key for key in self.holes if key in waiting or self._source.customers[key].created > end}

    def _settled(self, found: Found) -> None:
        if self._began is None or found.watermark is None:
            return
        watermark = int(found.watermark.timestamp())
        for customer in self._source.customers.values():
            due = [it for it in customer.states if it.at <= watermark and it.seen <= self._began]
            if not due or (customer.deleted and (not due[-1].deleted or self._unknowable(customer, found))):
                continue  # who is deleted is not listed, and the event is still to come or never will
            self._known(customer, len(due) - 1, found, f"a sync reached {found.watermark}")

    def _unknowable(self, customer: Customer, found: Found) -> bool:
        row, at = found.current.get(customer.key), customer.states[-1].at
        if row is None:
            return at <= min(self._ends).timestamp() or at < self._source.now - EVENTS_REACH_BACK + HOUR
        return not row.deleted and at < self._source.now - EVENTS_REACH_BACK + HOUR

    def reads_as_of(self, when: datetime) -> None:
        """A backfill begins, which dates what it reads so."""
        self._as_of.append(when)

    def was_kept(self, said: list[Said], refuses: Refuses, found: Found) -> None:
        """What was said to work that succeeded is in raw, or in quarantine when the contract refuses it."""
        for each in said:
            if refuses(each.data):
                assert each[1:] in found.quarantine, f"{each} was refused, and is not in quarantine"
            else:
                assert self._in_raw(each.key, each.data, found), f"{each} was said and is not in raw"

    def replayed(self, refuses: Refuses, before: Found, found: Found) -> None:
        """After a replay: what passes today has left the quarantine for raw, the rest is where it was."""
        assert found.quarantine == {each for each in before.quarantine if refuses(each[1])}
        for key, data, version in before.waiting - found.waiting:
            came = self._in_raw(key, data, found) or self._outrun(key, data, version, found)
            assert came, f"{key} {data!r} is gone"

    def _outrun(self, key: str, data: bytes, version: datetime | None, found: Found) -> bool:
        """A later state was read under the very version that it waited with.

        What is fetched for an event is dated by that event, and may be of a change that the log has not shown yet. Were
        the record brought after it, it would stand for that version as the last loaded.
        """
        customer = self._source.customers[key]
        version = version or datetime.fromtimestamp(customer.created, UTC)
        first = next(index for index, it in enumerate(customer.states) if it.data == data)
        later = {it.data for it in customer.states[first + 1 :]}
        return any(row.key == key and row.version == version and row.data in later for row in found.rows)

    def _in_raw(self, key: str, data: bytes, found: Found) -> bool:
        """Its bytes are, or another state of the same second that came after it."""
        states = self._source.customers[key].states
        seconds = {state.at for state in states if state.data == data}
        same = {state.data for state in states if state.at in seconds}
        return any(row.key == key and row.data in same for row in found.rows)

    def _known(self, customer: Customer, index: int, found: Found, why: str) -> None:
        """Raw must have this state or a later one, unless one of these is in quarantine."""
        later = customer.states[index:]
        if customer.key in self.holes or any((customer.key, state.data) in found.quarantine for state in later):
            return
        has = self._index(customer.key, found)
        assert has >= index, f"{why}: raw has state {has} of {customer.key}, not {index}\n{shown(found)}"
        self.floors[customer.key] = max(index, self.floors.get(customer.key, 0))

    def _index(self, key: str, found: Found) -> int:
        """Which of the customer's states raw shows as current (the last one of these bytes); -1: none."""
        row = found.current.get(key)
        if row is None:
            return -1
        return max(index for index, it in enumerate(self._source.customers[key].states) if it.data == row.data)

    def _was_said(self, row: Row) -> None:
        customer = self._source.customers.get(row.key)
        assert customer and (row.key, row.data) in self._source.ever_said, f"raw has what was never said: {row}"
        state: State = next(it for it in customer.states if it.data == row.data)
        assert row.deleted == state.deleted, f"{row} was said as deleted: {state.deleted}"
        times = {datetime.fromtimestamp(it.at, UTC) for it in customer.states}
        assert row.version in times.union(self._ends, self._as_of), f"no time that the source knows of: {row}"
