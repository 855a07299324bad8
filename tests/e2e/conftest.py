"""The whole platform once for the end-to-end tests: Postgres, the pretend shop, Airflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.stack import Stack
from settings import load_pipeline

ROOT = Path(__file__).resolve().parents[2]


class Platform:
    """The stack with what an end-to-end test does to it and asks of it."""

    def __init__(self, stack: Stack, settings: Path):
        self.stack, self.settings = stack, settings

    def ingest_and_deliver(self) -> str:
        """Every ingest DAG; the arrival of the critical sources starts the delivery. The state in which it ended.

        The optional sources first: the delivery does not wait for them, and here the day must be whole.
        """
        began = datetime.now(UTC)
        pipeline = load_pipeline()
        optional = [name for name in pipeline.enabled_sources if name not in pipeline.critical_sources]
        for sources in (optional, pipeline.critical_sources):
            runs = {name: self.stack.trigger(f"ingest_{name}") for name in sources}
            for name, run in runs.items():
                assert self.stack.wait(f"ingest_{name}", run) == "success", name
        delivery = self.stack.run_since("deliver", began, timeout=30)
        assert delivery, "the critical sources' arrival started no delivery"
        return self.stack.wait("deliver", delivery)

    def deliver(self) -> str:
        """Run the delivery; the state in which it ended."""
        return self.stack.wait("deliver", self.stack.trigger("deliver"))

    def query(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.stack.warehouse_url) as connection:
            return connection.execute(text.encode(), parameters).fetchall()

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        marts: dict[str, list[dict[str, Any]]] = self.stack.shop.admin("GET", "truth").json()["marts"]
        return marts

    def door(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`python -m <words>` with the stack's environment."""
        command = [sys.executable, "-m", *words]
        return subprocess.run(command, cwd=ROOT, env=self.stack.env, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A tiny shop behind the whole stack; the tests of a module go through its days in order."""
    home = tmp_path_factory.mktemp("platform")
    seed = int(os.environ.get("HEADWATER_TEST_SEED", "7"))
    print(f"the pretend shop's seed is {seed} (HEADWATER_TEST_SEED)")
    # A source that is down is given up after two tries, so that the test of it is quick.
    settings = (ROOT / "pipeline.yml").read_text()
    impatient = home / "pipeline.yml"
    settings = settings.replace("\n    streams:", "\n    http: { attempts: 2 }\n    streams:")
    # The truth knows at once what was deleted in the app's tables.
    assert "sweep: 24h" in settings
    impatient.write_text(settings.replace("sweep: 24h", "sweep: 1s"))
    extra = {"HEADWATER_PIPELINE": str(impatient)}
    with Stack(home / "stack", size="tiny", seed=seed, durable=False, extra_env=extra) as stack:
        yield Platform(stack, impatient)
