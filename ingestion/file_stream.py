"""Streams that come as CSV files in a folder. A file is its content (SHA-256), not its name.

A file is taken when it is complete: its marker NAME.done is there (and not older than the file), or its size and time
of change stood still between two listings. It is fetched to a temporary file and checked whole before its first row
is given; a file that is broken gives nothing, the others go on, and the run fails at its end with the file's name.

The bookmark: `file` is the file that a page ended within, and how many of its rows are in; `same` are the newest
listings (name, size, time) of files whose content had been loaded under another name or time, so that they need not
be fetched again. Which files are loaded is known from ops.files. Where a row's version is its file's time, `contents`
are the contents last loaded under the newest names: a file that went back to an earlier content is loaded again.

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
from typing import Any, BinaryIO, cast

from ingestion import csv_files
from ingestion.file_pages import FilePages
from ingestion.files import BrokenFile, FetchFailed, complete_up_to
from ingestion.folder import (
    CompleteFile,
    Fetched,
    Place,
    RemoteFile,
    is_csv,
    is_other,
    look,
    newest_marker,
)
from ingestion.inventory import Item
from ingestion.source import Context, Page, Record, State, Stream
from settings import HeadwaterError, SettingsError
from warehouse.batch import LoadedFile
from warehouse.known import Known

PAGE_ROWS = 1_000
SETTLE_SECONDS = 2.0
REMEMBERED = 500
NAMED_PROBLEMS = 5
IN_MEMORY_BYTES = 1_000_000

log = logging.getLogger(__name__)


class CsvStream(Stream):
    """Derive, and set `folder` and the `columns` that a header must have (it may have more, in any order).

    `beside` are other folders of the same sender, whose markers show how far it has come; `written` is the files'
    format. `by_file_time`: a row's version is its file's time of change, for files whose rows have none.
    """

    folder: str
    beside: Collection[str] = ()
    columns: Collection[str]
    written: csv_files.Format = csv_files.PLAIN
    by_file_time: bool = False
    in_files = True

    def __init__(self, context: Context, place: Place, settle: float):
        super().__init__(context)
        self._place, self._settle, self._known = place, settle, cast(Known, context.known)
        self._same: list[RemoteFile] = []
        self._watermark: str | None = None
        self._given: set[str] = set()  # of this run: what is not committed yet is not in ops.files
        self._contents: dict[str, str] = {}

    def takes(self, name: str) -> bool:
        """Whether a file of this name is the stream's."""
        return is_csv(name)

    def is_stray(self, name: str) -> bool:
        """Whether a file of this name is no stream's at all, which is worth a warning."""
        return is_other(name)

    def read(self, state: State) -> Iterator[Page]:
        half = state.get("file")
        self._same = [RemoteFile(*entry) for entry in state.get("same", ())]
        self._watermark = state.get("watermark")
        self._contents = dict(state.get("contents", {}))
        # Before our own folder: what is written to it after this look is not known to be in.
        times = [newest_marker(self._place.listing(folder)) for folder in self.beside]
        found = look(self._place, self.folder, self._settle, self._loaded, self.takes, self.is_stray)
        # A file that an earlier run left within its rows comes first; then the oldest.
        name = half["name"] if half else None
        found.complete.sort(key=lambda it: (self._path(it.listed) != name, it.listed.modified, it.listed.name))
        pages, done, problems = FilePages(half, PAGE_ROWS), set(found.known), list[str]()
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
        seen = [*(file.modified for file in done), *(time for time in times if time is not None)]
        newest = complete_up_to([file.modified for file in found.listed - done], seen)
        watermark = None if newest is None else datetime.fromtimestamp(newest, UTC)
        self._watermark = watermark.isoformat() if watermark else None
        yield from pages.last(self._bookmark(pages.half), watermark, state)
        if problems:
            raise HeadwaterError(
                f"{len(problems)} file(s) of {self.context.source}.{self.name} are broken and nothing of them is in:"
                f" {'; '.join(problems[:NAMED_PROBLEMS])}. Every other file is; have these sent again."
            )

    def _file(self, file: CompleteFile, pages: FilePages) -> Iterator[Page]:
        """Fetch, check and give one file; the pages that it fills."""
        path = self._path(file.listed)
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as temporary:
            content = cast(BinaryIO, temporary)
            fetched = self._place.fetch(self.folder, file.listed.name, content)
            if not file.is_whole(fetched):
                raise _Changing
            known = fetched.sha256 in self._given or self._known.has_content(fetched.sha256)
            if known:
                self._same = [*self._same, fetched.before][-REMEMBERED:]
                if not self._went_back(path, fetched):
                    return
            total, written = csv_files.check(content, path, self.columns, self.written)
            self._given.add(fetched.sha256)
            done, modified = pages.begin(fetched.sha256), self._time_of(fetched, pages)
            version = datetime.fromtimestamp(modified, UTC) if self.by_file_time else None
            for row in csv_files.rows(content, path, written, skip=done):
                done += 1
                if pages.add(Record(row.data, version, origin=f"{path}, line {row.line}")) and done < total:
                    pages.half = {"sha256": fetched.sha256, "name": path, "rows": done, "modified": modified}
                    yield pages.page(self._bookmark(pages.half))
        if self.by_file_time:
            self._contents.pop(path, None)
            self._contents = dict([*self._contents.items(), (path, fetched.sha256)][-REMEMBERED:])
        # As it was when it was opened: should the listing have been of another content, that is fetched next time.
        modified_at = datetime.fromtimestamp(fetched.before.modified, UTC)
        loaded = LoadedFile(fetched.sha256, path, fetched.before.size, modified_at, total)
        if pages.end(loaded, is_new=not known):
            yield pages.page(self._bookmark(pages.half))

    def _time_of(self, fetched: Fetched, pages: FilePages) -> int:
        """The file's time of change; that of its first rows when they are in already."""
        half = pages.half or {}
        same = half.get("sha256") == fetched.sha256
        return int(half.get("modified", fetched.before.modified)) if same else fetched.before.modified

    def _went_back(self, path: str, fetched: Fetched) -> bool:
        """Whether another content was loaded under this name since this one was: then its rows are newer versions."""
        return self._contents.get(path, fetched.sha256) != fetched.sha256

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item]:
        """Complete files by their times of change; not one whose content is loaded under another name or time."""
        found = look(self._place, self.folder, self._settle, self._loaded, self.takes, self.is_stray)
        unknown = {file.listed for file in found.complete}
        for file in sorted(found.known | unknown):
            modified_at = datetime.fromtimestamp(file.modified, UTC)
            if modified_at > end or (start and modified_at < start) or (file in unknown and self._has_content(file)):
                continue
            yield Item(self._path(file), modified_at, file.size)

    def _has_content(self, file: RemoteFile) -> bool:
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as temporary:
            fetched = self._place.fetch(self.folder, file.name, cast(BinaryIO, temporary))
            return self._known.has_content(fetched.sha256)

    def _bookmark(self, half: dict[str, Any] | None) -> State:
        state = {"file": half, "same": [list(file) for file in self._same], "watermark": self._watermark}
        return {**state, "contents": self._contents} if self.by_file_time else state

    def _path(self, file: RemoteFile) -> str:
        return f"{self.folder}/{file.name}".lstrip("/")

    def _loaded(self, files: Iterable[RemoteFile]) -> set[RemoteFile]:
        listed = {(self._path(file), file.size, file.modified): file for file in files}
        found = self._known.loaded_files([path for path, _, _ in listed])
        loaded = {listed.get((path, size, int(modified_at.timestamp()))) for path, size, modified_at in found}
        return {file for file in loaded if file} | (set(self._same) & set(listed.values()))


class _Changing(Exception):
    """Somebody wrote to a file while it was fetched."""


def settle_seconds(context: Context) -> float:
    """The option of that name, for a source that has no other."""
    place, options = f"pipeline.yml, sources.{context.source}.options", context.settings.options
    if unknown := sorted(options.keys() - {"settle_seconds"}):
        raise SettingsError(f"{place}: there is no option {', '.join(unknown)}; there is settle_seconds.")
    value = options.get("settle_seconds", SETTLE_SECONDS)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 600:
        raise SettingsError(f"{place}.settle_seconds: {value!r} is no number of seconds from 0 to 600.")
    return float(value)
