"""Every mart equals the pretend shop's own books: after one day, after ten more run one by one, and from scratch.

A new mart joins by its function in mock_apis/truth and its line in MARTS there; nothing here names one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from hashlib import md5, sha1, sha256
from typing import Any

import psycopg
import pytest
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode
from pretend_shop import PretendShop, pretend_shop
from psycopg import sql

from local.postgres import EmbeddedPostgres
from mock_apis.truth import MARTS, truth
from mock_apis.truth.identity import mailbox
from tests.against_truth import differences

DAYS = 10
COLUMNS = """
select table_schema, table_name, array_agg(column_name::text order by column_name)
from information_schema.columns
where table_schema in ('staging', 'intermediate') and not starts_with(column_name, '_') group by 1, 2
"""


@pytest.fixture(scope="module")
def shop(
    postgres: EmbeddedPostgres, warehouse_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PretendShop]:
    with pretend_shop(postgres, warehouse_url, tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture(scope="module")
def classes() -> dict[str, set[str]]:
    """What the classifications of the truth have been, by mart."""
    return defaultdict(set)


def wrong(shop: PretendShop, classes: dict[str, set[str]]) -> list[str]:
    marts = truth(shop.ref.world)["marts"]
    for mart, rows in marts.items():
        classes[mart] |= {row["classification"] for row in rows if "classification" in row}
    return differences(shop.warehouse, "marts_candidate", marts)


def beneath(shop: PretendShop) -> dict[str, Counter[str]]:
    """The rows of every table below the marts, without the columns that tell of runs."""
    found = {}
    with psycopg.connect(shop.warehouse) as connection:
        for schema, table, names in connection.execute(COLUMNS).fetchall():
            columns = sql.SQL(", ").join(map(sql.Identifier, names))
            query = sql.SQL("select row({})::text from {}").format(columns, sql.Identifier(schema, table))
            found[table] = Counter(row for (row,) in connection.execute(query))
    return found


def apart(daily: Counter[str], scratch: Counter[str]) -> list[str]:
    return [f"only day by day: {row}" for row in daily - scratch] + [
        f"only from scratch: {row}" for row in scratch - daily
    ]


def test_every_mart_has_a_truth_and_the_other_way_round(manifest: Manifest) -> None:
    marts = {node.name for node in manifest.nodes.values() if node.schema == "marts_candidate"}
    assert marts == set(MARTS)


def test_one_day(shop: PretendShop, run_dbt: Callable[..., Any], classes: dict[str, set[str]]) -> None:
    shop.load()
    run_dbt("build", as_of=shop.ref.world.now)
    assert wrong(shop, classes) == []


def test_no_personal_data_has_reached_a_mart(shop: PretendShop) -> None:
    world = shop.ref.world
    people = {text.lower() for each in world.customers.values() for text in (each.email, each.phone) if text}
    people |= {order.email.lower() for order in world.orders.values()}
    # A hash of an address is found by whoever has a list of addresses.
    clear = people | {mailbox(text) for text in people}
    people |= {hashed(text.encode()).hexdigest() for text in clear for hashed in (md5, sha1, sha256)}
    with psycopg.connect(shop.warehouse) as connection:
        for mart in MARTS:
            query = sql.SQL("select lower(t::text) from marts_candidate.{} as t").format(sql.Identifier(mart))
            found = [row for (row,) in connection.execute(query) if any(text in row for text in people)]
            assert found == [], mart


@pytest.mark.timeout(1800)  # two minutes on a machine of its own
def test_ten_days_one_by_one_and_from_scratch(
    shop: PretendShop, run_dbt: Callable[..., Any], classes: dict[str, set[str]]
) -> None:
    for day in range(1, DAYS + 1):
        shop.next_day()
        run_dbt("build" if day == DAYS else "run", as_of=shop.ref.world.now)
        assert wrong(shop, classes) == [], f"day {day}"
    daily = beneath(shop)
    run_dbt("run", "--full-refresh", as_of=shop.ref.world.now)
    assert wrong(shop, classes) == []
    scratch = beneath(shop)
    assert daily.keys() == scratch.keys() and daily["fct_orders"]
    assert {table: differing for table in daily if (differing := apart(daily[table], scratch[table]))} == {}


def test_every_class_that_a_mart_can_have_has_been_among_them(
    manifest: Manifest, shop: PretendShop, classes: dict[str, set[str]]
) -> None:
    """Else the days before would say nothing of the hard ones."""
    promised = {
        manifest.nodes[node.attached_node].name: set(node.test_metadata.kwargs["values"])
        for node in manifest.nodes.values()
        if isinstance(node, GenericTestNode) and node.attached_node and node.column_name == "classification"
        if node.test_metadata.name == "accepted_values"
    }
    assert promised and {mart: found for mart, found in classes.items() if found} == promised
