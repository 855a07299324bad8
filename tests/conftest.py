"""One embedded Postgres for the whole run; a migrated, empty warehouse for each test module that asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from local.postgres import EmbeddedPostgres
from warehouse.migrate import migrate

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False).start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def new_warehouse(postgres: EmbeddedPostgres) -> Callable[[str], str]:
    """A function that makes a migrated, empty warehouse and returns its URL; a copy of a template, so it is quick."""
    migrate(postgres.create_database("warehouse_template"))

    def make(name: str) -> str:
        return postgres.create_database(name, template="warehouse_template")

    return make


@pytest.fixture(scope="module")
def warehouse_url(request: pytest.FixtureRequest, new_warehouse: Callable[[str], str]) -> Iterator[str]:
    """The module's own warehouse, also set as WAREHOUSE_URL while its tests run."""
    url = new_warehouse(request.module.__name__.replace(".", "_")[-60:])
    before = os.environ.get("WAREHOUSE_URL")
    os.environ["WAREHOUSE_URL"] = url
    yield url
    if before is None:
        del os.environ["WAREHOUSE_URL"]
    else:
        os.environ["WAREHOUSE_URL"] = before


@pytest.fixture
def clean_warehouse(warehouse_url: str) -> str:
    """The module's warehouse with every raw and ops table emptied."""
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        tables = connection.execute(
            "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables"
            " where schemaname in ('raw', 'ops') and tablename <> 'migrations'"
        ).fetchone()
        assert tables
        connection.execute(f"truncate {tables[0]}".encode())
    return warehouse_url
