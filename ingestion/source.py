"""What a source is to the loop: streams that read pages, each page with the bookmark that comes after it.

A source is one file in ingestion/sources with a class `Source(BaseSource)`. Most streams are windowed: derive them
from `WindowedStream` (ingestion/window.py) and write only `pages`; the others (files, for one) write `read`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ingestion.inventory import Changed, Item, NotReconcilable
from settings import SourceSettings
from warehouse.batch import LoadedFile
from warehouse.known import Known

if TYPE_CHECKING:
    from ingestion.window import BackfillPage, Window

State = dict[str, Any]


class Record(NamedTuple):
    """One record, its bytes as the source sent them.

    `version` and `deleted` are set only where the bytes do not tell them (a Stripe object's time is its event's),
    `origin` where the page's is not exact enough (a line of a file), `key` where it comes beside the bytes.
    """

    data: bytes
    version: datetime | None = None
    deleted: bool = False
    origin: str = ""
    key: str = ""


@dataclass(slots=True)
class Page:
    """What one read brought, and the stream's whole bookmark once it is kept.

    `origin` says where it came from (address and cursor, or file and line) for the quarantine. `watermark` is set on
    the page that ends a window: everything the source had up to then is in. `files` are those that the page ends
    (small ones share a page).
    """

    records: list[Record]
    state: State
    origin: str
    extracted_at: datetime
    watermark: datetime | None = None
    files: Sequence[LoadedFile] = ()


@dataclass(slots=True)
class Context:
    """What the loop lends a stream: its settings, and what the warehouse has of it.

    `known` answers which files and objects are loaded and what stands for a record; it is None outside of a sync, a
    backfill and a reconciliation.
    """

    source: str
    settings: SourceSettings
    known: Known | None = None


class Stream(ABC):
    """One raw table. `key` is the field that names a record; `version_field` the source's own time of its version.

    For a reconciliation: `in_files` when files are compared instead of records, `about_others` when its records name
    those of other streams that raw must have too, `forgets` when its source keeps records for a time only,
    `refetch_at_once` how many keys `refetched` is given. `key_is_beside`: its records carry their key beside their
    bytes.
    `no_backfill` says why a stream cannot be backfilled; it is empty for one that can.
    """

    name: str
    key: str = "id"
    version_field: str = "updated_at"
    in_files: ClassVar[bool] = False
    about_others: ClassVar[bool] = False
    forgets: ClassVar[bool] = False
    refetch_at_once: ClassVar[int] = 100
    key_is_beside: bool = False
    no_backfill: str = "every sync looks at all that its source has, so there is nothing more to be read"

    def __init__(self, context: Context):
        self.context = context

    @abstractmethod
    def read(self, state: State) -> Iterator[Page]:
        """Go on from `state` ({} at the very first run) to the end of what there is now, a page at a time."""

    def key_of(self, record: dict[str, Any]) -> str:
        """The record's key, empty when it has none that can serve."""
        value = record.get(self.key)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

    def version_of(self, record: dict[str, Any]) -> datetime:
        """The source's time of this version; raises ValueError with a reason when it cannot be told."""
        return parse_time(record[self.version_field], self.version_field)

    def is_deleted(self, record: dict[str, Any]) -> bool:
        return False

    def backfill(self, window: Window, cursor: Any, as_of: datetime) -> Iterator[BackfillPage]:
        """What the source has of the window, from `cursor` (None: from its start) on, and each record's version.

        `as_of` is the source's clock, a little before the window was first read; it stays when the window goes on
        in a later run. No version may win over what the daily sync learns after it. A stream that can be backfilled
        writes this, and leaves `no_backfill` empty.
        """
        raise NotImplementedError(f"{self.name}: {self.no_backfill}")

    def inventory(self, start: datetime | None, end: datetime) -> Iterator[Item | Changed]:
        """Everything the source has now that was created from `start` (None: ever) to `end`, as cheaply as it tells.

        A stream that can be reconciled writes this, and `item_of` and `refetched` unless it is `in_files`.
        """
        raise NotReconcilable(f"{self.context.source}.{self.name}", "its source does not list it")

    def item_of(self, record: bytes) -> Item | None:
        """The same of a record that raw holds; None when its bytes do not tell."""
        raise NotImplementedError(f"{self.name} has an inventory and no item_of")

    def refetched(self, keys: Sequence[str], end: datetime) -> Iterator[Record]:
        """These records as they are now, in versions that win over what was known up to `end`; not those gone.

        A version that raw's deletion of the record would win over is raised above it.
        """
        raise NotImplementedError(f"{self.name} has an inventory and no refetched")


class BaseSource(ABC):
    """A system that data come from. Built once a run; `streams` maps a stream's name to its class."""

    streams: ClassVar[dict[str, type[Stream]]]

    def __init__(self, context: Context):
        self.context = context

    @classmethod
    def stream_names(cls, settings: SourceSettings) -> Collection[str]:
        """The streams that there are; a source whose streams are declared in pipeline.yml reads them there."""
        return cls.streams

    @abstractmethod
    def stream(self, name: str) -> Stream:
        """The stream `name`, ready to be read."""

    def close(self) -> None:
        """Let go of connections."""


def parse_time(value: object, name: str) -> datetime:
    """An aware UTC time from ISO 8601 text or Unix seconds; raises ValueError that names the field."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if not isinstance(value, str):
            raise ValueError(f"{name}: a time is expected, not {type(value).__name__}")
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{name}: {value!r} is not an ISO 8601 time") from None
        if parsed.tzinfo is None:
            raise ValueError(f"{name}: {value!r} has no time zone")
        return parsed.astimezone(UTC)
    except (OverflowError, OSError):
        raise ValueError(f"{name}: {value!r} is outside the years 1 to 9999") from None
