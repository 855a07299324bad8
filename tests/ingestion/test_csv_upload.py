"""Dropped CSV files: from a folder of this machine, from SFTP, and the pretend shop's own into a warehouse."""

from __future__ import annotations

import gzip
import logging
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion.quarantine import replay
from ingestion.source import Context
from ingestion.sources.csv_upload import Source
from ingestion.sync import sync_stream
from mock_apis.sftp import SftpServer
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World
from settings import HeadwaterError, SourceSettings, load_pipeline
from tests.ingestion.conftest import Query
from tests.ingestion.kept import Kept

HEADER = "month;variant_id;unit_cost;currency"
JAN, FEB = datetime(2026, 1, 1, 8, tzinfo=UTC), datetime(2026, 2, 1, 8, tzinfo=UTC)
STREAM = load_pipeline().source("uploads").options["streams"]["product_costs"]

Run = Callable[..., Kept]


def costs(*rows: str, end: str = "\n") -> str:
    return "".join(f"{line}{end}" for line in (HEADER, *rows))


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a file into the folder, as last changed at a given time."""
    monkeypatch.setenv("COSTS_FOLDER_URL", tmp_path.as_uri())

    def put(name: str, content: str | bytes, at: datetime = JAN) -> None:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(tmp_path / name, (at.timestamp(), at.timestamp()))

    return put


@pytest.fixture
def run() -> Run:
    """Read the folder once more; the same `kept` goes on from where it was."""
    kept = Kept("csv_upload", "product_costs")

    def once(most_pages: int | None = None, **changed: Any) -> Kept:
        options = {"settle_seconds": 0, "streams": {"product_costs": {**STREAM, **changed}}}
        block = {"type": "csv_upload", "schedule": "0 2 * * *", "freshness": "40d", "streams": {"product_costs": None}}
        settings = SourceSettings.model_validate({**block, "options": options})
        source = Source(Context("costs", settings, kept.known))
        try:
            kept.run(source.stream("product_costs"), most_pages)
        finally:
            source.close()
        return kept

    return once


def cost(kept: Kept, variant: int = 1, month: str = "2026-01") -> str:
    return str(kept.current(f'["{month}","{variant}"]')[0]["unit_cost"])


@pytest.mark.parametrize(
    "data",
    [
        costs("2026-01;1;Zoë 5,10;EUR").encode(),
        b"\xef\xbb\xbf" + costs("2026-01;1;Zoë 5,10;EUR").encode(),
        costs("2026-01;1;Zoë 5,10;EUR").encode("utf-16"),
        costs("2026-01;1;Zoë 5,10;EUR").encode("windows-1252"),
        costs("2026-01;1;Zoë 5,10;EUR", end="\r\n").encode("windows-1252"),
        f"{HEADER}\r\n2026-01;1;Zoë 5,10;EUR\r2026-01;2;Zoë 5,10;EUR\n".encode(),
    ],
    ids=["utf-8", "bom", "utf-16", "windows-1252", "crlf", "mixed line ends"],
)
def test_the_encoding_is_detected(drop: Callable[..., None], run: Run, data: bytes) -> None:
    drop("product_costs_1.csv", data)
    kept = run()
    assert {reject.data for reject in kept.rejects} == {
        f'{{"month":"2026-01","variant_id":"{n}","unit_cost":"Zoë 5,10","currency":"EUR"}}'.encode()
        for n in range(1, len(kept.rejects) + 1)
    }
    assert kept.rejects, "the contract sees the decoded text"


@pytest.mark.fault(
    "An uploaded CSV file is broken: quotes, columns, encoding, header",
    "Nothing of it is loaded; the others are, and the run fails with its name and line.",
)
@pytest.mark.parametrize(
    ("data", "encoding", "reason"),
    [
        (b"", "detect", "the file is empty"),
        (costs("2026-01;1;5,1\x81;EUR").encode("latin-1"), "detect", r"not WINDOWS-1252 \(byte 0x81\)"),
        (costs("2026-01;1;5,1ë;EUR").encode("latin-1"), "utf-8", r"not UTF-8 \(byte 0xeb\)"),
        (costs("2026-01;1;5;EUR").encode("utf-16-le"), "detect", "no column month"),
        (costs("2026-01;1;5;EUR").encode(), "utf-16", "not UTF-16"),
        (costs('2026-01;1;5"0;EUR').encode(), "detect", "line 2: a quote that"),
        (costs("2026-01;1;5;EUR", '2026-01;2;"5;EUR').encode(), "detect", "unexpected end of data"),
        (costs("2026-01;1;5;EUR;more").encode(), "detect", "line 2: 5 columns where the header has 4"),
        (costs().replace("currency", "currency;month").encode(), "detect", "names a column twice"),
        (costs().replace("currency", "currency;").encode(), "detect", "a column without a name"),
        (costs().replace(";", ",").encode(), "detect", "no column month"),
        (costs().replace("unit_cost", "cost").encode(), "detect", "no column unit_cost"),
    ],
)
def test_nothing_of_a_broken_file_is_loaded_and_the_others_are(
    drop: Callable[..., None], run: Run, data: bytes, encoding: str, reason: str
) -> None:
    drop("product_costs_1.csv", data)
    drop("product_costs_2.csv", costs("2026-02;1;7,5;EUR").encode("utf-16" if encoding == "utf-16" else "utf-8"), FEB)
    with pytest.raises(HeadwaterError, match=rf"1 file\(s\) .*product_costs_1\.csv.*{reason}"):
        run(encoding=encoding)
    drop("product_costs_1.csv", costs("2026-01;1;5;EUR").encode("utf-16" if encoding == "utf-16" else "utf-8"))
    assert run(encoding=encoding).keys == {'["2026-01","1"]', '["2026-02","1"]'}


@pytest.mark.fault("An uploaded gzip is cut", "Nothing of it is loaded, and the run fails with its name.")
def test_a_cut_gzip_is_broken_also_when_its_encoding_is_to_be_detected(drop: Callable[..., None], run: Run) -> None:
    whole = gzip.compress(costs("2026-01;1;5;EUR").encode())
    drop("product_costs_1.csv.gz", whole[:-9])
    with pytest.raises(HeadwaterError, match="the gzip is cut or damaged"):
        run(pattern="product_costs_*")
    drop("product_costs_1.csv.gz", whole, FEB)
    assert cost(run(pattern="product_costs_*")) == "5"


def test_an_empty_list_is_a_file_without_rows(drop: Callable[..., None], run: Run) -> None:
    drop("product_costs_1.csv", costs())
    kept = run()
    assert (len(kept.rows), len(kept.files), kept.watermark) == (0, 1, JAN)


def test_a_corrected_file_wins_and_the_same_one_again_changes_nothing(drop: Callable[..., None], run: Run) -> None:
    first, second = costs("2026-01;1;5,00;EUR", "2026-01;2;8;EUR"), costs("2026-01;1;6,00;EUR", "2026-01;2;8;EUR")
    drop("product_costs_1.csv", first)
    assert cost(run()) == "5,00"
    drop("product_costs_1.csv", first, FEB)  # touched
    drop("product_costs_copy.csv", first, FEB)
    kept = run()
    assert (len(kept.rows), len(kept.files)) == (2, 1)
    drop("product_costs_1.csv", second, datetime(2026, 2, 2, tzinfo=UTC))
    assert cost(run()) == "6,00"
    drop("product_costs_1.csv", first, datetime(2026, 2, 3, tzinfo=UTC))  # the correction is taken back
    assert cost(run()) == "5,00"
    before = len(kept.rows), len(kept.pages)
    run()
    assert (len(kept.rows), len(kept.pages)) == before


def test_a_row_needs_its_whole_key_and_two_columns_are_no_third(drop: Callable[..., None], run: Run) -> None:
    pair = {"key": ["month", "currency"], "encoding": "utf-8"}
    drop("product_costs_1.csv", costs("2026-01;1;5;EUR", ";1;5;EUR", "2026-01;2;5;"))
    kept = run(**pair)
    assert kept.keys == {'["2026-01","EUR"]'}
    assert len(kept.rejects) == 2


def test_a_column_may_tell_the_version(drop: Callable[..., None], run: Run) -> None:
    header = "month;variant_id;unit_cost;currency;at\n"
    newer, older = "2026-01;1;5;EUR;2026-03-02T00:00:00Z\n", "2026-01;1;4;EUR;2026-03-01T00:00:00Z\n"
    drop("product_costs_1.csv", header + newer)
    drop("product_costs_2.csv", header + older, FEB)
    kept = run(version="at")
    assert cost(kept) == "5", "the row's own time counts, not the file's"
    assert "contents" not in kept.state


def test_a_file_that_no_stream_takes_is_told(
    drop: Callable[..., None], run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    drop("product-costs_2.csv", costs("2026-02;1;5;EUR"))
    with caplog.at_level(logging.WARNING):
        assert not run().rows
    assert "product-costs_2.csv is a file of no stream" in caplog.text


@pytest.mark.fault(
    "A run is killed within an uploaded file",
    "The next run goes on behind what is in, with the same version.",
)
def test_rule_1_a_run_killed_within_a_file_goes_on_with_its_time(
    drop: Callable[..., None], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.file_stream.PAGE_ROWS", 2)
    drop("product_costs_1.csv", costs(*(f"2026-01;{n};5;EUR" for n in range(1, 6))))
    assert len(run(most_pages=1).rows) == 2
    os.utime(Path(os.environ["COSTS_FOLDER_URL"].removeprefix("file://")) / "product_costs_1.csv", (1, FEB.timestamp()))
    kept = run()
    assert {version for _, version, _ in kept.rows} == {JAN}
    assert len(kept.rows) == 5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "streams: Field required"),
        ({"streams": {"product_costs": {**STREAM, "separator": ","}}}, "separator: Extra inputs"),
        ({"streams": {"product_costs": {**STREAM, "encoding": "ebcdic"}}}, "product_costs.encoding: "),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options: dict[str, Any], told: str) -> None:
    block = {"type": "csv_upload", "schedule": "0 2 * * *", "freshness": "40d", "streams": {"product_costs": None}}
    with pytest.raises(HeadwaterError, match=f"options of .*{told}"):
        Source.stream_names(SourceSettings.model_validate({**block, "options": options}))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.com", "write it as file:///"),
        ("file:///not/there", "There is no folder /not/there"),
        ("sftp://host", "COSTS_FOLDER_URL is no SFTP address"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(
    drop: Callable[..., None], run: Run, monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    monkeypatch.setenv("COSTS_FOLDER_URL", url)
    with pytest.raises(HeadwaterError, match=told):
        run()


def test_the_analysts_files_come_by_sftp_and_each_month_is_a_change(
    clean_warehouse: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    world_ref = WorldRef(World(5, "tiny", date(2026, 10, 27)))
    server = SftpServer(world_ref, password="secret")
    server.start()
    try:
        monkeypatch.setenv("UPLOADS_FOLDER_URL", f"sftp://email@127.0.0.1:{server.port}/uploads")
        monkeypatch.setenv("UPLOADS_SFTP_PASSWORD", "secret")
        monkeypatch.setenv("UPLOADS_SFTP_HOST_KEY", server.host_key)
        first = sync_stream("uploads", "product_costs").counts
        assert first.kept == first.received > 10
        assert sync_stream("uploads", "product_costs").counts.received == 0
        world_ref.advance(8)
        assert sync_stream("uploads", "product_costs").counts.kept >= first.kept
        assert replay("uploads", "product_costs").written == 0
    finally:
        server.stop()
    months = query("select distinct source_data ->> 'month' from raw.uploads_product_costs order by 1")
    assert months == [("2026-10",), ("2026-11",)]
    assert query("select count(*) from raw.uploads_product_costs where source_data ->> 'supplier' = 'Nord & Süd'")
