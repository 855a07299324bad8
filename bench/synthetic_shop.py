"""A shop of any size in raw, without a sync: Postgres writes its documents itself (synthetic_shop.sql)."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

DEFINITIONS = Path(__file__).with_suffix(".sql")
# Everything that a mart reads. What is pending or refunded changes three days later, as a new version.
STREAMS = (
    "shopify_products",
    "shopify_customers",
    "shopify_orders",
    "uploads_product_costs",
    "stripe_charges",
    "stripe_refunds",
    "stripe_balance_transactions",
    "stripe_payouts",
    "email_campaigns",
    "email_events",
    "google_analytics_events",
)
SPAN = 50  # days that are written at once: no stream is so much larger that a core waits for it
# Loaded in the night after: what came within minutes staging would read again.
FILL = """
insert into raw.{stream}
  (record_key, record_version, content_hash, source_data, _load_id, _load_timestamp, _extracted_at)
select key, version, sha256(document::text::bytea), document, {load}, version::date + interval '26 hours', now()
from synthetic.{stream}({first}, {last})
"""


@dataclass
class SyntheticShop:
    """`orders`, `sessions` (web, 3.7 events each) a day; a mail to `recipients` a week; loaded up to `last_day`.

    Half the orders are new customers', so there are half as many customers as orders.
    """

    url: str
    first_day: date
    orders: int
    sessions: int
    recipients: int
    products: int = 200
    last_day: date = date.min

    def open(self) -> None:
        """Into a migrated, empty warehouse. Nothing is loaded yet."""
        self.last_day = self.first_day - timedelta(days=1)
        size = (self.first_day, self.orders, self.sessions, self.recipients, self.products)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(DEFINITIONS.read_bytes())
            connection.execute("insert into synthetic.shop values (%s, %s, %s, %s, %s)", size)

    def load(self, days: int = 1) -> None:
        """What every source has to say of the next days, the changes of days before included."""
        first, self.last_day = self.last_day + timedelta(days=1), self.last_day + timedelta(days=days)
        load = sql.Literal(uuid.uuid4())
        spans = [
            (day, min(day + timedelta(days=SPAN - 1), self.last_day))
            for day in (first + timedelta(days=each) for each in range(0, days, SPAN))
        ]
        months = [self.first_day, *(first + timedelta(days=each) for each in range(days + 1))]

        def fill(stream: str, span: tuple[date, date]) -> None:
            names = {"stream": sql.Identifier(stream), "load": load, "first": span[0], "last": span[1]}
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(sql.SQL(FILL).format(**names))

        with psycopg.connect(self.url, autocommit=True) as connection:
            for stream in STREAMS:
                connection.execute("select raw.make_months(%s, %s::timestamptz[])", (stream, months))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fill, *zip(*((stream, span) for span in spans for stream in STREAMS), strict=True)))

    def settle(self) -> None:
        """As a warehouse is that has stood for a while: vacuumed, with statistics, its pages written."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("vacuum analyze")
            connection.execute("checkpoint")
