"""Refused, limited, broken off: what was given is kept, and the next run goes on as if nothing had been."""

from __future__ import annotations

import pytest

from tests.ingestion.conformance.adapter import Adapter
from tests.ingestion.conformance.conftest import Warehouse, expected
from tests.ingestion.conformance.test_paging import settled, some


@pytest.mark.fault(
    "A source refuses the login",
    "The run fails and names the setting; nothing of what was known changes, and the next run goes on.",
)
def test_a_refused_login_names_its_setting_and_changes_nothing(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter, 4)
    warehouse.good()
    before = warehouse.everything()
    adapter.put(1)
    settled(adapter)
    adapter.fail("auth")
    told = warehouse.run().error
    assert told and adapter.credential in told and "refused" in told
    assert warehouse.everything() == before
    adapter.heal()
    warehouse.good()
    assert warehouse.marks() == expected(adapter)


@pytest.mark.fault(
    "A source limits the rate or breaks connections off",
    "The request is made again; the same run ends with everything.",
)
@pytest.mark.parametrize("kind", ["rate limit", "reset"])
def test_what_passes_is_waited_for(adapter: Adapter, warehouse: Warehouse, kind: str) -> None:
    some(adapter)
    for after in (0, 3, 6):
        adapter.fail("reset" if kind == "reset" else "rate limit", after=after)
    counts = warehouse.good().counts
    assert (counts.received, counts.kept) == (8, 8)
    assert [fail.times for fail in adapter.fails[:2]] == [0, 0]
    assert warehouse.marks() == expected(adapter)


@pytest.mark.fault("A source's limit stays", "The run fails within its bounds; the next one goes on.")
def test_a_limit_that_stays_ends_the_run_and_not_the_stream(adapter: Adapter, warehouse: Warehouse) -> None:
    some(adapter)
    adapter.fail("rate limit", after=3, times=100)
    assert warehouse.run().error
    adapter.heal()
    warehouse.good()
    assert warehouse.marks() == expected(adapter)


@pytest.mark.fault(
    "A source is away from any request of a run on",
    "The next run leaves the raw rows, quarantine, bookmark, files and counts of an undisturbed one.",
)
def test_a_run_that_ends_at_any_request_and_runs_again_leaves_what_an_undisturbed_one_leaves(
    adapter: Adapter, warehouse: Warehouse
) -> None:
    """Two windows, the first list and then what has changed, each broken off after every number of requests."""
    some(adapter, 8)
    adapter.put(50, 51, spoil=lambda document: {**document, adapter.required: 7})
    settled(adapter)
    first = adapter.snapshot()
    begun = adapter.requests
    warehouse.good()
    requests = adapter.requests - begun
    adapter.put(1, 3, 5, 50, 60)
    settled(adapter)
    second = adapter.snapshot()
    begun = adapter.requests
    warehouse.good()
    requests = max(requests, adapter.requests - begun)
    undisturbed = warehouse.everything()
    if not adapter.drift_breaks_the_file:
        assert undisturbed[1], "nothing was rejected"

    assert requests >= 3
    for after in range(requests):
        warehouse.empty()
        for world in (first, second):
            adapter.restore(world)
            adapter.cut_off(after)
            warehouse.run()
            adapter.heal()
            warehouse.good()
        assert warehouse.everything() == undisturbed, f"broken off after {after} requests"
