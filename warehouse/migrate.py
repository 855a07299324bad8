"""Versioned migrations, the raw tables, and the logins of the roles."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import psycopg
from psycopg import sql

from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse.connection import connect
from warehouse.raw_tables import create_raw_tables
from warehouse.readers import limit_readers

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_230_411  # one migration of a database at a time


def migrate(url: str | None = None, pipeline: Pipeline | None = None) -> list[str]:
    """Bring the warehouse up to date; return the names of what was applied. Safe to run again.

    Raises HeadwaterError when an applied migration was edited since, or when one fails (it leaves nothing behind).
    """
    pipeline = pipeline or load_pipeline()
    applied: list[str] = []
    with connect(url=url, application="headwater migrate") as connection:
        connection.execute("select pg_advisory_lock(%s)", (LOCK,))
        connection.execute("set client_min_messages = warning")
        with connection.transaction():
            connection.execute("create schema if not exists ops")
            connection.execute(
                "create table if not exists ops.migrations (name text primary key, sha256 text not null,"
                " applied_at timestamptz not null default now())"
            )
        rows = connection.execute("select name, sha256 from ops.migrations").fetchall()
        done: dict[str, str] = dict(rows)
        for path in sorted(MIGRATIONS.glob("*.sql")):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if path.name not in done:
                _apply(connection, path, digest)
                applied.append(path.name)
            elif done[path.name] != digest:
                raise HeadwaterError(
                    f"{path.name} was changed after it had been applied; undo the change and add a new migration."
                )
        applied += create_raw_tables(connection, pipeline)
        _set_logins(connection)
        limit_readers(connection, pipeline.readers.statement_timeout)
    return applied


def _apply(connection: psycopg.Connection, path: Path, digest: str) -> None:
    try:
        with connection.transaction():
            connection.execute(path.read_text(encoding="utf-8").encode())
            connection.execute("insert into ops.migrations (name, sha256) values (%s, %s)", (path.name, digest))
    except psycopg.Error as error:
        raise HeadwaterError(f"Migration {path.name} failed and was undone: {str(error).splitlines()[0]}") from error


def _set_logins(connection: psycopg.Connection) -> None:
    for role in ("reporter", "dashboard", "monitor"):
        password = os.environ.get(f"{role.upper()}_PASSWORD", "")
        if password:
            statement = sql.SQL("alter role {} login password {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
