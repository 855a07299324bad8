"""CSV files, plain or gzip, checked whole before the first row is taken and then read row by row.

What is accepted is RFC 4180 in UTF-8 (a byte order mark is dropped): quotes that open, close and double properly, one
header, the same number of columns in every row. A row becomes a JSON object of strings in the header's order; an
empty cell stays "".
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from settings import HeadwaterError

if TYPE_CHECKING:
    from _csv import Reader

LONGEST_LINE = 1_000_000
csv.field_size_limit(LONGEST_LINE)  # a cell may fill its line; Python's own limit is an eighth of it
_FIELD = r'(?:"(?:[^"]++|"")*+"|[^",\r\n]*+)'
_WELL_QUOTED = re.compile(rf"{_FIELD}(?:,{_FIELD})*+(?:\r\n|\r|\n)?")


class BrokenFile(HeadwaterError):
    """A file that is not whole or no CSV; nothing of it may be loaded. The message names the file and the line."""


class Row(NamedTuple):
    """`line` is the row's first line in the file, counted from 1."""

    line: int
    data: bytes


class _Lines:
    """The lines of a text, with those since the last `taken` kept to look at."""

    def __init__(self, text: io.TextIOWrapper):
        self._text = text
        self._record: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise csv.Error(f"a line is longer than {LONGEST_LINE:,} characters")
            self._record.append(line)
            yield line

    def taken(self) -> str:
        record = self._record[0] if len(self._record) == 1 else "".join(self._record)
        self._record.clear()
        return record


def check(file: BinaryIO, name: str, required: Collection[str]) -> int:
    """Read the whole file; return its number of rows. Raises BrokenFile."""
    with _text(file, name) as text:
        lines = _Lines(text)
        reader = csv.reader(lines, strict=True)
        with _named(name, reader):
            header = next(reader, None)
            if not header:
                raise csv.Error("the file is empty, not even a header is there")
            missing = [column for column in required if column not in header]
            if missing:
                raise csv.Error(f"the header has no column {', '.join(missing)}")
            if len(set(header)) < len(header):
                raise csv.Error("the header names a column twice")
            _check_quotes(lines.taken())
            count = 0
            for row in reader:
                _check_quotes(lines.taken())
                if not row:
                    continue
                if len(row) != len(header):
                    raise csv.Error(f"{len(row)} columns where the header has {len(header)}")
                count += 1
    return count


def rows(file: BinaryIO, name: str, skip: int = 0) -> Iterator[Row]:
    """The rows of a file that `check` found good, after the first `skip`."""
    with _text(file, name) as text:
        reader = csv.reader(text, strict=True)
        header = next(reader)
        yield from islice(_numbered(reader, header), skip, None)


def _numbered(reader: Reader, header: list[str]) -> Iterator[Row]:
    line = reader.line_num + 1
    for row in reader:
        if row:
            yield Row(line, msgspec.json.encode(dict(zip(header, row, strict=True))))
        line = reader.line_num + 1


def _check_quotes(record: str) -> None:
    # Python's csv, even a strict one, lets a quote stand within a field that has none around it.
    if '"' in record and not _WELL_QUOTED.fullmatch(record):
        raise csv.Error("a quote that does not open or close a field, or is not doubled within one")


@contextmanager
def _text(file: BinaryIO, name: str) -> Iterator[io.TextIOWrapper]:
    file.seek(0)
    binary = gzip.GzipFile(fileobj=file, mode="rb") if name.endswith(".gz") else file
    text = io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
    try:
        yield text
    finally:
        text.detach()  # the caller's file stays open


@contextmanager
def _named(name: str, reader: Reader) -> Iterator[None]:
    """Turn whatever shows that the file is broken into a BrokenFile with its place."""
    try:
        yield
    except csv.Error as error:
        raise BrokenFile(f"{name}, line {max(reader.line_num, 1)}: {error}") from None
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]
        raise BrokenFile(f"{name}, after line {reader.line_num}: not UTF-8 (byte 0x{wrong:02x})") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BrokenFile(f"{name}, after line {reader.line_num}: the gzip is cut or damaged ({error})") from None
