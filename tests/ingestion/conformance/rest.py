"""The worked example of docs/adding-a-source.md: a paged REST list with a filter on the time of change."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import ingestion.sources
from tests.conftest import ROOT
from tests.ingestion.conformance.adapter import Document, Thing
from tests.ingestion.conformance.corpus import JSON, KEYS
from tests.ingestion.conformance.http_adapter import HttpAdapter
from tests.ingestion.scripted import Answer, Asked


class RestAdapter(HttpAdapter):
    name = "rest"
    source, stream = "helpdesk", "tickets"
    corpus = (*JSON, *KEYS)
    address, credential = "HELPDESK_API_URL", "HELPDESK_API_KEY"
    required = "status"

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path):
        super().__init__(patch)
        page = (ROOT / "docs" / "adding-a-source.md").read_text()
        for name, text in re.findall(r'^```\w+ title="(ingestion/\S+)"\n(.*?)^```$', page, re.MULTILINE | re.DOTALL):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sources = str(folder / "ingestion/sources")
        patch.setattr(ingestion.sources, "__path__", [*ingestion.sources.__path__, sources])
        patch.delitem(sys.modules, "ingestion.sources.helpdesk", raising=False)

    def key(self, number: int) -> str:
        return str(number)

    def document(self, thing: Thing) -> Document:
        subject = "<hole>" if thing.hole else "Help"
        found = {"id": thing.number, "updated_at": thing.changed.isoformat(), "subject": subject, "status": "open"}
        return {**found, "requester_email": thing.mark}

    def answer(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        if parts.path == "/v2/me":
            return Answer(b"{}")
        asks = {name: values[0] for name, values in parse_qs(parts.query).items()}
        low, high = asks.get("updated_from", ""), asks["updated_to"]
        found = sorted((each.changed.isoformat(), each.number) for each in self.things.values())
        after = json.loads(asks["cursor"]) if "cursor" in asks else ["", 0]
        found = [each for each in found if low <= each[0] <= high and [*each] > after]
        page = [self.bytes_of(self.things[number]) for _, number in found[: self.page]]
        cursor = json.dumps(found[self.page - 1]) if len(found) > self.page else None
        return Answer(b'{"tickets": [%s], "next_cursor": %s}' % (b",".join(page), json.dumps(cursor).encode()))
