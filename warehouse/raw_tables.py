"""The raw table of every stream in pipeline.yml, partitioned by the month of its records' versions."""

from __future__ import annotations

import psycopg
from psycopg import sql

from settings import HeadwaterError, Pipeline

LONGEST_NAME = 50  # of a source and a stream together: Postgres' 63, less what a month adds

TABLE = """
create table raw.{table} (
  record_key text not null,
  record_version timestamptz not null,
  content_hash bytea not null,
  source_data json {compression} not null,
  _load_id uuid not null,
  _load_timestamp timestamptz not null default now(),
  _extracted_at timestamptz not null,
  _deleted boolean not null default false,
  primary key (record_key, record_version, content_hash)
) partition by range (record_version);
create index {index} on raw.{table} (_load_timestamp);
"""
COLUMNS = sql.SQL(
    "record_key, record_version, content_hash, source_data, _load_id, _load_timestamp, _extracted_at, _deleted"
)


def create_raw_tables(connection: psycopg.Connection, pipeline: Pipeline) -> list[str]:
    """Make the tables that are missing, and the months of those from before there were months; say which.

    Raises HeadwaterError for a name that is too long, or when a table cannot be turned (it stays as it was).
    """
    kinds: dict[str, str] = dict(
        connection.execute("select relname, relkind from pg_class where relnamespace = 'raw'::regnamespace").fetchall()
    )
    done = []
    for table in (f"{source}_{stream}" for source, block in pipeline.sources.items() for stream in block.streams):
        if len(table) > LONGEST_NAME:
            raise HeadwaterError(
                f"The name {table} is too long: in pipeline.yml a source and its stream may have {LONGEST_NAME - 1}"
                " characters together."
            )
        if table not in kinds:
            with connection.transaction():
                _create(connection, table)
            done.append(f"raw.{table}")
        elif kinds[table] == "r":
            _turn(connection, table)
            done.append(f"raw.{table} (by month)")
    return done


def _create(connection: psycopg.Connection, table: str) -> None:
    # Some builds of the server (the embedded wheel's is one) have no lz4; pglz is slower but the same to read.
    lz4 = connection.execute(
        "select 'lz4' = any(enumvals) from pg_settings where name = 'default_toast_compression'"
    ).fetchone()
    compression = sql.SQL("compression lz4" if lz4 and lz4[0] else "")
    names = {"table": sql.Identifier(table), "index": sql.Identifier(f"{table}_load_timestamp")}
    connection.execute(sql.SQL(TABLE).format(compression=compression, **names))


def _turn(connection: psycopg.Connection, table: str) -> None:
    """Copy a table without months into one with months, in one transaction; it takes its disk space twice meanwhile."""
    old, new = sql.Identifier("raw_months", table), sql.Identifier("raw", table)
    try:
        with connection.transaction():
            grants = connection.execute(
                "select format('grant %%s on raw.%%I to %%I', privilege_type, relname, pg_get_userbyid(grantee))"
                " from pg_class, aclexplode(relacl) where oid = %s::regclass and grantee not in (0, relowner)",
                (new.as_string(),),
            ).fetchall()
            connection.execute(sql.SQL("alter table {} set schema raw_months").format(new))
            _create(connection, table)
            for (grant,) in grants:
                connection.execute(grant.encode())
            connection.execute(
                sql.SQL(
                    "select raw.make_months(%s, array(select min(record_version) from {}"
                    " group by date_trunc('month', record_version, 'UTC')))"
                ).format(old),
                (table,),
            )
            connection.execute(sql.SQL("insert into {} ({}) select {} from {}").format(new, COLUMNS, COLUMNS, old))
            connection.execute(sql.SQL("drop table {}").format(old))
    except psycopg.Error as error:
        reason = str(error).splitlines()[0]
        raise HeadwaterError(f"raw.{table} could not be split into months and stays as it was: {reason}") from error
