"""The shop's own app: its tables follow the world, changed rows alone are written, and its reader may only read."""

from __future__ import annotations

from dataclasses import astuple
from datetime import date
from typing import Any

import psycopg
import pytest

from local.postgres import EmbeddedPostgres
from mock_apis.app_database import COLUMNS, AppDatabase
from mock_apis.state import MockError
from mock_apis.world.world import World

Rows = dict[int, tuple[Any, ...]]


def rows(url: str, table: str) -> Rows:
    with psycopg.connect(url) as connection:
        found = connection.execute(f"select {', '.join(COLUMNS[table])}, updated_at from {table}".encode()).fetchall()
    return {row[0]: row for row in found}


def test_each_day_the_tables_become_what_the_world_is_and_only_what_changed_moves(postgres: EmbeddedPostgres) -> None:
    url = postgres.url("app_of_the_mock")
    app, world = AppDatabase(url, "read"), World(3, "tiny", date(2026, 6, 1))
    app.write(world)
    before = {table: rows(url, table) for table in COLUMNS}
    app.write(world)
    assert {table: rows(url, table) for table in COLUMNS} == before
    world.advance(4)
    app.write(world)
    things: dict[str, dict[int, Any]] = {
        "accounts": dict(world.loyalty_accounts),
        "points_transactions": dict(world.points_transactions),
    }
    for table, wanted in things.items():
        after = rows(url, table)
        assert {key: row[:-1] for key, row in after.items()} == {key: astuple(each) for key, each in wanted.items()}
        assert before[table].keys() - after.keys(), "rows go"
        assert after.keys() - before[table].keys(), "and come"
        for key in before[table].keys() & after.keys():
            same = before[table][key][:-1] == after[key][:-1]
            assert same == (before[table][key][-1] == after[key][-1])
        new = [row[-1] for key, row in after.items() if key not in before[table]]
        if table == "points_transactions":
            assert min(new) < max(new), "some commit later than their time says"

    reader = url.replace(url.partition("//")[2].partition("@")[0], "app_reader:read")
    assert rows(reader, "accounts") == rows(url, "accounts")
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("delete from accounts")


def test_a_database_that_cannot_be_had_is_told_with_the_option_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_apis.app_database.WAIT_SECONDS", 0)
    with pytest.raises(MockError, match=r"cannot be reached.*\n.*--app-database \(MOCK_APP_DATABASE_URL\)"):
        AppDatabase("postgresql://a:b@127.0.0.1:1/app").write(World(3, "tiny", date(2026, 6, 1)))
