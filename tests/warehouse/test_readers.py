"""No query of a reader runs for longer than pipeline.yml says; whoever loads and builds takes the time it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg import conninfo

from settings import HeadwaterError
from tests.conftest import ROOT
from warehouse import connect
from warehouse.migrate import migrate
from warehouse.readers import limit_readers, reading

RUNAWAY = "select count(*) from generate_series(1, 1000000000)"


@pytest.fixture
def limited(warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A warehouse with an analyst of the team's own, migrated with the limit of a second."""
    settings = yaml.safe_load((ROOT / "pipeline.yml").read_text())
    settings["readers"]["statement_timeout"] = "1s"
    path = tmp_path / "pipeline.yml"
    path.write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("HEADWATER_PIPELINE", str(path))
    with psycopg.connect(warehouse_url, autocommit=True) as owner:
        owner.execute("create role analyst login password 'secret' in role reporter")
        migrate(warehouse_url)
        yield warehouse_url
        limit_readers(owner, timedelta(seconds=60))  # the roles are the cluster's, and other tests use it
        owner.execute("drop role analyst")


def login(url: str) -> psycopg.Connection:
    return psycopg.connect(conninfo.make_conninfo(url, user="analyst", password="secret"))


OPEN: dict[str, Callable[[str], psycopg.Connection]] = {
    "a login that is a member": login,
    "our own, acting as the role": lambda url: connect("reporter", url=url),
}


@pytest.mark.parametrize("who", OPEN)
def test_a_readers_runaway_query_is_ended(limited: str, who: str) -> None:
    with OPEN[who](limited) as connection, pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
        connection.execute(RUNAWAY)


def test_a_login_with_a_limit_of_its_own_keeps_it(limited: str) -> None:
    with psycopg.connect(limited, autocommit=True) as owner:
        owner.execute(f"alter role analyst in database {owner.info.dbname} reset all".encode())
        owner.execute("alter role analyst set statement_timeout = '15s'")
    migrate(limited)
    with login(limited) as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("15s",)


def test_the_report_says_what_to_do_about_it(limited: str) -> None:
    with pytest.raises(HeadwaterError, match=r"ended after 1 s .*index.*readers\.statement_timeout in pipeline\.yml"):
        with reading(limited) as connection:
            connection.execute(RUNAWAY)


def test_who_loads_builds_or_owns_has_no_limit(limited: str) -> None:
    for role in ("loader", "transformer", None):
        with connect(role, url=limited) as connection:  # type: ignore[arg-type]
            assert connection.execute("show statement_timeout").fetchone() == ("0",), role
