"""A server that lists records in pages as a RestStream declares that its API does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from ingestion.paging import Cursor, LinkHeader, NextUrl, Offset, PageNumber
from ingestion.rest import RestStream
from tests.ingestion.scripted import Answer, Asked

Item = dict[str, Any]


class PagedApi:
    """`items` are listed by time of change, then key; `on_page` is called before each page with its number so far.

    `page` is how many records a page has at most, whatever the query asks for; `past_end` the status of an answer to a
    page that lies behind the last one.
    """

    def __init__(self, stream: type[RestStream], items: list[Item], page: int = 3):
        self.stream, self.items, self.page = stream, items, page
        self.on_page: Callable[[int], None] = lambda _number: None
        self.pages, self.past_end = 0, 200

    def __call__(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        if parts.path.lstrip("/") != self.stream.path:
            return Answer(b"{}")  # where the clock is asked
        self.pages += 1
        self.on_page(self.pages)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found = self._within(query)
        paging = self.stream.paging
        begin = self._begin(query)
        if begin and begin >= len(found) and self.past_end != 200:
            return Answer(b'{"error": "no such page"}', self.past_end)
        page, more = found[begin : begin + self.page], len(found) > begin + self.page
        body: Any = page
        for name in reversed(self.stream.records_at):
            body = {name: body}
        here = f"http://{asked.headers['Host']}{parts.path}"
        link = f"{here}?{urlencode({**query, 'from_record': begin + self.page})}"
        headers = {}
        if isinstance(paging, LinkHeader) and more:
            headers["Link"] = f'<{here}?x=1,2>; rel="first", <{link}>; title="more"; rel="next"'
        if isinstance(paging, Cursor | NextUrl):
            value = (str(begin + self.page) if isinstance(paging, Cursor) else link) if more else None
            for name in reversed(paging.at[1:]):
                value = {name: value}  # type: ignore[assignment]  # the nested object that the path leads into
            body[paging.at[0]] = value
        if isinstance(paging, PageNumber) and paging.total_at:
            body[paging.total_at[0]] = len(found)
        return Answer(json.dumps(body).encode(), headers=headers)

    def _within(self, query: dict[str, str]) -> list[Item]:
        since, until = query.get(self.stream.since_param), query.get(self.stream.until_param)
        low = _time(since) if since else datetime.min.replace(tzinfo=UTC)
        high = _time(until) if until else datetime.max.replace(tzinfo=UTC)
        name, key = self.stream.version_field, self.stream.key
        found = [item for item in self.items if low <= _time(str(item[name])) <= high]
        return sorted(found, key=lambda item: (_time(str(item[name])), str(item[key])))

    def _begin(self, query: dict[str, str]) -> int:
        paging = self.stream.paging
        if isinstance(paging, Offset):
            return int(query.get(paging.param, 0))
        if isinstance(paging, PageNumber):
            return (int(query.get(paging.param, paging.first)) - paging.first) * self.page
        return int(query.get(paging.param if isinstance(paging, Cursor) else "from_record", 0))


def _time(value: str) -> datetime:
    return datetime.fromtimestamp(int(value), UTC) if value.isdigit() else datetime.fromisoformat(value)
