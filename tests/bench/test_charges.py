"""The fast server pages as Stripe does: held against Headwater's own reader, and against bounds and cursors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bench.charges import DAY, Charges
from bench.server import serving
from ingestion.source import Context
from ingestion.sources.stripe import Source
from tests.ingestion.kept import Kept, settings_of

TOTAL = 1_050
END = 1_790_000_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(TOTAL) as server:
        yield server.address


def test_a_sync_gets_every_charge_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_URL", address)
    monkeypatch.setenv("STRIPE_API_KEY", "any")
    kept, source = Kept("stripe", "charges"), Source(Context("stripe", settings_of("stripe")))
    kept.run(source.stream("charges"))
    source.close()
    assert not kept.rejects
    assert len(kept.rows) == len(kept.keys) == sum(len(page.records) for page in kept.pages) == TOTAL


def listed(charges: Charges, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = json.loads(charges.page({"limit": "100", **query}))
        found += page["data"]
        if not page["has_more"]:
            return found
        query["starting_after"] = page["data"][-1]["id"]


def test_bounds_and_cursor() -> None:
    charges = Charges(TOTAL, END, days=1)
    every = listed(charges)
    times = [charge["created"] for charge in every]
    assert times == sorted(times, reverse=True) and times[0] == END and times[-1] > END - DAY
    for name, wanted in {
        "created[gte]": [at for at in times if at >= times[300]],
        "created[gt]": [at for at in times if at > times[300]],
        "created[lte]": [at for at in times if at <= times[300]],
        "created[lt]": [at for at in times if at < times[300]],
    }.items():
        assert [charge["created"] for charge in listed(charges, **{name: str(times[300])})] == wanted
    assert listed(charges, **{"created[gt]": str(END)}) == []
    assert json.loads(charges.render(charges.place(every[7]["id"]))) == every[7]
    for unknown in ("ch_3Q0000000000hwDemo", f"ch_3Q{TOTAL + 1:010d}hwDemo", "ch_x", "re_3Q0000000001hwDemo"):
        with pytest.raises(KeyError):
            charges.place(unknown)
