"""The range of a backfill: what people write for its ends, and the windows that it is cut into."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from settings import HeadwaterError

MOST_WINDOWS = 10_000


def moment(text: str, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """A day (its start, or its end) or a time, in the shop's time zone when it has no offset, as UTC.

    Raises HeadwaterError that says what may be written.
    """
    try:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            found = datetime.fromisoformat(text)
        else:
            found = datetime.combine(day + timedelta(days=end), time())
        found = found if found.tzinfo else found.replace(tzinfo=zone)
        return found.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise HeadwaterError(
            f"{text!r} is no day and no time; write 2026-03-01, 2026-03-01T06:00 or 2026-03-01T06:00+02:00."
        ) from None


def cut(start: datetime, end: datetime, windows: int) -> list[datetime]:
    """The bounds of that many windows of the same length, in UTC at whole seconds: one more than there are windows.

    A window ends where the next begins and both include that moment: what lies on it is read twice and changes
    nothing. Raises HeadwaterError when the range does not hold them.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    seconds = int((end - start).total_seconds())
    if seconds <= 0:
        raise HeadwaterError(f"The range from {start:%Y-%m-%d %H:%M:%SZ} to {end:%Y-%m-%d %H:%M:%SZ} is empty.")
    if not 1 <= windows <= min(MOST_WINDOWS, seconds):
        raise HeadwaterError(
            f"{windows} windows cannot be cut from this range; give a number from 1 to {min(MOST_WINDOWS, seconds)}."
        )
    return [start + timedelta(seconds=seconds * place // windows) for place in range(windows)] + [end]
