"""Any source that is declared alone (RestSource with RestStreams): its API is pretended as it is declared.

A source of pipeline.yml whose streams are such joins by itself. Where its records cannot be guessed from its contract,
derive `DeclaredAdapter`, write `document`, and name it `<source>-<stream>` in `ADAPTERS` (conftest.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ingestion.catalog import contract_folder, source_class
from ingestion.contracts import load_contract
from ingestion.new_source import Paging
from ingestion.paging import Counted
from ingestion.rest import RestSource, RestStream
from settings import load_pipeline
from tests.ingestion.conformance.adapter import T0, Document, Thing
from tests.ingestion.conformance.corpus import JSON, KEYS
from tests.ingestion.conformance.http_adapter import HttpAdapter
from tests.ingestion.paged_api import Listed, PagedApi
from tests.ingestion.scripted import Answer, Asked
from tests.ingestion.written import write_example, write_new

MOVES = "a list that only counts is read again while it moves, and one that never stands still is told (test_paging.py)"
FORMATS = {"date-time": T0.isoformat(), "date": f"{T0:%Y-%m-%d}", "email": "a@example.com", "uri": "https://a.example"}
VALUES = {"string": "text", "integer": 1, "number": 1, "boolean": True, "array": [], "null": None}


def declared_streams() -> Iterator[tuple[str, str, str]]:
    """(source, its type, stream) of every stream of pipeline.yml that is nothing but declared."""
    for source, settings in load_pipeline().sources.items():
        found = source_class(settings.type)
        if issubclass(found, RestSource):
            for stream in settings.streams:
                if issubclass(found.streams[stream], RestStream):
                    yield source, settings.type, stream


class DeclaredAdapter(HttpAdapter):
    """A stream as its class and its contract declare it."""

    def __init__(self, patch: pytest.MonkeyPatch, source: str, source_type: str, stream: str):
        declared = source_class(source_type)
        assert issubclass(declared, RestSource)
        self.declared = declared.streams[stream]
        assert issubclass(self.declared, RestStream)
        self.source, self.type, self.stream = source, source_type, stream
        self.address, self.credential, self.settle = declared.address, declared.credential, self.declared.settle
        folder = contract_folder(source, source_type, stream)
        self.schema = json.loads((folder / f"{stream}.json").read_text())
        self.times = (self.declared.version_field,)
        self.required = next(self._required_texts(), self.declared.version_field)
        self.corpus = (*JSON, *KEYS) if self.declared.key == "id" else JSON
        self.exempt = {}
        if isinstance(self.declared.paging, Counted):
            self.exempt["test_records_change_vanish_and_appear_while_they_are_read"] = MOVES
        if not self.declared.until_param:
            bound = "its API takes no upper bound: the whole list is read each time"
            self.exempt["test_the_bound_is_frozen_however_fast_the_source_grows"] = bound
        super().__init__(patch)
        self.api = _Api(self)
        record = self.bytes_of(Thing(1, self.key(1), T0, T0, "mark-00000-"))
        errors = load_contract(folder, stream).check(record).errors
        assert not errors, f"{source}.{stream} needs an adapter that derives DeclaredAdapter and its document: {errors}"

    def key(self, number: int) -> str:
        return str(number)

    def document(self, thing: Thing) -> Document:
        named = self.schema.get("properties", {})
        found = {name: sample(named.get(name, {})) for name in self.schema.get("required", [])}
        number = "integer" in _types(named.get(self.declared.key, {}))
        found[self.declared.key] = thing.number if number else thing.key
        unix = "string" not in _types(named.get(self.declared.version_field, {}))
        found[self.declared.version_field] = int(thing.changed.timestamp()) if unix else thing.changed.isoformat()
        return {**found, "marked": thing.mark, "free_text": "<hole>" if thing.hole else "Help"}

    def answer(self, asked: Asked) -> Answer:
        self.api.page = self.page
        return self.api(asked)

    def listed(self) -> list[Listed]:
        return [Listed(thing.changed, thing.key, self.bytes_of(thing)) for thing in self.things.values()]

    def _required_texts(self) -> Iterator[str]:
        named = self.schema.get("properties", {})
        for name in self.schema.get("required", []):
            only_text = {"string", "null"}.issuperset(_types(named.get(name, {})))
            if only_text and name not in (self.declared.key, self.declared.version_field):
                yield name


class _Api(PagedApi):
    def __init__(self, adapter: DeclaredAdapter):
        super().__init__(adapter.declared, [])
        self._adapter = adapter

    def listed(self) -> list[Listed]:
        return self._adapter.listed()


def example(patch: pytest.MonkeyPatch, folder: Path) -> DeclaredAdapter:
    """The worked example of docs/adding-a-source.md."""
    write_example(folder, patch)
    return DeclaredAdapter(patch, "helpdesk", "helpdesk", "tickets")


def just_written(paging: Paging, patch: pytest.MonkeyPatch, folder: Path) -> DeclaredAdapter:
    """What `make new-source PAGING=...` writes."""
    write_new(folder, patch, "just_written", paging, "records")
    return DeclaredAdapter(patch, "just_written", "just_written", "records")


def of_the_pipeline(source: str, source_type: str, stream: str, patch: pytest.MonkeyPatch, _: Path) -> DeclaredAdapter:
    return DeclaredAdapter(patch, source, source_type, stream)


REST = {
    "rest": example,
    **{f"rest-{paging}": partial(just_written, paging) for paging in Paging},
    **{f"{source}-{stream}": partial(of_the_pipeline, source, of, stream) for source, of, stream in declared_streams()},
}


def sample(schema: dict[str, Any]) -> Any:
    """A value that a simple schema allows."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = next((kind for kind in _types(schema) if kind != "null"), "null")
    if kind == "object":
        return {name: sample(schema.get("properties", {}).get(name, {})) for name in schema.get("required", [])}
    return FORMATS.get(schema.get("format", ""), VALUES[kind])


def _types(schema: dict[str, Any]) -> list[str]:
    types = schema.get("type", ["string", "integer"])
    return [types] if isinstance(types, str) else types
