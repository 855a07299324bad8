"""What moved a balance, by the source's list of its movements, against what raw's records say that they moved.

Amounts are in the smallest unit of their currency, and compared in the balance's. Where a record's currency is another
one, it is converted by the movement's exchange rate, which is given with so many decimals and no more: both may differ
by what that rounding leaves open, and by half a unit. A record that moved the balance more than once, each time at
another rate, cannot be told so and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

TABLE = """
create temporary table movements (
  stream text, key text, currency text, unit numeric, day date, amount numeric, rate numeric, times bigint,
  newest timestamptz, primary key (stream, key, currency)
)
"""
NOTE = """
insert into movements
select of_stream, of_key, moved_currency, max(moved_unit), min(day), sum(moved), max(moved_rate), count(*),
  max(created_at)
from at_source where of_key is not null and moved is not null group by 1, 2, 3
"""
# Only what both sides were read up to: no movement that is younger than the records, no record younger than the list.
COMPARED = """
select r.key, coalesce(m.day, r.day) as day, coalesce(m.currency, r.moved_currency) as currency,
  coalesce(m.amount, 0) as amount,
  case
    when m.key is null or m.currency = r.moved_currency then r.moved
    when abs(m.amount - own.converted) <= 0.5 + own.open then m.amount
    else round(own.converted)
  end as told
from in_raw r
left join movements m on m.stream = %(stream)s and m.key = r.key
cross join lateral (
  select r.moved * r.moved_unit / m.unit * m.rate as converted,
    abs(r.moved) * r.moved_unit / m.unit * 0.5 * power(10::numeric, -scale(m.rate)) as open
) as own
where not r.deleted and r.moved is not null and r.version <= %(listed)s
  and (m.key is null or m.newest <= %(end)s)
  and (m.key is null or m.currency = r.moved_currency or (m.times = 1 and m.rate is not null))
"""


class Balance:
    """Works on the tables of an `Inventories` and its connection."""

    def __init__(self, connection: psycopg.Connection):
        self._connection = connection
        self._about: dict[str, Any] = {}
        self._listed: datetime | None = None
        connection.execute(TABLE)

    def note(self, end: datetime) -> None:
        """Keep what the listed movements (all up to `end`) were about and came to."""
        if self._connection.execute(NOTE).rowcount:
            self._listed = end

    def find(self, stream: str, end: datetime) -> None:
        """Note the keys of raw's records that moved the balance otherwise than they say, as different."""
        self._about = {"stream": stream, "end": end, "listed": self._listed}
        self._connection.execute(
            f"insert into wanted select distinct key, 'differing' from ({COMPARED}) as compared"
            " where amount <> told on conflict do nothing".encode(),
            self._about,
        )

    def still_off(self, keys: Sequence[str]) -> list[str]:
        rows = self._connection.execute(
            f"select distinct key from ({COMPARED}) as compared where amount <> told and key = any(%(keys)s)".encode(),
            {**self._about, "keys": list(keys)},
        ).fetchall()
        return [key for (key,) in rows]

    def days(self) -> list[tuple[Any, ...]]:
        """(day, kind, currency, records, amount moved, records, amount that raw says) of days with a difference."""
        return self._connection.execute(
            f"select day, 'balance', currency, count(*), sum(amount), count(*), sum(told) from ({COMPARED}) as compared"
            " group by day, currency having bool_or(amount <> told) order by 1, 3".encode(),
            self._about,
        ).fetchall()
