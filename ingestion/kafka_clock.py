"""The versions of a partition's messages, from their timestamps.

Kafka's timestamps are whole milliseconds of the producers' clocks (or of the broker's); several messages of a key can
have one, and two producers' clocks differ. What a partition promises is the order of its log. So a message that is not
newer than the newest before it, but by less than a second, comes right after it: a microsecond later. One that is
older than that is late, and stays so; its offset then tells late ones of the same millisecond apart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SAME_TIME_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PartitionClock:
    """`newest` is the highest version given so far, in microseconds since 1970; it is part of the bookmark."""

    def __init__(self, newest: int | None = None):
        self.newest = newest

    def version(self, milliseconds: int, offset: int) -> datetime | None:
        """The version of the message at `offset`; None when its timestamp is no time (missing, or after 9999)."""
        stamp = milliseconds * 1000
        if self.newest is None or stamp > self.newest:
            version = stamp
        elif self.newest - stamp < SAME_TIME_US:
            version = self.newest + 1
        else:
            version = stamp + offset % 1000
        if milliseconds < 0 or (found := _time(version)) is None:
            return None
        self.newest = version if self.newest is None else max(self.newest, version)
        return found

    def time(self) -> datetime | None:
        return None if self.newest is None else _time(self.newest)


def _time(microseconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
