"""Any number of Stripe charges, made as they are asked for: the pretend shop's charges are the moulds.

Nothing is kept but the moulds, so two million charges take no more memory than a hundred. A charge's place (0 is the
newest) gives its number, its time and its bytes; the same place gives the same bytes every time.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import date
from itertools import islice

from mock_apis.stripe.charges import charge
from mock_apis.stripe.ledger import Ledger
from mock_apis.world.world import World

MOULDS = 128
IDENT = "3Q{:010d}hwDemo"  # what stands behind "ch_", "pi_", "pm_" in the pretend shop's ids
DAY, DAYS = 86_400, 365


class Charges:
    """`total` charges evenly over the `days` before `end` (Unix seconds), oldest number 1, listed newest first."""

    def __init__(self, total: int, end: int, days: int = DAYS):
        self.total, self._end, self._span = total, end, days * DAY
        self._moulds = _moulds()

    def page(self, query: Mapping[str, str]) -> bytes:
        """A list object as Stripe answers GET /v1/charges. Raises KeyError when `starting_after` is no charge."""
        first, last = self._places(query)
        if after := query.get("starting_after"):
            first = max(first, self.place(after) + 1)
        stop = min(last, first + int(query.get("limit", 10)))
        found = b",".join(map(self.render, range(first, stop)))
        more = b"true" if stop < last else b"false"
        return b'{"object":"list","data":[%b],"has_more":%b,"url":"/v1/charges"}' % (found, more)

    def render(self, place: int) -> bytes:
        number = self.total - place
        return self._moulds[number % len(self._moulds)] % {b"number": number, b"created": self._created(place)}

    def place(self, charge_id: str) -> int:
        """Where the charge of this id stands. Raises KeyError when there is none."""
        digits = charge_id[5:15]
        if not digits.isdigit() or charge_id != f"ch_{IDENT.format(int(digits))}":
            raise KeyError(charge_id)
        place = self.total - int(digits)
        if not 0 <= place < self.total:
            raise KeyError(charge_id)
        return place

    def _created(self, place: int) -> int:
        return self._end - place * self._span // self.total

    def _places(self, query: Mapping[str, str]) -> tuple[int, int]:
        """The first place, and the one after the last, that the bounds of `created` leave."""
        first, last = 0, self.total
        every = range(self.total)

        def age(place: int) -> int:  # grows with the place, as bisecting needs
            return -self._created(place)

        for name, value in query.items():
            if name == "created[lte]":
                first = max(first, bisect_left(every, -int(value), key=age))
            elif name == "created[lt]":
                first = max(first, bisect_right(every, -int(value), key=age))
            elif name == "created[gte]":
                last = min(last, bisect_right(every, -int(value), key=age))
            elif name == "created[gt]":
                last = min(last, bisect_left(every, -int(value), key=age))
        return first, max(first, last)


def _moulds() -> list[bytes]:
    """Charges of the smallest shop (paid, failed, refunded, disputed), with their number and time left open."""
    ledger = Ledger(World(seed=1, size="tiny", today=date(2026, 11, 20)))
    moulds = []
    for number, item in enumerate(islice(ledger.charges.items, MOULDS), start=1):
        shown = charge(ledger, item)
        text = json.dumps(shown, separators=(",", ":"), ensure_ascii=False).replace("%", "%%")
        text = text.replace(IDENT.format(number), IDENT.replace("{:010d}", "%(number)010d"))
        moulds.append(text.replace(f'"created":{shown["created"]}', '"created":%(created)d', 1).encode())
    return moulds
