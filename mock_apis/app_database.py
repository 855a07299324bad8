"""The shop's own app in a Postgres that it is given: two tables, written as an app writes them.

The database is made when it is not there, and so is a login that may only read it (`app_reader`), when a password is
given for it. Only what changed is written, with the database's time as updated_at, and what is gone is deleted. One new
row in ten comes with an older time than its neighbours, as from a transaction that had been open for a while before it
committed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

import psycopg
from psycopg import conninfo, sql

from mock_apis.state import MockError
from mock_apis.world.world import World

WAIT_SECONDS = 30.0
OPEN_FOR = "3 minutes"
READER = "app_reader"

TABLES = """
create table if not exists accounts (
  id bigint primary key,
  customer_id bigint not null,
  email text not null,
  tier text not null,
  points_balance integer not null,
  joined_at timestamptz not null,
  updated_at timestamptz not null default now()
);
create index if not exists accounts_updated_at on accounts (updated_at, id);
create table if not exists points_transactions (
  id bigint primary key,
  account_id bigint not null,
  order_id bigint,
  kind text not null,
  points integer not null,
  booked_at timestamptz not null,
  updated_at timestamptz not null default now()
);
create index if not exists points_transactions_updated_at on points_transactions (updated_at, id);
"""
COLUMNS = {
    "accounts": ("id", "customer_id", "email", "tier", "points_balance", "joined_at"),
    "points_transactions": ("id", "account_id", "order_id", "kind", "points", "booked_at"),
}


class AppDatabase:
    """The app's tables in the database at `url`, whose login may create what is not there. Raises MockError."""

    def __init__(self, url: str, reader_password: str | None = None) -> None:
        self._url, self._reader_password = url, reader_password

    def write(self, world: World) -> None:
        """Bring the tables to what the world is now, in one transaction."""
        rows = {
            "accounts": [astuple(each) for each in world.loyalty_accounts.values()],
            "points_transactions": [astuple(each) for each in world.points_transactions.values()],
        }
        try:
            with self._connect() as connection:
                connection.execute("set client_min_messages = warning")
                connection.execute(TABLES)
                self._let_read(connection)
                for table, wanted in rows.items():
                    _bring(connection, table, wanted)
        except psycopg.Error as error:
            raise MockError(f"The app's database refused its rows: {str(error).splitlines()[0]}.") from error

    def _let_read(self, connection: psycopg.Connection[Any]) -> None:
        """The reader sees the tables, and since when whose transactions are open."""
        if self._reader_password is None:
            return
        if not connection.execute("select 1 from pg_roles where rolname = %s", (READER,)).fetchone():
            connection.execute(f"create role {READER}".encode())
        password = sql.Literal(self._reader_password)
        connection.execute(sql.SQL(f"alter role {READER} login password {{}}").format(password))
        connection.execute(f"grant pg_read_all_stats to {READER}".encode())
        connection.execute(f"grant select on all tables in schema public to {READER}".encode())

    def _create(self) -> None:
        """The database, by the login's own right; whoever made it in between is as good."""
        name = conninfo.conninfo_to_dict(self._url).get("dbname")
        with psycopg.connect(conninfo.make_conninfo(self._url, dbname="postgres"), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(str(name))))

    def _connect(self) -> psycopg.Connection[Any]:
        """It may be starting, beside us."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return psycopg.connect(self._url, connect_timeout=5)
            except psycopg.Error as error:
                if "does not exist" in str(error):
                    self._create()
                    continue
                if time.monotonic() > deadline or not isinstance(error, psycopg.OperationalError):
                    reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
                    raise MockError(
                        f"The app's database cannot be reached: {reason[0]}.\n"
                        "Check --app-database (MOCK_APP_DATABASE_URL): postgresql://user:password@host:port/app."
                    ) from error
                time.sleep(0.5)


def _bring(connection: psycopg.Connection[Any], table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    names = COLUMNS[table]
    columns, rest = ", ".join(names), names[1:]
    connection.execute(f"create temporary table wanted as select {columns} from {table} limit 0".encode())
    with connection.cursor() as cursor, cursor.copy(f"copy wanted ({columns}) from stdin".encode()) as copy:
        for row in rows:
            copy.write_row(row)
    ours, theirs = (f"({', '.join(f'{side}.{name}' for name in rest)})" for side in ("t", "excluded"))
    late = f"case when id % 10 = 0 and exists (select from {table}) then now() - interval '{OPEN_FOR}' else now() end"
    connection.execute(f"delete from {table} where id not in (select id from wanted)".encode())
    connection.execute(
        f"insert into {table} as t ({columns}, updated_at) select {columns}, {late} from wanted on conflict (id)"
        f" do update set ({', '.join(rest)}, updated_at) = row({theirs[1:-1]}, now())"
        f" where {ours} is distinct from {theirs}".encode()
    )
    connection.execute("drop table wanted")
