"""The result of a bulk operation: a file of JSON lines, fetched to the disk, counted, and joined to whole records.

Each object is a line of its own. What lies in a connection of a record comes after it with the record's id as
`__parentId`, though not always right after it; with `__typename` it says which connection it is of. Where each line
lies is kept in a temporary database of SQLite's, so memory does not grow with the file.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from ingestion import http as client
from ingestion.cut import members, together
from ingestion.http_words import is_loopback, root_reason
from settings import HeadwaterError
from settings.pipeline import Http

CHUNK_BYTES = 128 * 1024
LINES_AT_ONCE = 2_000
IN_MEMORY_BYTES = 1_000_000
_ESCAPE = re.compile(rb"\\([\\/])")

log = logging.getLogger(__name__)


class FileLost(HeadwaterError):
    """The file cannot be had, or is not what the operation said: the operation must be run again."""


class Counted(NamedTuple):
    """How many lines a file has, and how many of them are records and not parts of one."""

    lines: int
    roots: int


class Shape(NamedTuple):
    """The members of a whole record in their order, and for each connection among them its nodes' `__typename`."""

    fields: Sequence[str]
    connections: Mapping[str, str]


class _Line(msgspec.Struct):
    id: str | None = None
    parent: str | None = msgspec.field(name="__parentId", default=None)
    kind: str = msgspec.field(name="__typename", default="")


class BulkFile:
    """One result; a context manager that removes what it keeps on the disk."""

    def __enter__(self) -> BulkFile:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()
        self._file.close()

    def fetch(self, url: str, http: Http, wait: Callable[[float], None]) -> None:
        """Download it, without our token: it lies on a server of somebody else, under an address that is signed.

        Raises FileLost when the address is not taken (any more), HeadwaterError when the tries are used up.
        """
        host = urlsplit(url).hostname or ""
        for attempt in range(1, http.attempts + 1):
            self._file.seek(0)
            self._file.truncate()
            try:
                with requests.Session() as session:
                    session.trust_env = not is_loopback(host)  # no proxy leads to this machine
                    session.auth = lambda request: request
                    seconds = http.timeout.total_seconds()
                    with session.get(url, stream=True, timeout=seconds, allow_redirects=False) as answer:
                        if answer.status_code == 200:
                            while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=True):
                                self._file.write(chunk)
                            return
                        reason = f"the server of the file ({host}) answers {answer.status_code}"
                        if answer.status_code < 500 and answer.status_code != 429:
                            raise FileLost(reason)
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
                reason = f"the file at {host} broke off ({root_reason(error)})"
            if attempt < http.attempts:
                log.warning("shopify: %s; fetching it again", reason)
                wait(min(client.LONGEST_BACKOFF_SECONDS, client.BACKOFF_SECONDS * 2**attempt))
        raise HeadwaterError(f"shopify: {reason}, after {http.attempts} tries; run again: the operation is kept.")

    def count(self) -> Counted:
        """Note where each line lies. Raises FileLost for a line that is cut, or that belongs to nothing here."""
        self._database.execute("drop table if exists line")
        self._database.execute(
            "create table line (place integer primary key, size integer, id text, parent text, kind text)"
        )
        self._database.execute("begin")
        lines = self._lines()
        while some := list(islice(lines, LINES_AT_ONCE)):
            self._database.executemany("insert into line values (?, ?, ?, ?, ?)", some)
        self._database.execute("create index part on line (parent) where parent is not null")
        self._database.execute("create index whole on line (id) where parent is null")
        self._database.execute("commit")
        [(total, roots)] = self._database.execute("select count(*), count(*) filter (where parent is null) from line")
        orphans = self._database.execute(
            "select count(*) from line as part where parent is not null and not exists"
            " (select 1 from line as whole where whole.parent is null and whole.id = part.parent)"
        ).fetchone()
        if orphans[0]:
            raise FileLost(f"{orphans[0]} lines of the file are parts of records that it does not have")
        return Counted(total, roots)

    def records(self, shape: Shape, skip: int = 0) -> Iterator[bytes]:
        """The records in the file's order, each with its parts in their places; not the first `skip` of them."""
        roots = self._database.execute(
            "select place, size, id from line where parent is null order by place limit -1 offset ?", (skip,)
        )
        for place, size, id in roots:
            parts: dict[str, list[bytes]] = {kind: [] for kind in shape.connections.values()}
            if id is not None and parts:
                found = self._database.execute(
                    "select place, size, kind from line where parent = ? order by place", (id,)
                )
                for part_place, part_size, kind in found:
                    if kind not in parts:
                        raise HeadwaterError(f"shopify: a bulk operation brought a {kind or 'nameless part'} of {id}.")
                    parts[kind].append(_part(self._at(part_place, part_size)))
            yield _joined(self._at(place, size), parts, shape)

    def _lines(self) -> Iterator[tuple[int, int, str | None, str | None, str]]:
        self._file.seek(0)
        place = 0
        for line in self._file:
            if line.strip():
                try:
                    told = msgspec.json.decode(line, type=_Line)
                except msgspec.ValidationError:
                    told = _Line()  # a record whose id is none: its contract will say so
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    told = _told(line)
                yield place, len(line), told.id, told.parent, told.kind
            place += len(line)

    def _at(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        return _unescaped(self._file.read(size).strip())


def _told(line: bytes) -> _Line:
    """Of a line within which something cannot be decoded; raises FileLost when it was cut."""
    try:
        fields = members(line.strip())
        named = {name: msgspec.json.decode(fields[name], type=str) for name in ("id", "__parentId") if name in fields}
        kind = msgspec.json.decode(fields.get("__typename", b'""'), type=str)
    except (ValueError, RecursionError):
        raise FileLost(f"a line of the file is no JSON object: {line[:100]!r}") from None
    if not line.rstrip().endswith(b"}"):
        raise FileLost(f"a line of the file was cut: {line[:100]!r}")
    return _Line(named.get("id"), named.get("__parentId"), kind)


def _joined(root: bytes, parts: Mapping[str, list[bytes]], shape: Shape) -> bytes:
    fields = members(root)
    for name, kind in shape.connections.items():
        fields[name] = b'{"nodes":[' + b",".join(parts[kind]) + b'],"pageInfo":{"hasNextPage":false}}'
    names = [name for name in shape.fields if name in fields]
    names += [name for name in fields if name not in names]
    return together({name: fields[name] for name in names})


def _part(line: bytes) -> bytes:
    return together({name: value for name, value in members(line).items() if name not in ("__typename", "__parentId")})


def _unescaped(line: bytes) -> bytes:
    r"""The same line as an answer has it: the files write each slash as \/ ."""
    return _ESCAPE.sub(lambda found: b"/" if found[1] == b"/" else found[0], line)
