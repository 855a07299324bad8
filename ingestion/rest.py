"""A base for plain REST sources: a list that is filtered by its time of change and paged by a cursor or a next URL."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from ingestion.cut import at, elements
from ingestion.http import HttpClient
from ingestion.source import BaseSource, Context, Record, Stream
from ingestion.window import Window, WindowedStream, WindowPage
from settings import HeadwaterError, secret, setting


class RestStream(WindowedStream):
    """Derive, set the names below and write `params`. Cursors must be stable while records change behind them."""

    path: ClassVar[str]
    records_at: ClassVar[tuple[str, ...]] = ("data",)
    """Where in an answer the list of records is."""
    next_at: ClassVar[tuple[str, ...]] = ("next_cursor",)
    """Where in an answer the next cursor, or the next page's URL, is; null, "" or absent on the last page."""
    clock_path: ClassVar[str] = ""
    """A cheap address to ask for the server's clock (the Date header); the list itself when there is none."""

    def __init__(self, context: Context, http: HttpClient):
        super().__init__(context)
        self.http = http

    @abstractmethod
    def params(self, window: Window, cursor: Any) -> Mapping[str, Any]:
        """The query of one page: the window's bounds, the page size, and the cursor when there is one."""

    def source_now(self) -> datetime:
        self.http.get_json(self.clock_path or self.path)
        return self.http.server_time()

    def pages(self, window: Window, cursor: Any) -> Iterator[WindowPage]:
        while True:
            path, params = self.path, self.params(window, cursor)
            if isinstance(cursor, str) and cursor.startswith(("http://", "https://")):
                path, params = self._own(cursor), {}
            body = self.http.get_json(path, params).body
            try:
                records = [Record(element) for element in elements(at(body, *self.records_at))]
            except ValueError as error:
                raise HeadwaterError(f"{self.context.source}: GET {path} gave no list of records: {error}.") from error
            origin = f"GET {path} {dict(params)}"
            asked, cursor = cursor, self._next(body)
            if cursor is not None and cursor == asked:
                raise HeadwaterError(
                    f"{self.context.source}: GET {path} names its own page as the next one ({cursor})."
                )
            yield WindowPage(records, cursor, origin)
            if cursor is None:
                return

    def _next(self, body: bytes) -> Any:
        try:
            return msgspec.json.decode(at(body, *self.next_at)) or None
        except ValueError:
            return None  # not there: the last page

    def _own(self, url: str) -> str:
        """The path of a next URL; the key is not sent to another server than the one it was given for."""
        base = f"{self.http.base_url}/"
        if not url.startswith(base):
            raise HeadwaterError(
                f"{self.context.source}: the next page is on another server ({url}), which gets no key."
            )
        return url.removeprefix(base)


class RestSource(BaseSource):
    """Derive, and set `streams` and the names of the two settings that the API's address and its key come from."""

    address: ClassVar[str]
    credential: ClassVar[str]

    def __init__(self, context: Context):
        super().__init__(context)
        headers = self.headers(secret(self.credential))
        self.http = HttpClient(
            setting(self.address), headers, context.settings.http, context.source, self.credential, self.address
        )

    def headers(self, key: str) -> Mapping[str, str]:
        """The headers that carry the key."""
        return {"Authorization": f"Bearer {key}"}

    def stream(self, name: str) -> Stream:
        found = self.streams[name]
        assert issubclass(found, RestStream)  # the streams of a REST source are such
        return found(self.context, self.http)

    def close(self) -> None:
        self.http.close()
