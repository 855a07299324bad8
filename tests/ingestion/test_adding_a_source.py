"""The page docs/adding-a-source.md is run as it is written: its blocks make a source that loads from a small server."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from ingestion.sync import sync_stream
from settings import HeadwaterError, Pipeline
from tests.ingestion.conftest import SHOP, Query
from tests.ingestion.scripted import Answer, Asked, Scripted
from tests.ingestion.written import write_example
from warehouse.batch import Counts
from warehouse.migrate import migrate

KEY = "a-key-of-the-helpdesk"


@pytest.fixture
def pipeline(tmp_path: Path, clean_warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The page's files in a folder of their own, and the pipeline with its block."""
    block = yaml.safe_load(f"sources:\n{write_example(tmp_path, monkeypatch)}")
    made = Pipeline.model_validate({**SHOP, **block})
    migrate(clean_warehouse, made)
    return made


def ticket(number: int, **more: object) -> dict[str, object]:
    return {"id": number, "updated_at": f"2026-03-01T09:0{number}:00Z", "subject": "Help", "status": "open", **more}


PAGES: dict[str | None, tuple[list[dict[str, object]], str | None]] = {
    None: ([ticket(1), ticket(2, mood="cross")], "c2"),
    "c2": ([ticket(3, status=None), ticket(4)], None),
}


def helpdesk(asked: Asked) -> Answer:
    if asked.headers.get("Authorization") != f"Bearer {KEY}":
        return Answer(b'{"message": "who are you?"}', 401)
    parts = urlsplit(asked.path)
    if parts.path == "/v2/me":
        return Answer(b'{"name": "us"}')
    asks = parse_qs(parts.query)
    assert asks["updated_to"] == ["2026-03-01T11:59:00+00:00"]
    tickets, cursor = PAGES[asks.get("cursor", [None])[0]]
    return Answer(json.dumps({"tickets": tickets, "next_cursor": cursor}).encode())


def test_the_page_makes_a_source_that_works(
    pipeline: Pipeline, scripted: Scripted, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELPDESK_API_URL", scripted.url)
    monkeypatch.setenv("HELPDESK_API_KEY", KEY)
    scripted.then = helpdesk
    scripted.answers = [Answer(b"{}", 503)]
    result = sync_stream("helpdesk", "tickets", pipeline=pipeline)
    assert result.counts == Counts(received=4, kept=3, rejected=1)
    assert result.new_fields == ("mood",)
    assert query("select record_key from raw.helpdesk_tickets order by 1") == [("1",), ("2",), ("4",)]
    assert query("select errors from ops.quarantine") == [(['status: the value is not of type "string"'],)]
    again = sync_stream("helpdesk", "tickets", pipeline=pipeline)
    assert again.counts == Counts()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HELPDESK_API_KEY", "wrong", "HELPDESK_API_KEY was refused by helpdesk"),
        ("HELPDESK_API_KEY", "", "HELPDESK_API_KEY is not set"),
        ("HELPDESK_API_URL", "", "HELPDESK_API_URL is not set"),
    ],
)
def test_a_wrong_setting_is_named(
    pipeline: Pipeline, scripted: Scripted, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv("HELPDESK_API_URL", scripted.url)
    monkeypatch.setenv("HELPDESK_API_KEY", KEY)
    monkeypatch.setenv(name, value)
    scripted.then = helpdesk
    with pytest.raises(HeadwaterError, match=told):
        sync_stream("helpdesk", "tickets", pipeline=pipeline)
