"""The fake sources, a pipeline that has them, and a server that answers by script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from settings import Pipeline
from tests.ingestion.fakes import add_fakes
from tests.ingestion.scripted import Scripted
from warehouse.migrate import migrate

SHOP = {
    "shop": {"name": "Test", "timezone": "Europe/Berlin", "currency": "EUR"},
    "delivery": {"owner": "test", "latest_start": "03:00", "deadline": "08:00"},
    "monthly_budget_usd": 0,
}

Numbers = Callable[..., Pipeline]
Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(autouse=True, scope="session")
def fakes() -> None:
    add_fakes()


@pytest.fixture
def numbers(clean_warehouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Numbers:
    """Make a pipeline of the numbers source with these options; HEADWATER_PIPELINE names its file."""

    def make(on_reject: str = "quarantine", **options: Any) -> Pipeline:
        stream = {"on_reject": on_reject}
        block = {
            "schedule": "0 2 * * *",
            "freshness": "26h",
            "options": {"count": 10, "now": "2026-03-02T00:00:00Z", **options},
            "streams": {"items": stream, "others": stream},
        }
        data = {**SHOP, "sources": {"numbers": block}}
        path = tmp_path / "pipeline.yml"
        path.write_text(yaml.safe_dump(data))
        monkeypatch.setenv("HEADWATER_PIPELINE", str(path))
        pipeline = Pipeline.model_validate(data)
        migrate(clean_warehouse, pipeline)
        return pipeline

    return make


@pytest.fixture
def query(clean_warehouse: str) -> Query:
    """Ask the module's warehouse."""

    def ask(text: str, url: str = clean_warehouse) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute(text.encode()).fetchall()

    return ask


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()
