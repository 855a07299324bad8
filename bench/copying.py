"""COPY of a file's rows into a table: what no loader can be faster than. `python -m bench.copying URL TABLE FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
from psycopg import sql

CHUNK = 1 << 20


def export(connection: psycopg.Connection, table: str, file: Path) -> None:
    """Write the rows of `table` ("schema.name") to the file, in COPY's binary format."""
    query = sql.SQL("copy (select * from {}) to stdout (format binary)").format(_named(table))
    with connection.cursor() as cursor, file.open("wb") as out, cursor.copy(query) as rows:
        for block in rows:
            out.write(block)


def copy_in(connection: psycopg.Connection, table: str, file: Path) -> None:
    """COPY the file's rows into the table; the caller's transaction."""
    query = sql.SQL("copy {} from stdin (format binary)").format(_named(table))
    with connection.cursor() as cursor, file.open("rb") as rows, cursor.copy(query) as target:
        while block := rows.read(CHUNK):
            target.write(block)


def _named(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as opened:
        copy_in(opened, sys.argv[2], Path(sys.argv[3]))
