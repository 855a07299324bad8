"""Streams whose objects can be fetched one by one, and the events that tell which have changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar, NamedTuple

from ingestion.source import Record


class Change(NamedTuple):
    """An object that an event told of: the event's time by the source's clock, and the event.

    `deletes`: the event says that the object is gone.
    """

    object_id: str
    changed_at: datetime
    event: bytes
    deletes: bool = False


class Refetching(ABC):
    """`topics` are the kinds of event that tell of this stream's objects, as the source names them."""

    topics: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @abstractmethod
    def change_of(cls, topic: str, event: bytes, occurred_at: datetime) -> Change | None:
        """The object of this stream that the event tells of; raises ValueError or HeadwaterError when it is broken.

        The object's id is the key under which raw knows it.
        """

    @abstractmethod
    def fetched(self, change: Change) -> Record | None:
        """The object as it is now, the same bytes as polling brings; None when the source does not show it."""
