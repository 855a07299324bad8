"""How a JSON API cuts a list into pages: by cursor, next URL, Link header, offset or page number.

A cursor, a next URL and a Link header are the server's own bookmark: the list may move behind it. Offsets and page
numbers only count: when a record leaves the list while it is read (it changed, and the window's upper bound shuts it
out), all after it move up, and one of them slips over to a page that was read already. So both look again at the last
record they had: it must still stand where it stood, or the window is read again from its start. An offset does this
by asking for that record once more with the page after it; a page number by the total that the API declares, which
must not change, or without one by a second look at the page before, which doubles its requests: prefer any other way
where an API has several.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from ingestion.cut import at


class Answer(NamedTuple):
    """One page: its records as the server sent them, the whole body around them, and the headers."""

    records: Sequence[bytes]
    body: bytes
    headers: Mapping[str, str]


Ask = Callable[[Any], Answer]
KeyOf = Callable[[bytes], str]


class Moved(Exception):
    """A record does not stand where it stood: what came between is not known."""


class Paging(ABC):
    """Where a page's cursor goes in a query, and where the next one comes from. Cursors are what JSON can hold."""

    @abstractmethod
    def params(self, cursor: Any) -> dict[str, Any]:
        """The part of the query that says which page; `cursor` is None for the first."""

    @abstractmethod
    def next_cursor(self, cursor: Any, answer: Answer, key_of: KeyOf) -> Any:
        """The cursor after this page of `cursor`; None when it is the last."""

    def url(self, cursor: Any) -> str | None:
        """The whole address of the page, where that is what the server gives."""
        return None

    def is_past_end(self, cursor: Any, status: int) -> bool:
        """Whether this error is how an API says that `cursor` lies behind the last record."""
        return False

    def new(self, cursor: Any, answer: Answer, key_of: KeyOf, ask: Ask) -> Sequence[bytes]:
        """Those records that the page before did not have; raises Moved."""
        return answer.records


@dataclass(frozen=True, slots=True)
class Cursor(Paging):
    """The answer names the next page's cursor at the path `at`; null, "" or absent on the last page."""

    at: tuple[str, ...] = ("next_cursor",)
    param: str = "cursor"

    def params(self, cursor: Any) -> dict[str, Any]:
        return {} if cursor is None else {self.param: cursor}

    def next_cursor(self, cursor: Any, answer: Answer, key_of: KeyOf) -> Any:
        return _value(answer.body, self.at)


@dataclass(frozen=True, slots=True)
class NextUrl(Paging):
    """The answer holds the next page's whole address at the path `at`; null, "" or absent on the last page."""

    at: tuple[str, ...] = ("next",)

    def params(self, cursor: Any) -> dict[str, Any]:
        return {}

    def url(self, cursor: Any) -> str | None:
        return None if cursor is None else str(cursor)

    def next_cursor(self, cursor: Any, answer: Answer, key_of: KeyOf) -> Any:
        return _value(answer.body, self.at)


@dataclass(frozen=True, slots=True)
class LinkHeader(Paging):
    """The header `Link: <https://…>; rel="next"` (RFC 8288) holds the next page's address."""

    def params(self, cursor: Any) -> dict[str, Any]:
        return {}

    def url(self, cursor: Any) -> str | None:
        return None if cursor is None else str(cursor)

    def next_cursor(self, cursor: Any, answer: Answer, key_of: KeyOf) -> Any:
        for url, parameters in re.findall(r"<([^>]*)>((?:\s*;[^,<]*)*)", answer.headers.get("Link") or ""):
            relation = re.search(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;]+))', parameters, re.IGNORECASE)
            if relation and "next" in (relation[1] or relation[2]).lower().split():
                return url
        return None


class Counted(Paging):
    """What offsets and page numbers share: some APIs answer 404 to what lies behind the end, others an empty page."""

    __slots__ = ()

    def is_past_end(self, cursor: Any, status: int) -> bool:
        return cursor is not None and status == 404


@dataclass(frozen=True, slots=True)
class Offset(Counted):
    """The query says how many records to leave out. The list ends with a page that brings nothing new, or a 404."""

    param: str = "offset"

    def params(self, cursor: Any) -> dict[str, Any]:
        return {self.param: cursor["at"] if cursor else 0}

    def next_cursor(self, cursor: Any, answer: Answer, key_of: KeyOf) -> Any:
        begin = cursor["at"] if cursor else 0
        if len(answer.records) <= (1 if cursor else 0):
            return None
        return {"at": begin + len(answer.records) - 1, "after": key_of(answer.records[-1])}

    def new(self, cursor: Any, answer: Answer, key_of: KeyOf, ask: Ask) -> Sequence[bytes]:
        if cursor is None:
            return answer.records
        if not answer.records or key_of(answer.records[0]) != cursor["after"]:
            raise Moved
        if len(answer.records) == 1 and ask({"at": cursor["at"] + 1}).records:
            raise Moved  # the end was not the end
        return answer.records[1:]


@dataclass(frozen=True, slots=True)
class PageNumber(Counted):
    """The query counts pages, from `first` on. The list ends with an empty page or a 404 after the last one.

    `total_at` is where an answer says how many records the whole list has, for APIs that do: the list ends where so
    many were read. A page that is not full ends nothing: servers cut pages shorter than they were asked for.
    """

    param: str = "page"
    first: int = 1
    total_at: tuple[str, ...] = ()

    def params(self, cursor: Any) -> dict[str, Any]:
        return {self.param: cursor["at"] if cursor else self.first}

    def next_cursor(self, cursor: Any, answer: Answer, key_of: KeyOf) -> Any:
        read = (cursor["read"] if cursor else 0) + len(answer.records)
        total = self._total(answer)
        if not answer.records or (total is not None and read >= total):
            return None
        at = (cursor["at"] if cursor else self.first) + 1
        return {"at": at, "after": key_of(answer.records[-1]), "read": read, "total": total}

    def new(self, cursor: Any, answer: Answer, key_of: KeyOf, ask: Ask) -> Sequence[bytes]:
        if cursor is None:
            return answer.records
        total = self._total(answer)
        if total is None:
            before = ask({**cursor, "at": cursor["at"] - 1}).records
            if not before or key_of(before[-1]) != cursor["after"]:
                raise Moved
        elif total != cursor["total"]:
            raise Moved
        return answer.records

    def _total(self, answer: Answer) -> int | None:
        found = _value(answer.body, self.total_at) if self.total_at else None
        return found if isinstance(found, int) else None


def _value(body: bytes, path: tuple[str, ...]) -> Any:
    try:
        return msgspec.json.decode(at(body, *path)) or None
    except ValueError:
        return None  # not there: the last page
