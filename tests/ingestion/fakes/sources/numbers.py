"""Numbered items, as many and as bad as the options say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from ingestion.source import BaseSource, Record, Stream, parse_time
from ingestion.window import Window, WindowedStream, WindowPage
from settings import HeadwaterError


class Items(WindowedStream):
    """Options: count, page and size (of pages, of texts), pause (seconds a page), bad, new (which), fails_at, now."""

    name = "items"

    def source_now(self) -> datetime:
        return parse_time(self.context.settings.options["now"], "now")

    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        options = self.context.settings.options
        start, count = cursor or 0, options["count"]
        while start < count:
            if start >= options.get("fails_at", count):
                raise HeadwaterError("numbers is down; try later.")
            time.sleep(options.get("pause", 0))
            end = min(count, start + options.get("page", 100))
            records = [Record(self.item(number, options)) for number in range(start, end)]
            yield WindowPage(records, end if end < count else None, f"items {start} to {end - 1}")
            start = end

    def item(self, number: int, options: dict[str, Any]) -> bytes:
        found: dict[str, Any] = {
            "id": f"i{number}",
            "updated_at": "2026-03-01T00:00:00Z",
            "text": "é" * options.get("size", 5),
        }
        if number in options.get("bad", ()):
            found |= {"text": None, "updated_at": "yesterday"}
        if number in options.get("new", ()):
            found |= {"colour": "red"}
        return json.dumps(found, ensure_ascii=False).encode()


class Others(Items):
    name = "others"


class Source(BaseSource):
    streams: ClassVar[dict[str, type[Stream]]] = {"items": Items, "others": Others}

    def stream(self, name: str) -> Stream:
        return self.streams[name](self.context)
