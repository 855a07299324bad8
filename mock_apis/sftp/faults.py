"""What can be wrong with a file of the email platform: a wrong value in one row, other columns."""

from __future__ import annotations

import csv
import gzip
import io
import zlib

_WRONG = {"occurred_at": "yesterday evening", "cost_amount": "about a hundred"}
_RENAMED = {"url": "link", "subject": "subject_line"}


def with_bad_record(name: str, content: bytes, column: str | None = None) -> bytes:
    """The same file with one wrong value in its middle row: in `column`, or in the event's time or the cost."""
    header, *rows = _rows(name, content)
    if rows:
        title = column if column in header else next(title for title in header if title in _WRONG)
        rows[len(rows) // 2][header.index(title)] = _WRONG.get(title, "")
    return _file(name, [header, *rows])


def with_drift(name: str, content: bytes, column: str | None = None) -> bytes:
    """The same file with one column more and another one renamed: `column`, or the event's URL or the subject."""
    header, *rows = _rows(name, content)
    renamed = {column: f"{column}_new"} if column in header else _RENAMED
    header = [renamed.get(title, title) for title in header] + ["device"]
    return _file(name, [header, *([*row, "mobile"] for row in rows)])


def _rows(name: str, content: bytes) -> list[list[str]]:
    # Not gzip.decompress: the file of the hour in progress is cut, and may be asked for too.
    text = zlib.decompressobj(wbits=31).decompress(content) if name.endswith(".gz") else content
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


def _file(name: str, rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    return gzip.compress(content, mtime=0) if name.endswith(".gz") else content
