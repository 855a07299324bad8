"""Migrations apply once and in order; roles may do what their rooms may touch and nothing else."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from local.postgres import EmbeddedPostgres
from settings import HeadwaterError
from warehouse import connect
from warehouse import migrate as module
from warehouse.migrate import migrate


def test_a_second_migration_does_nothing(warehouse_url: str) -> None:
    assert migrate(warehouse_url) == []


def test_a_failing_migration_leaves_nothing_and_an_edited_one_is_refused(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(module.MIGRATIONS, folder)
    monkeypatch.setattr(module, "MIGRATIONS", folder)
    (folder / "9001_broken.sql").write_text("create table ops.half (a int); select 1/0;")
    url = postgres.create_database("migrate_broken")
    with pytest.raises(HeadwaterError, match=r"9001_broken\.sql failed and was undone: division by zero"):
        migrate(url)
    (folder / "9001_broken.sql").write_text("create table ops.half (a int);")
    assert "9001_broken.sql" in migrate(url)
    (folder / "9001_broken.sql").write_text("create table ops.half (a bigint);")
    with pytest.raises(HeadwaterError, match=r"9001_broken\.sql was changed after it had been applied"):
        migrate(url)


def test_no_two_new_migrations_share_a_number() -> None:
    """Two were used twice before anybody looked; they stay, since forks have applied them under their names."""
    numbers = Counter(path.name.partition("_")[0] for path in module.MIGRATIONS.glob("*.sql"))
    assert {number for number, times in numbers.items() if times > 1} == {"0007", "0014"}


ALLOWED = {
    "loader": "insert into raw.shopify_orders values ('k', now(), '', '{}', gen_random_uuid(), now(), now())",
    "transformer": "create table staging.t as select * from raw.shopify_orders",
    "checker": "select * from raw.shopify_orders",
    "monitor": "select * from ops.loads",
    "reporter": "select * from marts.t",
    "dashboard": "select * from marts.t",
}
REFUSED = {
    "loader": [
        "delete from raw.shopify_orders",
        "update raw.shopify_orders set _deleted = true",
        "select * from marts.t",
    ],
    "transformer": [
        "insert into raw.shopify_orders select * from raw.shopify_orders",
        "select raw.make_months('shopify_orders', array[now()])",
        "create table marts.u (a int)",
    ],
    "checker": ["create table marts.u (a int)", "delete from ops.deliveries"],
    "monitor": [
        "table raw.shopify_orders",
        "select record from ops.quarantine",
        "update ops.checkpoints set fence = 0",
    ],
    "reporter": [
        "select * from raw.shopify_orders",
        "select * from staging.t",
        "select * from ops.quarantine",
        "create table marts.u (a int)",
        "create table public.u (a int)",
        "delete from marts.t",
    ],
    "dashboard": ["select * from staging.t", "select * from ops.loads", "delete from marts.t"],
}


@pytest.fixture(scope="module")
def roles_url(new_warehouse: Callable[[str], str]) -> str:
    url = new_warehouse("roles")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table marts.t (a int)")
        connection.execute("select raw.make_months('shopify_orders', array[now()])")
        connection.execute("grant select on marts.t to reporter")
    return url


@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_may_do_what_its_room_does(roles_url: str, role: str) -> None:
    with connect(role, url=roles_url) as connection:  # type: ignore[arg-type]
        connection.execute(ALLOWED[role].encode())


@pytest.mark.parametrize(("role", "statement"), [(role, text) for role, texts in REFUSED.items() for text in texts])
def test_a_role_is_refused_everything_else(roles_url: str, role: str, statement: str) -> None:
    if "staging.t" in statement:
        with psycopg.connect(roles_url, autocommit=True) as connection:
            connection.execute("create table if not exists staging.t (a int)")
    with connect(role, url=roles_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):  # type: ignore[arg-type]
        connection.execute(statement.encode())


def test_json_that_jsonb_refuses_is_cleaned_and_the_rest_is_kept(warehouse_url: str) -> None:
    cases = {
        r'{"a":"x\u0000y"}': "xy",
        r'{"a":"\\u0000"}': "\\u0000",
        r'{"a":"\\\u0000z"}': "\\z",
        r'{"a":"\ud83d\ude00"}': "😀",
        r'{"a":"\ud83dx"}': "\ufffdx",
        r'{"a":"\ud83d\ud83d\ude00\ude00"}': "\ufffd😀\ufffd",
        r'{"a":"\\ud83d\ude00"}': "\\ud83d\ufffd",
    }
    with connect(url=warehouse_url) as connection:
        for document, expected in cases.items():
            found = connection.execute("select raw.clean_json(%s::json)->>'a'", (document,)).fetchone()
            assert found == (expected,), document
