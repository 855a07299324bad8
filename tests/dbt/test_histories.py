"""The histories of customers, products and prices, against an oracle that sees all versions at once.

Each record has a handful of versions, some of them deletions, some of the same instant; they arrive over several days
in any order. The histories are built after each day, and once from scratch.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from random import Random
from typing import Any, NamedTuple

import psycopg
import pytest
import raw_rows as raw

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 4
RECORDS = 60
MODELS = ("stg_shopify__customers_history+1", "stg_shopify__products_history+1")


class Version(NamedTuple):
    key: int
    at: datetime
    day: int  # on which it arrives
    place: int  # which of the day it is
    data: str
    deleted: bool

    @property
    def newness(self) -> tuple[datetime, int, int, bytes]:
        return self.at, self.day, self.place, hashlib.sha256(self.data.encode()).digest()


Interval = tuple[str, datetime, datetime | None, bool, tuple[Any, ...]]
Told = tuple[datetime, datetime, bool, tuple[Any, ...]]  # version, when it changed, is deleted, what is tracked


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def hour(dice: Random) -> datetime:
    """Few enough that some versions are of the same hour, and none of it is BEGIN."""
    return BEGIN + timedelta(hours=dice.randint(1, 12))


def customer_at(dice: Random, key: int, at: datetime) -> dict[str, Any]:
    customer = raw.customer(key, dice.choice(("Berlin", "Bremen")))
    customer["defaultAddress"]["countryCodeV2"] = dice.choice(("DE", "AT"))
    customer["defaultEmailAddress"] = {
        "marketingState": dice.choice(("SUBSCRIBED", "UNSUBSCRIBED")),
        "marketingUpdatedAt": text(at - timedelta(minutes=dice.choice((0, 7, 200)))) if dice.random() < 0.8 else None,
    }
    return customer | {"createdAt": text(BEGIN)}


def product_at(dice: Random, key: int, at: datetime) -> dict[str, Any]:
    variants = []
    for number in (1, 2, 3):
        if dice.random() < 0.7:
            changed = text(at - timedelta(minutes=dice.choice((0, 7, 200))))
            price, before = dice.choice((("10.00", None), ("12.00", None), ("10.00", "12.00")))
            variants.append(raw.variant(10 * key + number, price, changed, before))
    return raw.product(key, dice.choice(("Cup", "Mug")), *variants) | {"createdAt": text(BEGIN)}


def dealt(seed: str, one: Callable[[Random, int, datetime], dict[str, Any]], kind: str) -> list[Version]:
    dice = Random(seed)
    found = []
    for key in range(1, RECORDS + 1):
        for place in range(dice.randint(1, 7)):
            at, deleted = hour(dice), dice.random() < 0.1
            record = {"id": raw.gid(kind, key)} if deleted else one(dice, key, at)
            found.append(Version(key, at, dice.randrange(DAYS), place, json.dumps(record), deleted))
    return found


def by_instant(versions: list[Version]) -> Iterator[Version]:
    """One version for each instant of a record: the last that arrived, of those the one of the highest hash."""
    for _, same in groupby(sorted(versions, key=lambda version: version.newness), key=lambda version: version.at):
        yield list(same)[-1]


def cut(key: str, told: list[Told], dated: Callable[[tuple[Any, ...], tuple[Any, ...]], bool]) -> list[Interval]:
    """The spans in which nothing tracked changed, of a record's versions in order."""
    begun: list[Told] = []
    for version in told:
        if not begun or version[2:] != begun[-1][2:]:
            begun.append(version)
    starts = [BEGIN if not begun[0][2] else begun[0][0]]
    for before, after in pairwise(begun):
        within = before[0] < after[1] < after[0] and dated(before[3], after[3])
        starts.append(after[1] if within else after[0])
    ends = [*starts[1:], None]
    return [(key, start, end, each[2], each[3]) for start, end, each in zip(starts, ends, begun, strict=True)]


def moment(given: str | None, otherwise: datetime) -> datetime:
    return datetime.fromisoformat(given) if given else otherwise


def customers(versions: list[Version]) -> Iterator[Interval]:
    told: list[Told] = []
    for version in by_instant(versions):
        data = json.loads(version.data)
        consent, address = data.get("defaultEmailAddress", {}), data.get("defaultAddress", {})
        state = consent.get("marketingState"), address.get("countryCodeV2")
        told.append((version.at, moment(consent.get("marketingUpdatedAt"), version.at), version.deleted, state))
    yield from cut(str(versions[0].key), told, lambda before, after: before[0] != after[0])


def products(versions: list[Version]) -> Iterator[Interval]:
    told = [(it.at, it.at, it.deleted, (json.loads(it.data).get("title"),)) for it in by_instant(versions)]
    yield from cut(str(versions[0].key), told, lambda before, after: True)


def prices(versions: list[Version]) -> Iterator[Interval]:
    told: dict[str, list[Told]] = defaultdict(list)
    for version in by_instant(versions):
        nodes = json.loads(version.data).get("variants", {"nodes": []})["nodes"]
        there = {node["id"].rpartition("/")[2]: node for node in nodes}
        for key, node in there.items():
            before = node["compareAtPrice"]
            state = round(float(node["price"]) * 100), round(float(before) * 100) if before else None
            told[key].append((version.at, moment(node["updatedAt"], version.at), False, state))
        for key in told.keys() - there.keys():
            told[key].append((version.at, version.at, True, (None, None)))
    for key, own in told.items():
        yield from cut(key, own, lambda before, after: True)


HISTORIES: dict[str, tuple[str, str, Callable[[list[Version]], Iterator[Interval]]]] = {
    "dim_customers_history": ("customer_id", "marketing_state, country_code", customers),
    "dim_products_history": ("product_id", "title", products),
    "dim_prices_history": ("variant_id", "price_minor, compare_at_price_minor", prices),
}


@pytest.fixture(scope="module")
def arrived() -> dict[str, list[Version]]:
    return {
        "shopify_customers": dealt("customers", customer_at, "Customer"),
        "shopify_products": dealt("products", product_at, "Product"),
    }


def differing(connection: psycopg.Connection, arrived: dict[str, list[Version]], day: int) -> dict[str, Any]:
    """By history, what it and the oracle do not have in common after the day."""
    found = {}
    for table, (key, tracked, oracle) in HISTORIES.items():
        versions = arrived["shopify_customers" if key == "customer_id" else "shopify_products"]
        known = sorted((it for it in versions if it.day <= day), key=lambda version: version.key)
        said = {it for _, own in groupby(known, key=lambda version: version.key) for it in oracle(list(own))}
        query = f"select {key}, valid_from, valid_to, is_deleted, array[{tracked}] from intermediate.{table}"
        rows = connection.execute(query.encode()).fetchall()
        seen = {(it[0], it[1], it[2], it[3], tuple(it[4])) for it in rows}
        assert rows and len(rows) == len(seen)
        found[table] = sorted(said ^ seen, key=repr)
    return found


def test_whatever_arrives_when_the_histories_are_those_of_all_versions(
    warehouse_url: str, run_dbt: Callable[..., Any], arrived: dict[str, list[Version]]
) -> None:
    none: dict[str, Any] = {table: [] for table in HISTORIES}
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        for day in range(DAYS):
            for table, versions in arrived.items():
                for it in sorted((it for it in versions if it.day == day), key=lambda it: it.place):
                    key = raw.gid("Customer" if table == "shopify_customers" else "Product", it.key)
                    raw.insert(connection, table, text(it.at), it.data, key=key, deleted=it.deleted)
            run_dbt("run" if day else "build", "--select", *MODELS)
            assert differing(connection, arrived, day) == none, f"day {day}"
        run_dbt("build", "--full-refresh", "--select", *MODELS)
        assert differing(connection, arrived, DAYS - 1) == none, "from scratch"
