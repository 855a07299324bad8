"""Every stream that pipeline.yml names is there: in its source's file, with a contract and a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingestion.catalog import check_names, contract_of, source_class
from ingestion.sources import csv_upload
from settings import HeadwaterError, load_pipeline
from tests.ingestion.conftest import SHOP, Query

STREAMS = [(source, stream) for source, block in load_pipeline().sources.items() for stream in block.streams]


@pytest.mark.parametrize(("source", "stream"), STREAMS)
def test_every_stream_of_the_pipeline_has_its_class_contract_and_table(source: str, stream: str, query: Query) -> None:
    pipeline = load_pipeline()
    check_names(pipeline, source, [stream])
    settings = pipeline.source(source)
    assert stream in source_class(settings.type).stream_names(settings)
    assert contract_of(source, settings.type, stream).check(b"{}").errors
    assert query(f"select count(*) from raw.{source}_{stream}") == [(0,)]


def test_two_sources_of_one_type_may_have_streams_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_upload, "__file__", str(tmp_path / "sources/csv_upload.py"))
    for folder, required in (("csv_upload", "sku"), ("partner", "ean")):
        path = tmp_path / "contracts" / folder / "costs.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"type": "object", "required": [required], "properties": {required: {}}}))
    assert contract_of("uploads", "csv_upload", "costs").check(b'{"sku": 1}').errors == []
    assert contract_of("partner", "csv_upload", "costs").check(b'{"ean": 1}').errors == []


def test_a_type_that_no_file_has_is_told_with_the_known_ones() -> None:
    block = {"type": "nowhere", "schedule": "0 2 * * *", "freshness": "26h", "streams": {"things": None}}
    pipeline = type(load_pipeline()).model_validate({**SHOP, "sources": {"places": block}})
    with pytest.raises(HeadwaterError, match=r"no ingestion/sources/nowhere\.py; there are: .*shopify"):
        check_names(pipeline, "places")
