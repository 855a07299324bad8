"""Contracts: every error is listed, bytes that are no JSON are judged too, unknown fields are noted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ingestion.contracts import Contract, load_contract
from ingestion.cut import _parts, at, elements, looks_whole, members
from settings import HeadwaterError

SCHEMA = {
    "type": "object",
    "required": ["id", "lines"],
    "properties": {
        "id": {"type": "string"},
        "at": {"type": ["string", "null"], "format": "date-time"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        "free": {"type": "object", "properties": {"known": {}}, "additionalProperties": True},
    },
    "$defs": {"line": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
}


def test_every_error_is_listed_with_its_path() -> None:
    verdict = Contract(SCHEMA).check(b'{"id":7,"at":"noon","lines":[{"n":1},{"n":"x"},{}]}')
    assert sorted(verdict.errors) == [
        'at: the value is not a "date-time"',
        'id: the value is not of type "string"',
        'lines[1].n: the value is not of type "integer"',
        'lines[2]: "n" is a required property',
    ]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "not JSON: Input data was truncated"),
        (b"id,name", "not JSON: JSON is malformed"),
        (b'{"id":"\xff","lines":[]}', "not JSON: it is not UTF-8 (byte 0xff)"),
        (b'{"id":"a","lines":[]} {}', "not JSON: JSON is malformed"),
        (b'{"id":"a","lines":[NaN]}', "not JSON: JSON is malformed"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON: it is nested too deep"),
        (b'{"id":"a","lines":' + b"[" * 500 + b"]" * 500 + b"}", "cannot be checked: it is nested too deep"),
        (b"[]", 'the record: the value is not of type "object"'),
    ],
    ids=["empty", "csv", "latin-1", "two", "NaN", "abyss", "deep", "array"],
)
def test_bytes_that_are_no_record_are_rejects_with_their_reason(data: bytes, error: str) -> None:
    [found] = Contract(SCHEMA).check(data).errors
    assert found.startswith(error)


def test_what_json_allows_and_text_cannot_hold_is_kept() -> None:
    verdict = Contract(SCHEMA).check(b'{"id":"\\u0000 \\ud800 \\\\ud800","lines":[]}')
    assert verdict.errors == []
    assert verdict.document["id"] == "\x00 � \\ud800"


@pytest.mark.parametrize(
    "data",
    [
        b'{"any": 1e-16384}',
        b'{"any": 0e999999999999}',
        b'{"any": 1e400}',
        b'{"any": 1.%s}' % (b"1" * 16_384),
        b'{"any": 0.0, "lone": "\\ud800", "small": 1e-20000}',
        b'{"at": "0000-12-31T00:00:00Z"}',
        b'{"at": "2026-03-01T00:00:00-16:00"}',
        b'{"whole": 9223372036854775808}',
        b'{"whole": -9223372036854775809}',
    ],
)
def test_what_postgres_cannot_hold_is_rejected(data: bytes) -> None:
    assert BOUNDED.check(data).errors


@pytest.mark.parametrize(
    "data",
    [
        b'{"any": [1e-16383, 0e99999, 0.0, -0, 1.%s]}' % (b"1" * 16_383),
        b'{"at": "0001-01-01T00:00:00Z", "whole": 9223372036854775807}',
        b'{"at": "2026-03-29T02:30:00.123456789-15:59", "whole": -9223372036854775808}',
    ],
)
def test_what_postgres_can_just_hold_is_kept(data: bytes) -> None:
    assert BOUNDED.check(data).errors == []


BOUNDED = Contract(
    {"properties": {"at": {"type": "string", "format": "date-time"}, "whole": {"type": ["integer", "null"]}}}
)


def test_fields_that_no_contract_names_are_noted_where_more_is_not_expected() -> None:
    contract = Contract(SCHEMA)
    assert contract.check(b'{"id":"a","new":1,"lines":[{"n":1,"m":2}],"free":{"any":1}}').errors == []
    assert contract.new_fields == {"new", "lines[].m"}


def test_a_contract_that_is_missing_or_broken_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "wrong.json").write_text('{"type": "objekt"}')
    with pytest.raises(HeadwaterError, match=r"none\.json cannot be read"):
        load_contract(tmp_path, "none")
    for name in ("bad", "wrong"):
        with pytest.raises(HeadwaterError, match=rf"{name}\.json is no JSON Schema"):
            load_contract(tmp_path, name)


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)


@given(some.lists(JSON, max_size=5), some.sampled_from([None, 2]))
def test_records_are_cut_out_alike_by_the_fast_way_and_the_tolerant_one(
    values: list[object], indent: int | None
) -> None:
    document = json.dumps({"data": {"list": values}}, indent=indent).encode()
    fast = elements(at(document, "data", "list"))
    assert [json.loads(part) for part in fast] == json.loads(json.dumps(values))
    assert list(_parts(at(document, "data", "list"), b"[", b"]")) == fast
    assert all(looks_whole(document[:end]) is (end == len(document)) for end in range(1, len(document) + 1))


def test_a_record_that_cannot_be_decoded_does_not_fell_its_neighbours() -> None:
    bad = [b'{"a":"\\ud800, ] }"}', b'{"b":"\xff"}', b"[" * 5_000 + b"]" * 5_000]
    document = b'{"data": {"list": [' + b", ".join([*bad, b'{"fine":1}']) + b']}, "n": "\\udc00"}'
    assert looks_whole(document)
    assert elements(at(document, "data", "list")) == [*bad, b'{"fine":1}']
    assert members(document)["n"] == b'"\\udc00"'
    with pytest.raises(ValueError, match=r"the answer has no 'data\.nodes'"):
        at(document, "data", "nodes")
