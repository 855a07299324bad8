"""Which files of a folder that somebody else writes are complete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ingestion.sftp import Fetched, RemoteFile, SftpFolder

SUFFIXES = (".csv", ".csv.gz")
MARKER = ".done"
IGNORED = (MARKER, ".part", ".tmp", ".filepart")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CompleteFile:
    """A listed file that may be taken; `marked_at` is the time of its marker, None for one that stood still."""

    listed: RemoteFile
    marked_at: int | None

    def is_whole(self, fetched: Fetched) -> bool:
        """Whether what was fetched is what was found complete: nobody wrote to it meanwhile."""
        if fetched.before != fetched.after:
            return False
        if self.marked_at is None:
            return fetched.before == self.listed
        return fetched.before.modified <= self.marked_at


@dataclass(slots=True)
class Look:
    """What the folder showed: every data file, those of them that are in already, those that may be taken.

    `marked_at` is the time of the newest marker.
    """

    listed: set[RemoteFile]
    known: set[RemoteFile]
    marked_at: int | None
    complete: list[CompleteFile] = field(default_factory=list)


def look(
    server: SftpFolder, folder: str, settle: float, loaded: Callable[[Iterable[RemoteFile]], set[RemoteFile]]
) -> Look:
    """List `folder`; when a new file has no marker, list it again after `settle` seconds to see it stand still.

    `loaded` gives those of the files that are loaded as they are listed.
    """
    first = server.listing(folder)
    listed = _data_files(first)
    found = Look(listed, loaded(listed), newest_marker(first))
    new = {file.name for file in found.listed - found.known}
    marked = _marked(first, new)
    if len(marked) < len(new):
        server.wait(settle)
        second = server.listing(folder)
        marked = _marked(second, new) | marked
        still = {file for file in listed & _data_files(second) if file.name in new - marked.keys()}
        found.complete = [CompleteFile(file, None) for file in still]
    found.complete += marked.values()
    if waiting := sorted(new - {file.listed.name for file in found.complete}):
        log.info("%s: still being written, left for the next run: %s", folder, ", ".join(waiting))
    return found


def newest_marker(listing: Iterable[RemoteFile]) -> int | None:
    return max((file.modified for file in listing if file.name.endswith(MARKER)), default=None)


def _data_files(listing: Iterable[RemoteFile]) -> set[RemoteFile]:
    data = set()
    for file in listing:
        if file.name.startswith(".") or file.name.endswith(IGNORED):
            continue
        if file.name.endswith(SUFFIXES):
            data.add(file)
        else:
            log.warning("%s is no %s file: ignored.", file.name, " or ".join(SUFFIXES))
    return data


def _marked(listing: Iterable[RemoteFile], names: set[str]) -> dict[str, CompleteFile]:
    """By name, the files of these names whose marker is there and not older than they are."""
    times = {file.name: file.modified for file in listing}
    return {
        file.name: CompleteFile(file, marked_at)
        for file in listing
        if file.name in names
        and (marked_at := times.get(file.name + MARKER)) is not None
        and file.modified <= marked_at
    }
