"""Sources that exist for the tests; `python -m tests.ingestion.fakes` is ingestion's door with them in it."""

from __future__ import annotations

from pathlib import Path

import ingestion.sources

FOLDER = Path(__file__).parent / "sources"


def add_fakes(folder: Path = FOLDER) -> None:
    if str(folder) not in ingestion.sources.__path__:
        ingestion.sources.__path__.append(str(folder))
