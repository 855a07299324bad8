"""Whatever happens at a source, on the way and to us, in any order: nothing is lost, doubled, made up or set back.

`make test` tries some lives, `make test-soak` 500, shared among its processes. The seed is printed: --hypothesis-seed
plays the same lives again.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.ingestion.machine.bench import Bench
from tests.ingestion.machine.stripe_machine import StripeMachine
from tests.soak import SHARE, note

LIVES, STEPS = (500 // SHARE.of, 40) if SHARE else (25, 20)


@pytest.mark.fault(
    "Customers are created, changed and deleted at Stripe, several in one second, told late, during a sync; webhooks"
    " come twice, forged, in any order or never; syncs, webhooks, replays, backfills and reconciliations die or are cut"
    " off at any point; months pass; contracts change; records vanish from raw: all in an order drawn by lot",
    "After every step raw, quarantine, bookmark and counts are what an oracle derives from what Stripe has said.",
)
@pytest.mark.timeout(1200)
def test_nothing_is_lost_whatever_happens(
    bench: Bench, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    given = request.config.getoption("--hypothesis-seed", default=None)
    number = random.getrandbits(32) if given in (None, "random") else int(given)
    with capsys.disabled():
        print(f"\n{LIVES} lives of {STEPS} steps: pytest --hypothesis-seed={number} {request.node.nodeid}")
    run_state_machine_as_test(
        seed(number)(machine(bench)),
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
        ),
    )


def machine(bench: Bench) -> Callable[[], StripeMachine]:
    def made() -> StripeMachine:
        note("the machine", "lives")
        return StripeMachine(bench)

    return made
