"""CSV files, plain or gzip, checked whole before the first row is taken and then read row by row.

What is accepted is RFC 4180: quotes that open, close and double properly, one header whose columns all have a name of
their own, the same number of columns in every row; lines may end with LF, CRLF or CR, also mixed. The delimiter and the
encoding are the format's. A row becomes a JSON object of strings in the header's order; an empty cell stays "".

The encoding is UTF-8 (a byte order mark is dropped) unless the format names another. `detect` looks at the file: a
UTF-16 byte order mark means UTF-16; else, when all of it is valid UTF-8, with or without a mark, it is UTF-8; else it
is Windows-1252, what Excel writes in western Europe. What cannot be told: UTF-16 without its mark (the header then
lacks its columns), and any other 8-bit code page, whose letters would come out wrong: name that encoding instead.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import msgspec

from ingestion.files import BrokenFile

if TYPE_CHECKING:
    from _csv import Reader

LONGEST_LINE = 1_000_000
csv.field_size_limit(LONGEST_LINE)  # a cell may fill its line; Python's own limit is an eighth of it
DETECT = "detect"
_CHUNK = 1 << 20
_BAD_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
_DAMAGED = "the gzip is cut or damaged"


class Format(NamedTuple):
    """How a file is written. `encoding` is a name that Python knows, or `detect`."""

    delimiter: str = ","
    encoding: str = "utf-8-sig"


PLAIN = Format()


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


def check(file: BinaryIO, name: str, required: Collection[str], written: Format = PLAIN) -> tuple[int, Format]:
    """Read the whole file; return its number of rows and its format as detected. Raises BrokenFile."""
    encoding = _detected(file, name) if written.encoding == DETECT else written.encoding
    written = written._replace(encoding=encoding)
    well_quoted = _well_quoted(written.delimiter)
    with _text(file, name, encoding) as text:
        lines = _Lines(text)
        reader = csv.reader(lines, strict=True, delimiter=written.delimiter)
        with _named(name, reader, encoding):
            header = next(reader, None)
            if not header:
                raise csv.Error("the file is empty, not even a header is there")
            missing = [column for column in required if column not in header]
            if missing:
                raise csv.Error(f"the header has no column {', '.join(missing)}")
            if len(set(header)) < len(header):
                raise csv.Error("the header names a column twice")
            if "" in header:
                raise csv.Error("the header has a column without a name")
            _check_quotes(lines.taken(), well_quoted)
            count = 0
            for row in reader:
                _check_quotes(lines.taken(), well_quoted)
                if not row:
                    continue
                if len(row) != len(header):
                    raise csv.Error(f"{len(row)} columns where the header has {len(header)}")
                count += 1
    return count, written


def rows(file: BinaryIO, name: str, written: Format, skip: int = 0) -> Iterator[Row]:
    """The rows of a file that `check` found good and to be written so, after the first `skip`."""
    with _text(file, name, written.encoding) as text:
        reader = csv.reader(text, strict=True, delimiter=written.delimiter)
        header = next(reader)
        yield from islice(_numbered(reader, header), skip, None)


def _numbered(reader: Reader, header: list[str]) -> Iterator[Row]:
    line = reader.line_num + 1
    for row in reader:
        if row:
            yield Row(line, msgspec.json.encode(dict(zip(header, row, strict=True))))
        line = reader.line_num + 1


@cache
def _well_quoted(delimiter: str) -> re.Pattern[str]:
    between = re.escape(delimiter)
    field = rf'(?:"(?:[^"]++|"")*+"|[^"\r\n{between}]*+)'
    return re.compile(rf"{field}(?:{between}{field})*+(?:\r\n|\r|\n)?")


def _check_quotes(record: str, well_quoted: re.Pattern[str]) -> None:
    # Python's csv, even a strict one, lets a quote stand within a field that has none around it.
    if '"' in record and not well_quoted.fullmatch(record):
        raise csv.Error("a quote that does not open or close a field, or is not doubled within one")


def _binary(file: BinaryIO, name: str) -> BinaryIO:
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb")) if name.endswith(".gz") else file


def _detected(file: BinaryIO, name: str) -> str:
    """What `detect` makes of the file; see the top."""
    binary = _binary(file, name)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        chunk = binary.read(_CHUNK)
        if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        while chunk:
            decoder.decode(chunk)
            chunk = binary.read(_CHUNK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "windows-1252"
    except _BAD_GZIP as error:
        raise BrokenFile(f"{name}: {_DAMAGED} ({error})") from None
    return "utf-8-sig"


@contextmanager
def _text(file: BinaryIO, name: str, encoding: str) -> Iterator[io.TextIOWrapper]:
    text = io.TextIOWrapper(_binary(file, name), encoding=encoding, newline="")
    try:
        yield text
    finally:
        text.detach()  # the caller's file stays open


@contextmanager
def _named(name: str, reader: Reader, encoding: str) -> Iterator[None]:
    """Turn whatever shows that the file is broken into a BrokenFile with its place."""
    try:
        yield
    except csv.Error as error:
        raise BrokenFile(f"{name}, line {max(reader.line_num, 1)}: {error}") from None
    except UnicodeDecodeError as error:
        wrong, called = error.object[error.start], encoding.upper().removesuffix("-SIG")
        raise BrokenFile(f"{name}, after line {reader.line_num}: not {called} (byte 0x{wrong:02x})") from None
    except UnicodeError as error:  # UTF-16 without its byte order mark
        raise BrokenFile(f"{name}, after line {reader.line_num}: not {encoding.upper()} ({error})") from None
    except _BAD_GZIP as error:
        raise BrokenFile(f"{name}, after line {reader.line_num}: {_DAMAGED} ({error})") from None
