"""How many webhooks came: counted in memory, and kept in ops.webhook_inboxes now and then.

A flood of forged deliveries must not become a flood of writes. A receiver that is killed forgets the last minute.
"""

from __future__ import annotations

from collections.abc import Iterable

from warehouse.connection import connect

ADD = """
insert into ops.webhook_inboxes as i (source, received, signatures_rejected) values (%s, %s, %s)
on conflict (source) do update
set received = i.received + excluded.received,
  signatures_rejected = i.signatures_rejected + excluded.signatures_rejected
"""


class Tally:
    """Of the given sources, since the receiver began. One thread counts, another keeps."""

    def __init__(self, sources: Iterable[str]):
        self._received = dict.fromkeys(sources, 0)
        self._rejected = dict.fromkeys(self._received, 0)
        self._kept: dict[str, tuple[int, int]] = {}

    def received(self, source: str) -> None:
        """An event that was not there before."""
        self._received[source] += 1

    def rejected(self, source: str) -> None:
        """A delivery whose signature does not hold."""
        self._rejected[source] += 1

    def keep(self, url: str | None = None) -> None:
        """Add what is new to the warehouse's counts; a source's first time makes its row, be it of zeros.

        Raises HeadwaterError and psycopg.Error; what could not be kept is kept the next time.
        """
        for source in self._received:
            seen = (self._received[source], self._rejected[source])
            before = self._kept.get(source)
            if seen == before:
                continue
            with connect("loader", url=url, application="headwater webhooks") as connection:
                old = before or (0, 0)
                connection.execute(ADD, (source, seen[0] - old[0], seen[1] - old[1]))
            self._kept[source] = seen
