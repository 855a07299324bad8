"""A real Postgres behind a proxy that counts what is asked of it, and whose clock is the test's."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from typing import Any, ClassVar
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from ingestion import postgres as source_postgres
from ingestion import table_stream, tables
from local.postgres import EmbeddedPostgres
from settings import Pipeline
from tests.ingestion.conformance.adapter import Adapter, Document, Fault, Thing
from tests.ingestion.conformance.corpus import ROWS

CREATE = """
drop table if exists public.accounts;
create table public.accounts (
  id bigint primary key, customer_id bigint, email text, tier json, points_balance integer, joined_at timestamptz,
  updated_at timestamptz, note json
);
create schema if not exists clock;
create table if not exists clock.hand (at timestamptz);
create or replace function clock.clock_timestamp() returns timestamptz language sql as 'select at from clock.hand';
alter database conformance_app set search_path = clock, pg_catalog, public
"""
REQUESTS = (b"user\0", b"clock_timestamp", b"declare answer", b"fetch ")
REFUSALS = {
    "auth": ("28P01", 'password authentication failed for user "app"'),
    "rate limit": ("53300", "sorry, too many clients already"),
}


class AppAdapter(Adapter):
    """The team's own database. A request is a connection, a look at its clock, or a fetch of rows."""

    name = "app"
    source, type, stream = "app", "app_database", "accounts"
    credential = "APP_DATABASE_URL"
    required = "tier"
    times = ("updated_at", "joined_at")
    tells_deletions = True  # by the sweep, at every run here
    settle = table_stream.TableStream.settle
    asks_until_bound = 12  # it sweeps before
    corpus = ROWS
    options: ClassVar[dict[str, Any]] = {"sweep": "1m"}
    exempt: ClassVar[dict[str, str]] = {
        "test_records_that_are_nothing_are_kept_apart_and_stop_nothing": "a table's key is never null",
        "test_a_byte_order_mark_before_it_all_is_no_part_of_a_record": "a table has no bytes before its rows",
    }

    def __init__(self, patch: pytest.MonkeyPatch, server: EmbeddedPostgres):
        super().__init__()
        self._patch = patch
        url = server.create_database("conformance_app")
        self._lock = threading.Lock()
        self._connection = psycopg.connect(url, autocommit=True)
        for statement in CREATE.split(";\n"):
            self._run(statement)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = urlsplit(url).port
        here = f"127.0.0.1:{self._listener.getsockname()[1]}"
        patch.setenv("APP_DATABASE_URL", url.replace(f"127.0.0.1:{self._port}", here) + "?sslmode=disable")
        patch.setattr(source_postgres, "LONGEST_PAUSE", 0.01)
        threading.Thread(target=self._accept, daemon=True).start()

    def key(self, number: int) -> str:
        return str(number)

    def document(self, thing: Thing) -> Document:
        return {
            **{"id": thing.number, "customer_id": 1, "email": thing.mark, "tier": "basic", "points_balance": 0},
            **{"joined_at": thing.created.isoformat(), "updated_at": thing.changed.isoformat()},
        }

    def bytes_of(self, thing: Thing) -> bytes:
        """The row as the database makes JSON of it."""
        with self._lock:
            cursor = self._connection.execute(
                "select convert_to(row_to_json(it)::text, 'UTF8') from public.accounts it where id = %s",
                (thing.number,),
            )
            row = cursor.fetchone()
        assert row
        return bytes(row[0])

    def shown(self, things: list[Thing]) -> None:
        """A new field is a new column of JSON; a hole is an expression of SQL."""
        for thing in things:
            document = thing.spoil(self.document(thing))
            for column in document.keys() - self.document(thing).keys():
                add = sql.SQL("alter table public.accounts add column if not exists {} json")
                self._run(add.format(sql.Identifier(column)))
            self._run(sql.SQL("delete from public.accounts where id = {}").format(thing.number))
            fill = sql.SQL("insert into public.accounts select * from json_populate_record(null::public.accounts, {})")
            self._run(fill.format(json.dumps(document)))
            if thing.hole:
                hole = sql.SQL("update public.accounts set note = to_json({}) where id = {}")
                self._run(hole.format(sql.SQL(thing.hole.decode()), thing.number))  # type: ignore[arg-type]

    def gone(self, thing: Thing) -> None:
        self._run(sql.SQL("delete from public.accounts where id = {}").format(thing.number))

    def restore(self, kept: dict[str, Any]) -> None:
        super().restore(kept)
        self._run("truncate public.accounts")
        self.shown(list(self.things.values()))

    def cut_off(self, after: int) -> None:
        self.fail("reset", after, times=1_000)

    def pipeline(self, on_reject: str = "quarantine") -> Pipeline:
        self._patch.setattr(tables, "FETCH_ROWS", self.page)
        self._patch.setattr(table_stream, "PAGE_ROWS", self.page)
        return super().pipeline(on_reject)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, which a close would not
        self._listener.close()
        self._connection.close()

    def _run(self, statement: Any) -> None:
        with self._lock:
            text = statement.encode() if isinstance(statement, str) else statement
            self._connection.execute(text)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port or 0))
                for pump in (self._to_server, self._to_client):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, psycopg.Error):  # the test is over, and its connection with it
            while data := client.recv(65536):
                fault = self.failing() if any(words in data for words in REQUESTS) else None
                if fault:
                    _refuse(client, fault)
                    break
                self._run(sql.SQL("truncate clock.hand; insert into clock.hand values ({})").format(self.now))
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
        client.close()
        server.close()


def _refuse(client: socket.socket, fault: Fault) -> None:
    """Postgres' own refusal, or the end of the connection."""
    if fault in REFUSALS:
        code, words = REFUSALS[fault]
        body = f"SFATAL\0VFATAL\0C{code}\0M{words}\0\0".encode()
        client.sendall(b"E" + struct.pack("!I", len(body) + 4) + body)
    client.shutdown(socket.SHUT_RDWR)
