"""Sources whose files are written for a test: the example of docs/adding-a-source.md, and what `new-source` writes."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import ingestion.sources
from ingestion.new_source import FILES, Paging, write_source
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "adding-a-source.md"


def example() -> dict[str, str]:
    """What the page says of each file, by its path."""
    return dict(re.findall(r'^```\w+ title="(\S+)"\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL))


def write_example(folder: Path, patch: pytest.MonkeyPatch) -> str:
    """The example's source, `helpdesk` with its `tickets`, in `folder`; what the page puts into pipeline.yml."""
    blocks = example()
    block = blocks.pop("pipeline.yml")
    for name, text in blocks.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _look_here_first(folder, patch, "helpdesk")
    return block


def write_new(folder: Path, patch: pytest.MonkeyPatch, name: str, paging: Paging, stream: str) -> None:
    """What `make new-source` writes, in `folder`."""
    for path in FILES:
        (folder / path).parent.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "pipeline.yml", folder)
    write_source(folder, name, "https://api.example.com", paging, stream)
    _look_here_first(folder, patch, name)


def _look_here_first(folder: Path, patch: pytest.MonkeyPatch, name: str) -> None:
    """Also when the checkout has a source of this name, whose module comes back when the test ends."""
    patch.setattr(ingestion.sources, "__path__", [str(folder / "ingestion/sources"), *ingestion.sources.__path__])
    module = f"ingestion.sources.{name}"
    patch.setitem(sys.modules, module, ingestion.sources)  # remembers what was there, or that nothing was
    del sys.modules[module]
