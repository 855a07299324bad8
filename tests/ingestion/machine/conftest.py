"""The bench that a machine's lives are lived on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingestion.machine.bench import Bench


@pytest.fixture
def bench(clean_warehouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(clean_warehouse, tmp_path, monkeypatch)
    yield bench
    bench.close()
