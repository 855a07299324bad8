"""Streams that come as CSV files in a folder. A file is its content (SHA-256), not its name.

A file is taken when it is complete: its marker NAME.done is there (and not older than the file), or its size and time
of change stood still between two listings. It is fetched to a temporary file and checked whole before its first row
is given; a file that is broken gives nothing, the others go on, and the run fails at its end with the file's name.

The bookmark: `file` is the file that a page ended within, and how many of its rows are in; `same` are the newest
listings (name, size, time) of files whose content had been loaded under another name or time, so that they need not
be fetched again. Which files are loaded is known from ops.files.

The watermark is the newest time up to which every listed file is in, by the server's times of change: those of the
files, and of the markers in this folder and those `beside` it, which tell that the sender was at work then though it
had nothing to write here. A file that is still written or broken holds it back. A file that is not listed yet cannot
be known.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO, ClassVar, cast

from ingestion import csv_files
from ingestion.csv_files import BrokenFile
from ingestion.folder import CompleteFile, look, newest_marker
from ingestion.sftp import FetchFailed, RemoteFile, SftpFolder
from ingestion.source import Context, Page, Record, State, Stream
from settings import HeadwaterError, SettingsError
from warehouse.batch import LoadedFile

PAGE_ROWS = 1_000
PAGE_FILES = 200
SETTLE_SECONDS = 2.0
REMEMBERED = 500
NAMED_PROBLEMS = 5
IN_MEMORY_BYTES = 1_000_000

log = logging.getLogger(__name__)


class CsvStream(Stream):
    """Derive, and set `folder` and the `columns` that a header must have (it may have more, in any order).

    `beside` are other folders of the same sender, whose markers show how far it has come.
    """

    folder: ClassVar[str]
    beside: ClassVar[Collection[str]] = ()
    columns: ClassVar[Collection[str]]

    def __init__(self, context: Context, server: SftpFolder):
        super().__init__(context)
        self._server = server
        self._settle = _settle_seconds(context)
        self._same: list[RemoteFile] = []
        self._watermark: str | None = None
        self._given: set[str] = set()  # of this run: what is not committed yet is not in ops.files

    def read(self, state: State) -> Iterator[Page]:
        half = state.get("file")
        self._same = [RemoteFile(*entry) for entry in state.get("same", ())]
        self._watermark = state.get("watermark")
        # Before our own folder: what is written to it after this look is not known to be in.
        times = [newest_marker(self._server.listing(folder)) for folder in self.beside]
        found = look(self._server, self.folder, self._settle, self._loaded)
        # A file that an earlier run left within its rows comes first; then the oldest.
        name = half["name"] if half else None
        found.complete.sort(key=lambda it: (self._path(it.listed) != name, it.listed.modified, it.listed.name))
        pages, done, problems = _Pages(half), set(found.known), list[str]()
        for file in found.complete:
            try:
                yield from self._file(file, pages)
            except _Changing:
                log.info("%s was written to while it was fetched: left for the next run.", self._path(file.listed))
            except FileNotFoundError:
                log.warning("%s was listed but has gone since.", self._path(file.listed))
                found.listed.discard(file.listed)
            except (BrokenFile, FetchFailed) as problem:
                log.error("%s", problem)
                problems.append(str(problem))
            else:
                done.add(file.listed)
        if pages.half:
            log.warning("%s, of which some rows are in, is not there any more as it was.", pages.half["name"])
            pages.half = None
        times.append(found.marked_at)
        watermark = _complete_up_to(found.listed, done, [time for time in times if time is not None])
        self._watermark = watermark.isoformat() if watermark else None
        last = pages.page(self._bookmark(pages.half), watermark)
        if last.records or last.files or last.state != state:
            yield last
        if problems:
            raise HeadwaterError(
                f"{len(problems)} file(s) of {self.context.source}.{self.name} are broken and nothing of them is in:"
                f" {'; '.join(problems[:NAMED_PROBLEMS])}. Every other file is; have these sent again."
            )

    def _file(self, file: CompleteFile, pages: _Pages) -> Iterator[Page]:
        """Fetch, check and give one file; the pages that it fills."""
        path = self._path(file.listed)
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as temporary:
            content = cast(BinaryIO, temporary)
            fetched = self._server.fetch(self.folder, file.listed.name, content)
            if not file.is_whole(fetched):
                raise _Changing
            if fetched.sha256 in self._given or self.context.knows_file(fetched.sha256):
                self._same = [*self._same, fetched.before][-REMEMBERED:]
                return
            total = csv_files.check(content, path, self.columns)
            self._given.add(fetched.sha256)
            done = pages.begin(fetched.sha256)
            for row in csv_files.rows(content, path, skip=done):
                done += 1
                if pages.add(Record(row.data, origin=f"{path}, line {row.line}")) and done < total:
                    pages.half = {"sha256": fetched.sha256, "name": path, "rows": done}
                    yield pages.page(self._bookmark(pages.half))
        # As it was when it was opened: should the listing have been of another content, that is fetched next time.
        modified_at = datetime.fromtimestamp(fetched.before.modified, UTC)
        if pages.end(LoadedFile(fetched.sha256, path, fetched.before.size, modified_at, total)):
            yield pages.page(self._bookmark(pages.half))

    def _bookmark(self, half: dict[str, Any] | None) -> State:
        return {"file": half, "same": [list(file) for file in self._same], "watermark": self._watermark}

    def _path(self, file: RemoteFile) -> str:
        return f"{self.folder}/{file.name}"

    def _loaded(self, files: Iterable[RemoteFile]) -> set[RemoteFile]:
        listed = {(self._path(file), file.size, file.modified): file for file in files}
        found = self.context.loaded_files([path for path, _, _ in listed])
        loaded = {listed.get((path, size, int(modified_at.timestamp()))) for path, size, modified_at in found}
        return {file for file in loaded if file} | (set(self._same) & set(listed.values()))


class _Changing(Exception):
    """Somebody wrote to a file while it was fetched."""


class _Pages:
    """Gathers rows and files into pages; `half` is the file whose rows are in only in part."""

    def __init__(self, half: dict[str, Any] | None):
        self.half = half
        self._records: list[Record] = []
        self._files: list[LoadedFile] = []

    def begin(self, sha256: str) -> int:
        """How many rows of this file are in already."""
        return int(self.half["rows"]) if self.half and self.half["sha256"] == sha256 else 0

    def add(self, record: Record) -> bool:
        """Take a row; whether the page is full."""
        self._records.append(record)
        return len(self._records) >= PAGE_ROWS

    def end(self, file: LoadedFile) -> bool:
        """The file is in whole; whether the page is full."""
        self._files.append(file)
        if self.half and self.half["sha256"] == file.sha256:
            self.half = None
        return len(self._records) >= PAGE_ROWS or len(self._files) >= PAGE_FILES

    def page(self, state: State, watermark: datetime | None = None) -> Page:
        records, files = self._records, self._files
        self._records, self._files = [], []
        return Page(records, state, _origin(records, files), datetime.now(UTC), watermark, files)


def _origin(records: list[Record], files: list[LoadedFile]) -> str:
    if records:
        return records[0].origin if len(records) == 1 else f"{records[0].origin} to {records[-1].origin}"
    return ", ".join(file.name for file in files[:3]) or "nothing new"


def _complete_up_to(listed: set[RemoteFile], done: set[RemoteFile], markers: list[int]) -> datetime | None:
    """The newest time of change before that of every file that is not in."""
    missing = min((file.modified for file in listed - done), default=None)
    times = [*(file.modified for file in done), *markers]
    newest = max((time for time in times if missing is None or time < missing), default=None)
    return None if newest is None else datetime.fromtimestamp(newest, UTC)


def _settle_seconds(context: Context) -> float:
    place, options = f"pipeline.yml, sources.{context.source}.options", context.settings.options
    if unknown := sorted(options.keys() - {"settle_seconds"}):
        raise SettingsError(f"{place}: there is no option {', '.join(unknown)}; there is settle_seconds.")
    value = options.get("settle_seconds", SETTLE_SECONDS)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 600:
        raise SettingsError(f"{place}.settle_seconds: {value!r} is no number of seconds from 0 to 600.")
    return float(value)
