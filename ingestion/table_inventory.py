"""What a reconciliation compares of a table's rows: keys, times, an amount where one is named, a hash of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from ingestion.cut import members
from ingestion.inventory import Item
from ingestion.tables import CREATED, KEY, TIME, Table, TableOptions, on, rows, time_of

# In the bytes that a read would bring: a database without an encoding hands them over as they are.
ROW = sql.Identifier("the row")
HASH = "encode(sha256(convert_to(row_to_json({row})::text, {encoding})), 'hex')"


def listed(
    connection: psycopg.Connection, table: Table, options: TableOptions, start: datetime | None
) -> Iterator[Item]:
    """Every row of the snapshot that was created from `start` on; the database makes the hashes."""
    encoding = "SQL_ASCII" if connection.info.parameter_status("server_encoding") == "SQL_ASCII" else "UTF8"
    question = sql.SQL("select {}, {}, {}, {}, {}, {} from {} as {}").format(
        *(on(table, KEY), on(table, TIME), on(table, CREATED)),
        *(_text(options.amount), _text(options.currency)),
        sql.SQL(HASH).format(row=ROW, encoding=encoding),
        *(table.name, ROW),
    )
    if start:
        question += on(table, " where {row}.{created} >= %s::timestamptz::{created_type}")
    for key, at, created, amount, currency, digest in rows(connection, question, [start] if start else []):
        version, created_at = time_of(at), time_of(created)
        if key is None or version is None or created_at is None:
            continue  # which its contract refuses
        yield Item(
            *(key.decode(errors="replace"), created_at, _amount(amount), (currency or b"").decode(errors="replace")),
            updated_at=version,
            content=digest.decode(),
        )


def item_of(record: bytes, options: TableOptions) -> Item | None:
    """The same of a row that raw holds."""
    try:
        values = members(record)
    except ValueError:
        return None
    created_at = time_of(_value(values, options.created_at or options.updated_at))
    if created_at is None:
        return None
    amount, currency = (_value(values, name) for name in (options.amount, options.currency))
    digest = hashlib.sha256(record).hexdigest()
    return Item("", created_at, _amount(amount), (currency or b"").decode(errors="replace"), content=digest)


def _text(column: str | None) -> sql.Composable:
    if column is None:
        return sql.SQL("null::text")
    return sql.SQL("to_json({}.{}) #>> '{{}}'").format(ROW, sql.Identifier(column))


def _value(values: dict[str, bytes], name: str | None) -> bytes | None:
    """A member as the text that it is in SQL; None when it is null or not there."""
    found: Any = None if name is None else values.get(name)
    if found is None or found == b"null":
        return None
    return msgspec.json.decode(found, type=str).encode() if found.startswith(b'"') else bytes(found)


def _amount(text: bytes | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text.decode())
    except (InvalidOperation, UnicodeDecodeError):
        return None
