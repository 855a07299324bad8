"""Which files of a folder that somebody else writes are complete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple, Protocol

SUFFIXES = (".csv", ".csv.gz")
MARKER = ".done"
IGNORED = (MARKER, ".part", ".tmp", ".filepart")

log = logging.getLogger(__name__)


class RemoteFile(NamedTuple):
    """A file as a listing shows it. `modified` is the server's time of its last change, in Unix seconds."""

    name: str
    size: int
    modified: int


class Fetched(NamedTuple):
    """What was fetched; `before` and `after` are the file as it stood when it was opened and when it was read."""

    sha256: str
    before: RemoteFile
    after: RemoteFile


class Place(Protocol):
    """Where files come from: an SFTP server (ingestion/sftp.py) or a folder of this machine (local_folder.py).

    Its methods raise HeadwaterError for what is wrong with the place or its settings.
    """

    def listing(self, folder: str) -> list[RemoteFile]:
        """The files in `folder` of this place, by name; raises HeadwaterError when it is not there."""

    def fetch(self, folder: str, name: str, into: BinaryIO) -> Fetched:
        """Write a file's bytes to `into`. Raises FetchFailed; FileNotFoundError when it has gone meanwhile."""

    def wait(self, seconds: float) -> None:
        """Sleep, but not past `close`."""

    def close(self) -> None:
        """Let go of connections."""


def is_csv(name: str) -> bool:
    return name.endswith(SUFFIXES)


def is_other(name: str) -> bool:
    """The names that no stream is expected to take; they are warned of."""
    return not is_csv(name)


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
    place: Place,
    folder: str,
    settle: float,
    loaded: Callable[[Iterable[RemoteFile]], set[RemoteFile]],
    takes: Callable[[str], bool] = is_csv,
    is_stray: Callable[[str], bool] = is_other,
) -> Look:
    """List `folder`; when a new file has no marker, list it again after `settle` seconds to see it stand still.

    `loaded` gives those of the files that are loaded as they are listed; `takes` tells the names that are the
    stream's, `is_stray` those that are nobody's.
    """
    first = place.listing(folder)
    listed = _data_files(first, takes)
    for name in sorted(file.name for file in first if _may_be_data(file.name) and is_stray(file.name)):
        log.warning("%s is a file of no stream: ignored.", f"{folder}/{name}".lstrip("/"))
    found = Look(listed, loaded(listed), newest_marker(first))
    new = {file.name for file in found.listed - found.known}
    marked = _marked(first, new)
    if len(marked) < len(new):
        place.wait(settle)
        second = place.listing(folder)
        marked = _marked(second, new) | marked
        still = {file for file in listed & _data_files(second, takes) if file.name in new - marked.keys()}
        found.complete = [CompleteFile(file, None) for file in still]
    found.complete += marked.values()
    if waiting := sorted(new - {file.listed.name for file in found.complete}):
        log.info("%s: still being written, left for the next run: %s", folder, ", ".join(waiting))
    return found


def newest_marker(listing: Iterable[RemoteFile]) -> int | None:
    return max((file.modified for file in listing if file.name.endswith(MARKER)), default=None)


def _may_be_data(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(IGNORED)


def _data_files(listing: Iterable[RemoteFile], takes: Callable[[str], bool]) -> set[RemoteFile]:
    return {file for file in listing if _may_be_data(file.name) and takes(file.name)}


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
