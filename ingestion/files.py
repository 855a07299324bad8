"""What all sources of files share: how one can fail, a place to keep it in, and up to when all of them are in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import BinaryIO, TypeVar

from settings import HeadwaterError

Time = TypeVar("Time", int, datetime)


class BrokenFile(HeadwaterError):
    """A file that is not whole or not of its format; nothing of it may be loaded. Names the file and the line."""


class FetchFailed(HeadwaterError):
    """One file could not be fetched whole, though its place can be reached."""


def keep(into: BinaryIO, chunk: bytes) -> None:
    """Write to a temporary file; raises HeadwaterError, since another try to fetch would not help."""
    try:
        into.write(chunk)
    except OSError as error:
        raise HeadwaterError(f"A file cannot be kept for a while in the temporary folder: {error.strerror}.") from error


def complete_up_to(missing: Iterable[Time], present: Iterable[Time]) -> Time | None:
    """The newest of the present files' (and markers') times of change that is before those of all that are missing."""
    first = min(missing, default=None)
    return max((time for time in present if first is None or time < first), default=None)
