"""Whatever a contract lets into raw, staging builds on it: every value of a record replaced by hostile ones in turn."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
import raw_rows as raw
from psycopg import sql

from ingestion.catalog import contract_of
from ingestion.sync import sync
from mock_apis.world.world import World
from tests.ingestion.conformance.corpus import JSON
from tests.mock_apis.serving import served

EMAIL = {
    "campaigns": raw.campaign("c1", "2026-06-01T08:00:00Z"),
    "events": raw.event("e1", "click", "c1", "a@example.com", "2026-06-01T08:00:00Z"),
}
TIMES = (
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+15:59", "0001-01-01T00:00:00+16:00", "9999-12-31T23:59:59-15:59"),
    *("2016-12-31T23:59:60Z", "2026-03-29T02:30:00+01:00", "2026-10-25T02:30:00.123456789+02:00", "infinity"),
    *("2026-01-01t00:00:00z", "2026-03-01T00:00:00-23:59"),
)
LONG = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(60))  # no index holds it
TEXTS = ("", " ", "NaN", "Infinity", "-0", "+5", "1.10", "1e400", "9" * 30, "JPY", "bhd", "x@y", LONG, *TIMES)
VALUES = [
    *(json.dumps(text).encode() for text in TEXTS),
    *(hostile.value.removeprefix(b'"x", "odd": ') for hostile in JSON if len(hostile.value) < 1_000),
    *(b"null", b"true", b"[]", b"{}", b"[[{}]]", b'[null, 1, "a"]', b'{"id": "an object"}'),
    *(b"0", b"-1", b"1.0", b"0.1", b"1e2", b"1e300", b"253402300800", b"99999999999999", b"9223372036854775807"),
    *(b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809"),
]


def leaves(document: Any) -> Iterator[Callable[[Any], Any]]:
    """For each value within: a function that gives the document with another one in its place."""
    if isinstance(document, dict):
        for name, value in document.items():
            for inner in leaves(value):
                yield lambda new, name=name, inner=inner: {**document, name: inner(new)}
    elif isinstance(document, list) and document:
        for inner in leaves(document[0]):
            yield lambda new, inner=inner: [inner(new), *document[1:]]
    yield lambda new: new


def records(source: str, stream: str, document: dict[str, Any]) -> Iterator[bytes]:
    """The hostile records that the stream's contract lets in."""
    contract = contract_of(source, source, stream)
    for put in leaves(document):
        text = json.dumps(put("<hole>")).encode()
        for value in VALUES:
            data = text.replace(b'"<hole>"', value)
            found, errors = contract.check(data)
            if not errors and isinstance(found, dict):
                yield data


@pytest.fixture
def documents(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], dict[str, Any]]:
    """Of each raw table of the APIs a record that has much in it, as the pretend shop sends it."""
    found: dict[tuple[str, str], dict[str, Any]] = {("email", stream): each for stream, each in EMAIL.items()}
    with served(World(11, "tiny", date(2026, 3, 20))) as base, psycopg.connect(warehouse_url) as connection:
        for source, credential, key in (
            ("shopify", "ACCESS_TOKEN", "shpat_demo"),
            ("stripe", "API_KEY", "sk_test_demo"),
        ):
            monkeypatch.setenv(f"{source.upper()}_API_URL", f"{base}/{source}")
            monkeypatch.setenv(f"{source.upper()}_{credential}", key)
            for result in sync(source, url=warehouse_url):
                assert result.error is None
                table = sql.Identifier("raw", f"{source}_{result.stream}")
                question = sql.SQL(
                    "select source_data from {} where length(source_data::text) < 6000"
                    " order by length(source_data::text) desc limit 1"
                )
                row = connection.execute(question.format(table)).fetchone()
                assert row
                found[source, result.stream] = row[0]
    return found


def test_staging_builds_on_whatever_a_contract_lets_in(
    documents: dict[tuple[str, str], dict[str, Any]], warehouse_url: str, run_dbt: Callable[..., Any]
) -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    with psycopg.connect(warehouse_url) as connection:
        for (source, stream), document in documents.items():
            columns = "record_key, record_version, content_hash, source_data, _load_id, _extracted_at"
            table = sql.Identifier("raw", f"{source}_{stream}")
            connection.execute("select raw.make_months(%s, array[%s])", (f"{source}_{stream}", at))
            rows = 0
            with connection.cursor().copy(sql.SQL(f"copy {{}} ({columns}) from stdin").format(table)) as copy:
                for rows, data in enumerate(records(source, stream, document), 1):
                    digest = hashlib.sha256(data).digest()
                    copy.write_row((f"hostile/{rows}", at, digest, data.decode(), uuid.UUID(int=1), at))
            assert rows > 50, f"{source}.{stream}"
    # Each model by itself would tell more, and take longer.
    run_dbt("run", "--select", "staging.shopify", "staging.stripe", "staging.email")
