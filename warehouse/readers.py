"""How long a reader's query may take: `readers.statement_timeout` of pipeline.yml, kept as a setting of the roles.

A role's own settings hold for a login of that name. Who is a member of `reporter` gets its rights and not its settings:
so every login that may read and not write is given the limit too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from psycopg import sql

from settings import HeadwaterError, load_pipeline
from warehouse.connection import connect

# A login with a limit of its own keeps that. Ours stands in this database's settings, so that the two are told apart.
READERS = """
select reader.rolname, current_database() from pg_roles as reader
left join pg_database as here on here.datname = current_database() and reader.rolname <> 'reporter'
left join pg_db_role_setting as known on known.setrole = reader.oid and known.setdatabase = coalesce(here.oid, 0)
where pg_has_role(reader.oid, 'reporter', 'member') and not reader.rolsuper and reader.rolname <> current_user
  and not pg_has_role(reader.oid, 'loader', 'member') and not pg_has_role(reader.oid, 'transformer', 'member')
  and (
    reader.rolname = 'reporter'
    or reader.rolcanlogin and not coalesce(reader.rolconfig, '{}')::text like '%%statement_timeout=%%'
  )
  and %(setting)s <> all(coalesce(known.setconfig, '{}'))
order by 1
"""
REPORTER = "alter role {role} set statement_timeout = {limit}"
MEMBER = "alter role {role} in database {database} set statement_timeout = {limit}"


def limit_readers(connection: psycopg.Connection, timeout: timedelta) -> None:
    """Give every reader the limit, from its next login on. Raises HeadwaterError for a login that is another's."""
    limit = f"{timeout // timedelta(milliseconds=1)}ms"
    for role, database in connection.execute(READERS, {"setting": f"statement_timeout={limit}"}).fetchall():
        names = {"role": sql.Identifier(role), "database": sql.Identifier(database), "limit": sql.Literal(limit)}
        statement = sql.SQL(REPORTER if role == "reporter" else MEMBER).format(**names)
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            raise HeadwaterError(
                f"The login {role} reads marts and this one may not change it, so its queries have no limit; let an"
                f" administrator run: {statement.as_string(connection)}"
            ) from error


@contextmanager
def reading(url: str | None = None, application: str = "headwater") -> Iterator[psycopg.Connection]:
    """The marts of one delivery, as readers see them: one transaction that only reads.

    Raises HeadwaterError when a query takes longer than readers may.
    """
    try:
        with connect("reporter", url=url, application=application) as connection, connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            yield connection
    except psycopg.errors.QueryCanceled as error:
        limit = load_pipeline().readers.statement_timeout
        raise HeadwaterError(
            f"A query on marts was ended after {limit.total_seconds():.0f} s ({str(error).splitlines()[0]}). Ask for"
            " fewer days, give the mart the index that the filter needs (its config in dbt/models/marts), or raise"
            " readers.statement_timeout in pipeline.yml and run `python -m warehouse migrate`."
        ) from error
