"""Which table of a source's database a stream reads, and how: from pipeline.yml, held against the database."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.source import Context, parse_time
from settings import HeadwaterError, SettingsError
from settings.pipeline import Duration

TIMES = ("timestamp", "date")
FETCH_ROWS = 1_000

# As the row's JSON has them, so that a key is the same text here and in raw.
KEY: LiteralString = "to_json({row}.{key}) #>> '{{}}'"
TIME: LiteralString = "to_json({row}.{time}) #>> '{{}}'"
CREATED: LiteralString = "to_json({row}.{created}) #>> '{{}}'"


class TableOptions(BaseModel):
    """One table. `table` may name its schema (`billing.accounts`); the stream's name in `public` without it.

    For a reconciliation: rows are counted on the day of `created_at` (of their change without it), and `amount` is
    summed by `currency`, where there are such columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)?$")] | None = None
    key: str = "id"
    updated_at: str = "updated_at"
    created_at: str | None = None
    amount: str | None = None
    currency: str | None = None


class Options(BaseModel):
    """`sweep`: how often the whole key list is compared (never without it). `most_vanished`: the share of the known
    records that may be gone at once; more is taken for a table that is being refilled, and refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sweep: Duration | None = timedelta(days=1)
    most_vanished: Annotated[float, Field(gt=0, le=1)] = 0.5
    tables: dict[str, TableOptions | None] = {}


def options_of(context: Context) -> Options:
    """The source's options; raises SettingsError that names the key."""
    place = f"pipeline.yml, sources.{context.source}.options"
    try:
        options = Options.model_validate(context.settings.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([place, *(str(part) for part in first["loc"])])
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}.") from error
    if unknown := sorted(options.tables.keys() - context.settings.streams.keys()):
        raise SettingsError(f"{place}.tables: {', '.join(unknown)} is no stream of {context.source}.")
    return options


class Table(NamedTuple):
    """A table that is there, with the SQL types of its columns."""

    name: sql.Identifier
    key: sql.Identifier
    updated_at: sql.Identifier
    key_type: sql.SQL
    time_type: sql.SQL
    created_at: sql.Identifier
    created_type: sql.SQL


def find_table(connection: psycopg.Connection, context: Context, stream: str, options: TableOptions) -> Table:
    """The table as it is in this snapshot; raises HeadwaterError that names what is not there and where to say so."""
    schema, _, name = (options.table or stream).rpartition(".")
    shown, place = f"{schema or 'public'}.{name}", f"sources.{context.source}.options.tables.{stream} in pipeline.yml"
    found: list[tuple[Any, ...]] = connection.execute(
        "select a.attname::text, format_type(a.atttypid, a.atttypmod) from pg_attribute a"
        " join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relname = %s and c.relkind in ('r', 'p', 'v', 'm', 'f')"
        " and a.attnum > 0 and not a.attisdropped order by a.attnum",
        (schema or "public", name),
    ).fetchall()
    types = {column.decode(errors="replace"): kind.decode(errors="replace") for column, kind in found}
    if not types:
        raise HeadwaterError(f"{context.source} has no table {shown}; set {place}, or ask for its creation.")
    created_at = options.created_at or options.updated_at
    named = {"key": options.key, "updated_at": options.updated_at, "created_at": created_at}
    named |= {role: column for role in ("amount", "currency") if (column := getattr(options, role))}
    for role, column in named.items():
        if column not in types:
            raise HeadwaterError(f"{shown} has no column {column}; it has: {', '.join(types)}. Set {role} of {place}.")
        if role.endswith("_at") and not types[column].startswith(TIMES):
            raise HeadwaterError(f"{shown}.{column} is {types[column]}, no time; set {role} of {place}.")
    return Table(
        sql.Identifier(schema or "public", name),
        sql.Identifier(options.key),
        sql.Identifier(options.updated_at),
        sql.SQL(types[options.key]),  # by the database's own format_type
        sql.SQL(types[options.updated_at]),
        sql.Identifier(created_at),
        sql.SQL(types[created_at]),
    )


def on(table: Table, question: LiteralString) -> sql.Composed:
    """A piece of SQL with the table's names in it; `{row}` is its row."""
    return sql.SQL(question).format(
        row=sql.Identifier("the row"),  # a column of the same name would hide the row
        table=table.name,
        key=table.key,
        time=table.updated_at,
        key_type=table.key_type,
        time_type=table.time_type,
        created=table.created_at,
        created_type=table.created_type,
    )


def time_of(text: bytes | None) -> datetime | None:
    """A row's time, in UTC where it says nothing else; None when it is no time that a record could have."""
    try:
        return parse_time(in_utc((text or b"").decode()), "a time")
    except ValueError:
        return None


def in_utc(time: str) -> str:
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        return time  # whoever parses it says what is wrong
    return time if parsed.tzinfo else parsed.replace(tzinfo=UTC).isoformat()


def rows(connection: psycopg.Connection, question: sql.Composable, values: Sequence[Any]) -> Generator[tuple[Any, ...]]:
    """The answer through a server-side cursor, one row in memory at a time, however big it is."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("declare answer no scroll cursor for {}").format(question), values)
        while True:
            fetched = 0
            for row in cursor.stream(f"fetch {FETCH_ROWS} from answer".encode()):
                fetched += 1
                yield row
            if fetched < FETCH_ROWS:
                cursor.execute("close answer")
                return
