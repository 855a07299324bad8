"""Rows and files gathered into pages, and the place within a file at which a page ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ingestion.source import Page, Record, State
from warehouse.batch import LoadedFile

PAGE_FILES = 200


class FilePages:
    """Gathers rows and files into pages of `size` rows; `half` is the file whose rows are in only in part."""

    def __init__(self, half: dict[str, Any] | None, size: int):
        self.half, self.size = half, size
        self._given = False
        self._records: list[Record] = []
        self._files: list[LoadedFile] = []

    def begin(self, sha256: str) -> int:
        """How many rows of this file are in already."""
        return int(self.half["rows"]) if self.half and self.half["sha256"] == sha256 else 0

    def add(self, record: Record) -> bool:
        """Take a row; whether the page is full."""
        self._records.append(record)
        return len(self._records) >= self.size

    def end(self, file: LoadedFile, is_new: bool = True) -> bool:
        """The file is in whole; whether the page is full. One that is not new is in ops.files already."""
        if is_new:
            self._files.append(file)
        if self.half and self.half["sha256"] == file.sha256:
            self.half = None
        return len(self._records) >= self.size or len(self._files) >= PAGE_FILES

    def last(self, state: State, watermark: datetime | None, before: State) -> Iterator[Page]:
        """The run's last page, with the watermark; none when the run changes nothing of the bookmark `before` it."""
        if self._given or self._records or self._files or state != before:
            yield self.page(state, watermark)

    def page(self, state: State, watermark: datetime | None = None) -> Page:
        self._given = True
        records, files = self._records, self._files
        self._records, self._files = [], []
        return Page(records, state, _origin(records, files), datetime.now(UTC), watermark, files)


def _origin(records: list[Record], files: list[LoadedFile]) -> str:
    if records:
        return records[0].origin if len(records) == 1 else f"{records[0].origin} to {records[-1].origin}"
    return ", ".join(file.name for file in files[:3]) or "nothing new"
