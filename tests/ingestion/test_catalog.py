"""Every stream that pipeline.yml names is there: in its source's file, with a contract and a table."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ingestion.catalog import check_names, contract_of, source_class
from ingestion.source import Context
from ingestion.sources import csv_upload
from settings import HeadwaterError, SettingsError, SourceSettings, load_pipeline
from tests.conftest import ROOT
from tests.ingestion.conftest import SHOP, Query
from tests.ingestion.written import example

STREAMS = [(source, stream) for source, block in load_pipeline().sources.items() for stream in block.streams]


@pytest.mark.parametrize(("source", "stream"), STREAMS)
def test_every_stream_of_the_pipeline_has_its_class_contract_and_table(source: str, stream: str, query: Query) -> None:
    pipeline = load_pipeline()
    check_names(pipeline, source, [stream])
    settings = pipeline.source(source)
    assert stream in source_class(settings.type).stream_names(settings)
    assert contract_of(source, settings.type, stream).check(b"{}").errors
    assert query(f"select count(*) from raw.{source}_{stream}") == [(0,)]


WORDS = {
    "what is promised": r"\bpromise",
    "deletions": r"\bdelet",
    "late changes": r"\blate",
    "order": r"\border\b",
    "what cannot be known": r"\bcannot be known:",
}
SOURCES = {
    **{path.name: path.read_text() for path in sorted((ROOT / "ingestion/sources").glob("[!_]*.py"))},
    **{path: text for path, text in example().items() if path.endswith(".py")},
    "the template": (ROOT / "ingestion/templates/source.py.txt").read_text().replace("$", ""),
}


@pytest.mark.parametrize("text", SOURCES.values(), ids=SOURCES)
def test_every_source_says_what_it_promises_and_what_it_cannot_know(text: str) -> None:
    said = (ast.get_docstring(ast.parse(text)) or "").lower()
    assert [what for what, words in WORDS.items() if not re.search(words, said)] == []


def test_two_sources_of_one_type_may_have_streams_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_upload, "__file__", str(tmp_path / "sources/csv_upload.py"))
    for folder, required in (("csv_upload", "sku"), ("partner", "ean")):
        path = tmp_path / "contracts" / folder / "costs.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"type": "object", "required": [required], "properties": {required: {}}}))
    assert contract_of("uploads", "csv_upload", "costs").check(b'{"sku": 1}').errors == []
    assert contract_of("partner", "csv_upload", "costs").check(b'{"ean": 1}').errors == []


UPLOADS = {"streams": {"things": {"columns": ["id"], "key": ["id"]}}}


@pytest.mark.parametrize(
    ("source_type", "setting", "options"),
    [
        *(("shopify", "ACCESS_TOKEN", {}), ("stripe", "API_KEY", {}), ("google_analytics", "S3_URL", {})),
        *(("email", "SFTP_URL", {}), ("csv_upload", "FOLDER_URL", UPLOADS), ("app_database", "DATABASE_URL", {})),
    ],
)
def test_a_second_source_of_a_type_has_settings_of_its_own_name(
    source_type: str, setting: str, options: dict[str, Any]
) -> None:
    block = {"schedule": "0 2 * * *", "freshness": "26h", "streams": {"things": None}, "options": options}
    context = Context("outlet", SourceSettings.model_validate({**block, "type": source_type}))
    with pytest.raises(SettingsError, match=f"^OUTLET_{setting} is not set"):
        source_class(source_type)(context)


def test_a_type_that_no_file_has_is_told_with_the_known_ones() -> None:
    block = {"type": "nowhere", "schedule": "0 2 * * *", "freshness": "26h", "streams": {"things": None}}
    pipeline = type(load_pipeline()).model_validate({**SHOP, "sources": {"places": block}})
    with pytest.raises(HeadwaterError, match=r"no ingestion/sources/nowhere\.py; there are: .*shopify"):
        check_names(pipeline, "places")
