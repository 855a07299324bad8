"""A server that lists records in pages as a RestStream declares that its API does."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from ingestion.paging import Cursor, LinkHeader, NextUrl, Offset, PageNumber
from ingestion.rest import RestStream
from tests.ingestion.scripted import Answer, Asked

Item = dict[str, Any]


class Listed(NamedTuple):
    """A record as the list has it: lists are sorted by time of change, then key."""

    changed: datetime
    key: str
    data: bytes


class PagedApi:
    """`items` are what `listed` lists; `on_page` is called before each page with its number so far.

    `page` is how many records a page has at most, whatever the query asks for; `past_end` the status of an answer to a
    page that lies behind the last one.
    """

    def __init__(self, stream: type[RestStream], items: list[Item], page: int = 3):
        self.stream, self.items, self.page = stream, items, page
        self.on_page: Callable[[int], None] = lambda _number: None
        self.pages, self.past_end = 0, 200

    def listed(self) -> list[Listed]:
        """All that there is, in any order."""
        name, key = self.stream.version_field, self.stream.key
        return [Listed(_time(str(item[name])), str(item[key]), json.dumps(item).encode()) for item in self.items]

    def __call__(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        if parts.path.lstrip("/") != self.stream.path:
            return Answer(b"{}")  # where the clock is asked
        self.pages += 1
        self.on_page(self.pages)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found = self._within(query)
        begin = self._begin(query, found)
        if begin and begin >= len(found) and self.past_end != 200:
            return Answer(b'{"error": "no such page"}', self.past_end)
        page, more = found[begin : begin + self.page], len(found) > begin + self.page
        bookmark = json.dumps([page[-1].changed.isoformat(), page[-1].key]) if more else None
        return self._answer(page, len(found), bookmark, query, f"http://{asked.headers['Host']}{parts.path}")

    def _answer(self, page: list[Listed], total: int, bookmark: str | None, query: dict[str, str], here: str) -> Answer:
        stream, paging = self.stream, self.stream.paging
        link = f"{here}?{urlencode({**query, 'from_record': bookmark})}" if bookmark else None
        headers = {}
        body: dict[str, Any] = {}
        if isinstance(paging, LinkHeader) and link:
            headers["Link"] = f'<{here}?x=1,2>; rel="first", <{link}>; title="more"; rel="next"'
        if isinstance(paging, Cursor | NextUrl):
            _put(body, paging.at, bookmark if isinstance(paging, Cursor) else link)
        if isinstance(paging, PageNumber) and paging.total_at:
            _put(body, paging.total_at, total)
        records = b"[%s]" % b", ".join(record.data for record in page)
        if not stream.records_at:
            return Answer(records, headers=headers)
        _put(body, stream.records_at, "<records>")
        return Answer(json.dumps(body).encode().replace(b'"<records>"', records), headers=headers)

    def _within(self, query: dict[str, str]) -> list[Listed]:
        since, until = query.get(self.stream.since_param), query.get(self.stream.until_param)
        low = _time(since) if since else datetime.min.replace(tzinfo=UTC)
        high = _time(until) if until else datetime.max.replace(tzinfo=UTC)
        return sorted(record for record in self.listed() if low <= record.changed <= high)

    def _begin(self, query: dict[str, str], found: list[Listed]) -> int:
        """A cursor and the address of a next page are the record before: the list may move behind it."""
        paging = self.stream.paging
        if isinstance(paging, Offset):
            return int(query.get(paging.param, 0))
        if isinstance(paging, PageNumber):
            return (int(query.get(paging.param, paging.first)) - paging.first) * self.page
        bookmark = query.get(paging.param if isinstance(paging, Cursor) else "from_record")
        if bookmark is None:
            return 0
        changed, key = json.loads(bookmark)
        return bisect_right(found, (_time(changed), key), key=lambda record: record[:2])


def _put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = value


def _time(value: str) -> datetime:
    return datetime.fromtimestamp(int(value), UTC) if value.isdigit() else datetime.fromisoformat(value)
