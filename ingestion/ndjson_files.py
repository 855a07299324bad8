"""Newline-delimited JSON files, plain or gzip, checked whole before the first line is taken and then read line by line.

What is checked is that the file is whole. Whether a line is JSON and holds its contract is told line by line later:
one bad line does not keep the others back. Empty lines count as none.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple, cast

from ingestion.files import BrokenFile

LONGEST_LINE = 32 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """`number` is counted from 1; the bytes are without their line end."""

    number: int
    data: bytes


def check(file: BinaryIO, name: str) -> int:
    """Read the whole file; return how many lines it holds. Raises BrokenFile."""
    count = number = 0
    try:
        for line in _lines(file):
            count, number = count + 1, line.number
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BrokenFile(f"{name}, after line {number}: the gzip is cut or damaged ({error})") from None
    except _TooLong:
        raise BrokenFile(f"{name}, after line {number}: a line is longer than {LONGEST_LINE:,} bytes") from None
    return count


def lines(file: BinaryIO, skip: int = 0) -> Iterator[Line]:
    """The lines of a file that `check` found good, after the first `skip`."""
    return islice(_lines(file), skip, None)


class _TooLong(Exception):
    pass


def _lines(file: BinaryIO) -> Iterator[Line]:
    file.seek(0)
    zipped = file.read(2) == _GZIP
    file.seek(0)
    text = cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb")) if zipped else file
    number = 0
    while data := text.readline(LONGEST_LINE + 1):
        if len(data) > LONGEST_LINE:
            raise _TooLong
        data = (data.removeprefix(_BOM) if number == 0 else data).strip(b" \t\r\n")
        number += 1
        if data:
            yield Line(number, data)
