"""No source is left out of the suite."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conftest import ROOT
from tests.ingestion.conformance.adapter import Adapter
from tests.ingestion.conformance.conftest import ADAPTERS
from tests.ingestion.conformance.rest import declared_streams


def classes(of: type[Adapter]) -> Iterator[type[Adapter]]:
    for each in of.__subclasses__():
        yield each
        yield from classes(each)


def test_every_source_has_an_adapter() -> None:
    sources = {path.stem for path in (ROOT / "ingestion/sources").glob("[!_]*.py")}
    named = {each.name: each.type or each.source for each in classes(Adapter) if hasattr(each, "name")}
    driven = {named[name] for name in ADAPTERS if name in named} | {of for _, of, _ in declared_streams()}
    assert sources - driven == set(), "derive an adapter for it (tests/ingestion/conformance/__init__.py says how)"
