"""A warehouse as it stands after a month of deliveries: the newest published, one source stale, some quarantine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from quality.scorecard import write_scorecard
from settings import load_pipeline
from tests.quality.seeds import arrive, new_candidate, new_delivery, record_dbt
from warehouse.publish import publish

HISTORY = """
insert into marts_candidate.daily_sales_by_region (day, region, orders, subscriber_orders, units, gross_sales,
  discounts, returns, net_sales, taxes, shipping, total_sales, average_order_value, median_order_value, currency)
select day::date, region, orders, orders / 3, orders * 2, gross, gross * 0.06, returns, gross * 0.94 - returns,
  gross * 0.17, orders * 4.9, gross * 1.11 - returns + orders * 4.9, gross * 0.94 / orders, gross * 0.9 / orders, 'EUR'
from (
  select day, region, orders, orders * (38 + extract(isodow from day)) as gross, orders * 2.4 as returns
  from generate_series(%(last)s::date - 29, %(last)s::date, interval '1 day') as day,
    (values ('EU', 26), ('United Kingdom', 7), ('North America', 10), ('Rest of world', 4)) as regions (region, size),
    lateral (select size + (size * 0.6 * abs(sin(extract(doy from day) * 0.9 + size)))::int as orders) as counts
) as days
"""
SCORES = """
insert into ops.scorecards (day, metric, value, unit, status)
select day::date, 'quality_score', 100 - 9 * abs(sin(extract(doy from day) * 0.55)), 'percent', 'good'
from generate_series(%(last)s::date - 29, %(last)s::date - 1, interval '1 day') as day
where extract(day from day) <> 17
"""
REJECT = """
insert into ops.quarantine (source, stream, record_key, record, content_hash, errors, origin, load_id)
select source, stream, 'k' || number, 'x', decode(md5(source || number), 'hex'),
  array[case when number % 3 = 0 then '/totalPriceSet/shopMoney/amount: the value is not of type "string"'
        else '/email: <b>"nobody"</b> is not an "email"' end], 'page', load_id
from ops.loads, generate_series(1, case source when 'shopify' then 7 else 2 end) as number
where stream in ('orders', 'events')
"""
WEBHOOKS = """
insert into ops.webhook_inboxes values ('stripe', 120, 3);
insert into ops.webhook_streams (source, stream, since, missed) values ('stripe', 'charges', now() - interval '1 d', 4);
insert into ops.webhook_events (source, event_id, topic, occurred_at, body, headers, streams, received_at, status)
values
  ('stripe', 'evt_1', 'charge.captured', now(), 'b', '{}', '{charges}', now() - interval '2 h', 'pending'),
  ('stripe', 'evt_2', 'charge.refunded', now(), 'b', '{}', '{charges,refunds}', now() - interval '1 h', 'pending'),
  ('stripe', 'evt_3', 'charge.captured', now(), 'b', '{}', '{charges}', now() - interval '4 d', 'failed'),
  ('shopify', 'w-1', 'customers/redact', now(), 'b', '{}', '{}', now() - interval '9 d', 'pending')
"""
RECONCILED = """
insert into ops.reconciliations (reconciliation_id, source, stream, window_end, at_source, in_raw, missing, differing,
  repaired, only_in_raw, in_quarantine, details, finished_at, not_reconcilable)
values
  (gen_random_uuid(), 'stripe', 'charges', now(), 900, 900, 0, 0, 0, 0, 0, '{}', now() - interval '8 d', null),
  (gen_random_uuid(), 'stripe', 'charges', now(), 1000, 995, 5, 2, 6, 0, 0, '{}', now() - interval '1 d', null),
  (gen_random_uuid(), 'shopify', 'orders', now(), 500, 497, 3, 0, 3, 0, 0, '{}', now() - interval '1 d', null),
  (gen_random_uuid(), 'email', 'events', now(), 0, 0, 0, 0, 0, 0, 0, '{}', now() - interval '1 d', 'it has no list'),
  (gen_random_uuid(), 'gone', 'orders', now(), 9, 0, 9, 0, 0, 0, 0, '{}', now() - interval '90 d', null)
"""
BACKFILLS = """
insert into ops.backfills (backfill_id, source, stream, range_start, range_end, windows)
values
  (md5('open')::uuid, 'shopify', 'orders', '2024-01-01 Europe/Berlin', '2024-02-01 Europe/Berlin', 4),
  (md5('done')::uuid, 'shopify', 'orders', '2023-01-01', '2023-02-01', 1);
insert into ops.backfill_windows (backfill_id, number, window_start, window_end, status)
select md5('open')::uuid, number, '2024-01-01', '2024-02-01',
  (array['done', 'done', 'failed', 'pending'])[number] from generate_series(1, 4) as number;
insert into ops.backfill_windows (backfill_id, number, window_start, window_end, status)
values (md5('done')::uuid, 1, '2023-01-01', '2023-02-01', 'done');
insert into ops.runs (run_id, source, stream, kind, status, finished_at, backfill_id, window_number)
values (gen_random_uuid(), 'shopify', 'orders', 'backfill', 'failed', now() + interval '1 h', md5('open')::uuid, 3)
"""


@pytest.fixture(scope="module")
def delivered(request: pytest.FixtureRequest, new_warehouse: Callable[[str], str]) -> str:
    """Its URL. Each module has its own: ages are told in minutes, and other tests may run between two modules."""
    url = new_warehouse(f"delivered_for_{request.module.__name__.rpartition('.')[2]}")
    now = datetime.now(UTC)
    pipeline = load_pipeline()
    last = now.astimezone(pipeline.shop.zone).date() - timedelta(days=1)
    with psycopg.connect(url, autocommit=True) as database:
        for source, block in pipeline.sources.items():
            age = timedelta(hours=40) if source == "email" else timedelta(hours=3)
            for stream in block.streams:
                rejected = {"orders": 7, "events": 2}.get(stream, 0)
                arrive(database, source, stream, at=now - age, received=500, rejected=rejected)
        database.execute(REJECT)
        database.execute(WEBHOOKS)
        database.execute(RECONCILED)
        database.execute(BACKFILLS)
        new_candidate(url)
        database.execute("truncate marts_candidate.daily_sales_by_region")
        database.execute(HISTORY, {"last": last})
        database.execute(SCORES, {"last": last})
        delivery = new_delivery(url, day=last, as_of=now - timedelta(hours=3))
        database.execute(
            "update ops.deliveries set status = 'passed', stale_sources = '{email}' where delivery_id = %s", (delivery,)
        )
    record_dbt(url, delivery)
    publish(delivery, url)
    write_scorecard(delivery, url)
    return url
