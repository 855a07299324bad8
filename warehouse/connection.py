"""Connections to the warehouse, each limited to the role of the room that opens it."""

from __future__ import annotations

from typing import Literal

import psycopg
from psycopg import conninfo, sql

from settings import HeadwaterError, setting

Role = Literal["loader", "transformer", "checker", "monitor", "reporter"]

# A role's settings (how long a query may take) come with its login; `set role` gives its rights alone.
ROLE_SETTINGS = """
select set_config(split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1), false)
from pg_roles, unnest(rolconfig) as setting where rolname = current_user
"""


def warehouse_url() -> str:
    """WAREHOUSE_URL: a login that owns the database, or one that was granted the roles it needs."""
    url = setting("WAREHOUSE_URL")
    try:
        conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise HeadwaterError(
            "WAREHOUSE_URL cannot be read; write it as postgresql://user:password@host:port/database."
        ) from error
    return url


def connect(role: Role | None = None, *, url: str | None = None, application: str = "headwater") -> psycopg.Connection:
    """An autocommit connection acting as `role` (the login's own rights without one).

    Raises HeadwaterError when the server cannot be reached, refuses the login or lacks the role.
    """
    url = url or warehouse_url()
    try:
        connection = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=10,
            application_name=application,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
    except psycopg.OperationalError as error:
        raise HeadwaterError(f"The warehouse at {_address(url)} cannot be used: {_reason(error)}") from error
    if role:
        try:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            connection.execute(ROLE_SETTINGS)
        except psycopg.Error as error:
            connection.close()
            raise HeadwaterError(
                f"The login of WAREHOUSE_URL may not act as {role!r} ({_reason(error)});"
                " run `python -m warehouse migrate`."
            ) from error
    return connection


def _address(url: str) -> str:
    parts = conninfo.conninfo_to_dict(url)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _reason(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
