"""A backfill of a REST source that is declared alone, as `make new-source` writes it, for each way of paging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion.backfill import plan_backfill, unfinished
from ingestion.backfill_workers import WindowResult, run_windows
from ingestion.catalog import source_class
from ingestion.new_source import Paging
from ingestion.rest import RestStream
from ingestion.sync import sync_stream
from settings import HeadwaterError, Pipeline
from tests.ingestion.conftest import SHOP, Query
from tests.ingestion.paged_api import PagedApi
from tests.ingestion.scripted import Scripted
from tests.ingestion.written import write_new
from warehouse.batch import Counts
from warehouse.migrate import migrate

NAME, STREAM = "just_written", "records"
START, END = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 10, tzinfo=UTC)
ROWS = f"select record_key, record_version, source_data->>'note' from raw.{NAME}_{STREAM} order by 1, 2"


class Filling:
    """The source, its API with twenty records changed three minutes apart, and its pipeline."""

    def __init__(self, scripted: Scripted, pipeline: Pipeline):
        declared = source_class(NAME).streams[STREAM]
        assert issubclass(declared, RestStream)
        self.pipeline, self.declared = pipeline, declared
        self.items = [self.item(number, START + timedelta(minutes=3 * number)) for number in range(1, 21)]
        self.api = scripted.then = PagedApi(declared, self.items)

    @staticmethod
    def item(number: int, at: datetime, note: str = "first") -> dict[str, Any]:
        return {"id": number, "updated_at": at.isoformat(), "note": note}

    def fill(self, start: datetime = START, end: datetime = END, windows: int = 2) -> list[WindowResult]:
        self.id = plan_backfill(NAME, STREAM, start, end, windows, pipeline=self.pipeline)
        return run_windows(NAME, STREAM, self.id, pipeline=self.pipeline)


@pytest.fixture(params=Paging)
def filling(
    request: pytest.FixtureRequest,
    clean_warehouse: str,
    scripted: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Filling:
    write_new(tmp_path, monkeypatch, NAME, request.param, STREAM)
    monkeypatch.setenv(f"{NAME.upper()}_API_URL", scripted.url)
    monkeypatch.setenv(f"{NAME.upper()}_API_KEY", "a-key-of-the-tests")
    block = {"schedule": "0 2 * * *", "freshness": "26h", "lookback": "1h", "streams": {STREAM: None}}
    pipeline = Pipeline.model_validate({**SHOP, "sources": {NAME: block}})
    migrate(clean_warehouse, pipeline)
    return Filling(scripted, pipeline)


def test_it_brings_what_changed_within_its_windows_and_leaves_the_daily_bookmark(
    filling: Filling, query: Query
) -> None:
    filling.items += [filling.item(98, START - timedelta(seconds=1)), filling.item(99, END + timedelta(seconds=1))]
    results = filling.fill()
    assert [each.error for each in results] == [None, None]
    assert sum(each.result.counts.kept for each in results if each.result) == 20
    assert query(f"select count(*) from raw.{NAME}_{STREAM} where record_key in ('98', '99')") == [(0,)]
    assert query("select count(*) from ops.checkpoints") == [(0,)]
    assert sync_stream(NAME, STREAM, pipeline=filling.pipeline).counts == Counts(22, 2, 20)


@pytest.mark.fault(
    "A record changes while a backfill reads its list, and leaves the list",
    "The window is read again where pages are only counted: no other record slips; a sync brings the change.",
)
@pytest.mark.parametrize("moves_at", [3, 4, 6])
def test_a_record_that_leaves_the_window_while_it_is_read_makes_no_other_slip(
    filling: Filling, query: Query, moves_at: int
) -> None:
    def change(page: int) -> None:
        if page == moves_at:
            filling.items[0] = filling.item(1, END + timedelta(hours=1), "second")

    filling.api.on_page = change
    assert [each.error for each in filling.fill(windows=1)] == [None]
    found = {key: note for key, _, note in query(ROWS)}
    assert {str(number) for number in range(2, 21)} <= found.keys()
    assert found.get("1", "first") == "first"
    sync_stream(NAME, STREAM, pipeline=filling.pipeline)
    assert [row[1:] for row in query(ROWS) if row[0] == "1"][-1] == (END + timedelta(hours=1), "second")


@pytest.mark.fault("An API breaks off within a backfill", "The window goes on behind what is in; nothing comes twice.")
def test_a_window_that_broke_off_goes_on_behind_what_is_in(
    filling: Filling, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.sync.BATCH_RECORDS", 1)
    pages = filling.declared.pages

    def pages_that_break_off(stream: RestStream, *about: Any) -> Any:
        for number, page in enumerate(pages(stream, *about), 1):
            if number == 5:
                raise HeadwaterError("the API is down")
            yield page

    with monkeypatch.context() as broken:
        broken.setattr(filling.declared, "pages", pages_that_break_off)
        assert [each.error for each in filling.fill(windows=1)] == ["the API is down"]
    [(kept,)] = query(f"select count(*) from raw.{NAME}_{STREAM}")
    assert 0 < kept < 20 and len(unfinished(filling.id)) == 1
    [done] = filling.fill(windows=1)
    assert done.result and done.result.counts == Counts(20 - kept, 20 - kept)
    assert query("select count(*) from ops.runs where kind = 'backfill'") == [(2,)]


@pytest.mark.parametrize("lacking", ["since_param", "until_param"])
def test_an_api_that_takes_no_two_times_says_that_it_cannot_be_backfilled(
    filling: Filling, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setattr(filling.declared, lacking, "")
    with pytest.raises(HeadwaterError, match=r"cannot be backfilled: its API cannot be asked .* \(since_param, until"):
        filling.fill()
