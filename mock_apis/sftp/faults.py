"""What can be wrong with a file of the email platform: a wrong value in one row, other columns."""

from __future__ import annotations

import csv
import gzip
import io

_WRONG = {"occurred_at": "yesterday evening", "cost_amount": "about a hundred"}
_RENAMED = {"url": "link", "subject": "subject_line"}


def with_bad_record(name: str, content: bytes) -> bytes:
    """The same file with one row, in its middle, whose time (events) or cost (campaigns) is no such thing."""
    header, *rows = _rows(name, content)
    if rows:
        column = next(place for place, title in enumerate(header) if title in _WRONG)
        rows[len(rows) // 2][column] = _WRONG[header[column]]
    return _file(name, [header, *rows])


def with_drift(name: str, content: bytes) -> bytes:
    """The same file with one column more and another one renamed."""
    header, *rows = _rows(name, content)
    header = [_RENAMED.get(title, title) for title in header] + ["device"]
    return _file(name, [header, *([*row, "mobile"] for row in rows)])


def _rows(name: str, content: bytes) -> list[list[str]]:
    text = gzip.decompress(content) if name.endswith(".gz") else content
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


def _file(name: str, rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    return gzip.compress(content, mtime=0) if name.endswith(".gz") else content
