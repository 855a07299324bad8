"""Marts held against the pretend shop's own account of them: whole rows, every column, to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from warehouse.publish import ABOUT

Row = dict[str, Any]


def differences(url: str, schema: str, truth: Mapping[str, list[Row]]) -> list[str]:
    """Each row in which a mart of the schema is not what the truth says, and each mart that it says nothing of."""
    found = []
    with psycopg.connect(url, row_factory=dict_row) as connection:
        there = {row["tablename"] for row in connection.execute(TABLES, (schema,))} - set(ABOUT)
        found += [f"{name}: no such mart" for name in sorted(truth.keys() - there)]
        found += [f"{name}: the truth says nothing of it" for name in sorted(there - truth.keys())]
        for name in sorted(truth.keys() & there):
            table = sql.SQL("select * from {}").format(sql.Identifier(schema, name))
            seen = Counter(_text(row) for row in connection.execute(table))
            said = Counter(map(_text, truth[name]))
            found += [f"{name}: only in the mart: {row}" for row in (seen - said).elements()]
            found += [f"{name}: only in the truth: {row}" for row in (said - seen).elements()]
            found += [] if said else [f"{name}: the truth of it is empty"]
    return found


TABLES = "select tablename from pg_tables where schemaname = %s"


def _text(row: Row) -> str:
    return repr(sorted((name, _plain(value)) for name, value in row.items()))


def _plain(value: object) -> object:
    """The value as the truth writes it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return value.isoformat()
    return value
