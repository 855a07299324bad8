"""Every mart as it would be published: the types of its contract, the rows of the pretend shop's own account.

That dbt builds these very rows is tests/dbt/test_marts_equal_truth.py's to show; here they are there in a second.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from mock_apis.truth import truth
from mock_apis.world.world import World
from tests.quality.seeds import contract, new_delivery
from warehouse.publish import publish


def publish_marts(url: str, world: World) -> None:
    """Publish the day before the world's present one, with every mart there is."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set role transformer")
        for mart, rows in truth(world)["marts"].items():
            columns = contract(mart)
            table = sql.Identifier("marts_candidate", mart)
            kinds = sql.SQL(", ".join(f"{name} {kind}" for name, kind in columns.items()))
            connection.execute(sql.SQL("create table {} ({})").format(table, kinds))
            values = sql.SQL(", ").join(map(sql.Placeholder, columns))
            with connection.cursor() as cursor:
                cursor.executemany(sql.SQL("insert into {} values ({})").format(table, values), rows)
    day = world.now.astimezone(ZoneInfo("Europe/Berlin")).date() - timedelta(days=1)
    delivery = new_delivery(url, day=day, as_of=world.now)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "update ops.deliveries set status = 'passed', dbt_invocation_id = 'i' where delivery_id = %s", (delivery,)
        )
        connection.execute(
            "insert into ops.mart_sources select %s, tablename, 'shopify', 'orders' from pg_tables"
            " where schemaname = 'marts_candidate'",
            (delivery,),
        )
        connection.execute(
            "insert into ops.delivery_sources (delivery_id, source, stream, complete_to)"
            " values (%s, 'shopify', 'orders', %s)",
            (delivery, world.now),
        )
    publish(delivery, url)
