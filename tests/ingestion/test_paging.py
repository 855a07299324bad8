"""The five ways of paging: nothing lost, nothing read without end, whatever moves while a list is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from ingestion.http import HttpClient
from ingestion.paging import Cursor, LinkHeader, NextUrl, Offset, PageNumber, Paging
from ingestion.rest import RestStream
from ingestion.source import Context
from settings import HeadwaterError, SourceSettings
from settings.pipeline import Http
from tests.ingestion.paged_api import Item, PagedApi
from tests.ingestion.scripted import Answer, Scripted

PAGINGS = {
    "Cursor": Cursor(at=("meta", "next")),
    "NextUrl": NextUrl(at=("links", "next")),
    "LinkHeader": LinkHeader(),
    "Offset": Offset(),
    "PageNumber": PageNumber(),
    "PageNumber with a total": PageNumber(total_at=("total",)),
}
WAYS = pytest.mark.parametrize("paging", PAGINGS.values(), ids=PAGINGS)
COUNTED = pytest.mark.parametrize("paging", list(PAGINGS.values())[3:], ids=list(PAGINGS)[3:])
SETTINGS = SourceSettings.model_validate(
    {"type": "things", "schedule": "0 2 * * *", "freshness": "26h", "streams": {"things": None}}
)


def item(number: int) -> Item:
    return {"id": number, "updated_at": f"2026-03-01T10:{number:02d}:00+00:00"}


def declare(paging: Paging) -> type[RestStream]:
    declared = paging

    class Things(RestStream):
        name = "things"
        path = "things"
        records_at = () if isinstance(declared, LinkHeader) else ("data",)
        paging = declared
        until_param, times = "until", "unix"
        clock_path = "clock"

    return Things


class Reading:
    """One stream and its server; `read` gives the ids of what is read, page by page, from a bookmark."""

    def __init__(self, paging: Paging, scripted: Scripted, count: int):
        self.api = PagedApi(declare(paging), [item(number) for number in range(count)])
        self.http = HttpClient(scripted.url, {}, Http(attempts=1), "things", "KEY")
        self.state: dict[str, object] = {}
        self.scripted = scripted
        scripted.then = self.api

    def read(self, most: int | None = None) -> list[int]:
        stream = self.api.stream(Context("things", SETTINGS), self.http)
        seen = []
        for page in islice(stream.read(json.loads(json.dumps(self.state))), most):
            seen += [json.loads(record.data)["id"] for record in page.records]
            self.state = page.state
        return seen


Make = Callable[[Paging, int], Reading]


@pytest.fixture
def reading(scripted: Scripted) -> Iterator[Make]:
    made: list[Reading] = []

    def make(paging: Paging, count: int) -> Reading:
        made.append(Reading(paging, scripted, count))
        return made[-1]

    yield make
    for each in made:
        each.http.close()


@WAYS
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7, 20])
def test_every_record_is_read_once_also_when_the_last_page_is_empty(paging: Paging, reading: Make, count: int) -> None:
    assert reading(paging, count).read() == list(range(count))


@COUNTED
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7])
def test_an_api_that_knows_no_page_behind_the_last_one_is_read_to_its_end(
    paging: Paging, reading: Make, count: int
) -> None:
    strict = reading(paging, count)
    strict.api.past_end = 404
    assert strict.read() == list(range(count))


@pytest.mark.fault("A list is not there", "The run fails with the address; it does not count as an empty list.")
@COUNTED
def test_a_list_that_is_not_there_is_no_empty_list(paging: Paging, reading: Make, scripted: Scripted) -> None:
    missing = reading(paging, 3)
    scripted.then = lambda asked: Answer(b"{}", 404 if "/things" in asked.path else 200)
    with pytest.raises(HeadwaterError, match="404"):
        missing.read()


def test_a_declared_total_ends_the_list_and_saves_the_second_looks(reading: Make) -> None:
    for total_at, pages in ((), 2 * 3 + 1), (("total",), 3):
        counted = reading(PageNumber(total_at=total_at), 9)
        assert counted.read() == list(range(9))
        assert counted.api.pages == pages


@WAYS
def test_a_run_goes_on_after_any_page(paging: Paging, reading: Make) -> None:
    for pages in range(1, 5):
        half = reading(paging, 10)
        first = half.read(most=pages)
        assert sorted({*first, *half.read()}) == list(range(10))
        assert len(first) < 10 or pages > 3


@pytest.mark.fault(
    "A record leaves a list that is read by offsets or page numbers",
    "The list is read again; no other record slips between two pages.",
)
@COUNTED
@pytest.mark.parametrize("moves_at", range(2, 9))
def test_a_record_that_leaves_while_the_list_is_counted_makes_no_other_slip(
    paging: Paging, reading: Make, moves_at: int
) -> None:
    """It changes, so that the window's upper bound shuts it out, and every record after it moves up by one."""
    moving = reading(paging, 10)

    def change(page: int) -> None:
        if page == moves_at:
            moving.api.items[1] = {"id": 1, "updated_at": "2026-03-01T12:30:00+00:00"}

    moving.api.on_page = change
    assert {*moving.read(), 1} == set(range(10))


@pytest.mark.fault(
    "A list that is read by offsets or page numbers never stands still",
    "The run fails after five tries and says what to declare.",
)
@COUNTED
def test_a_list_that_never_stands_still_is_told(paging: Paging, reading: Make) -> None:
    restless = reading(paging, 60)

    def leave(_page: int) -> None:
        restless.api.items.pop(0)

    restless.api.on_page = leave
    with pytest.raises(HeadwaterError, match=r"things\.things moved each of the 5 times"):
        restless.read()


@pytest.mark.fault("The pages of a list go round", "The run fails with the address instead of reading for ever.")
@pytest.mark.parametrize(
    ("paging", "answers"),
    [
        (Cursor(at=("next",)), [b'{"data": [{"id": %d}], "next": "a"}', b'{"data": [{"id": %d}], "next": "a"}']),
        (Cursor(at=("next",)), [b'{"data": [{"id": %d}], "next": "a"}', b'{"data": [{"id": %d}], "next": "b"}']),
        (Cursor(at=("next",)), [b'{"data": [], "next": "a"}', b'{"data": [], "next": "b"}']),
        (
            NextUrl(at=("next",)),
            [b'{"data": [{"id": %d}], "next": "/things?p=2"}', b'{"data": [{"id": %d}], "next": "/things?p=1"}'],
        ),
        (PageNumber(), [b'{"data": [{"id": 1}, {"id": 2, "now": %d}]}']),
    ],
)
def test_pages_that_go_round_are_told(reading: Make, scripted: Scripted, paging: Paging, answers: list[bytes]) -> None:
    round_and_round = reading(paging, 0)

    def answer(asked: object) -> Answer:
        number = len(scripted.asked)
        assert number < 30, "it would go on for ever"
        body = answers[number % len(answers)]
        return Answer(body % number if b"%d" in body else body)

    scripted.then = answer
    with pytest.raises(HeadwaterError, match=r"things\.things: a page comes again and again \(GET things"):
        round_and_round.read()


def test_an_offset_that_the_server_ignores_is_told(reading: Make, scripted: Scripted) -> None:
    ignored = reading(Offset(), 0)
    scripted.then = lambda _asked: Answer(b'{"data": [{"id": 1}, {"id": 2}]}')
    with pytest.raises(HeadwaterError, match="a page comes again and again"):
        ignored.read()


def test_a_server_that_gives_one_record_a_page_loses_none_by_an_offset(reading: Make) -> None:
    slow = reading(Offset(), 4)
    slow.api.page = 1
    with pytest.raises(HeadwaterError, match="moved each of"):
        slow.read()


@pytest.mark.fault("The next page's address is on another server", "It is not asked, and gets no key; the run fails.")
def test_a_next_page_on_another_server_gets_no_key(reading: Make, scripted: Scripted) -> None:
    elsewhere = reading(NextUrl(), 0)
    for url in ("http://127.0.0.1:9/elsewhere", "//127.0.0.1:9/elsewhere", f"{scripted.url}0/things"):
        scripted.asked.clear()
        elsewhere.state = {}
        scripted.then = lambda _asked, url=url: Answer(json.dumps({"data": [], "next": url}).encode())
        with pytest.raises(HeadwaterError, match="on another server"):
            elsewhere.read()
        assert len(scripted.asked) == 2, "the clock and the first page"


def test_what_is_declared_is_asked(reading: Make, scripted: Scripted) -> None:
    asks = reading(Offset(param="skip"), 1)
    asks.api.stream.fixed = {"order": "updated_at"}
    asks.api.stream.since_param = "since"
    asks.read()
    assert scripted.asked[1].path == "/things?order=updated_at&until=1772366340&limit=100&skip=0"
    asks.scripted.asked.clear()
    asks.state = {"watermark": "2026-03-01T11:00:00+00:00"}
    asks.read()
    assert scripted.asked[1].path == "/things?order=updated_at&since=1772359200&until=1772366340&limit=100&skip=0"
