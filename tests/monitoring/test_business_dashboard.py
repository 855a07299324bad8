"""The business dashboard: every panel's query answers with what its picture needs, as Grafana's own login.

Grafana puts the range's ends, quoted, in place of $__timeFrom() and $__timeTo(): the only two of its macros in use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from mock_apis.world.world import World
from tests.monitoring.published_marts import publish_marts
from tests.quality.seeds import contract
from warehouse.migrate import migrate
from warehouse.publish import ABOUT

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "monitoring" / "grafana"
BOARD = json.loads((GRAFANA / "dashboards" / "business.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
TODAY = date(2026, 3, 7)  # the 15 days before are of two months
NUMBERS = {"int2", "int4", "int8", "float8", "numeric"}
TIMES = {"timestamp", "timestamptz"}
TEXT = {"text", "varchar"}
OF_DELIVERY = {"day", "as_of", "published_at", "stale_sources", "complete_to"}

Column = tuple[str, str]


@pytest.fixture(scope="module")
def marts(new_warehouse: Callable[[str], str]) -> Iterator[psycopg.Connection]:
    """A connection as Grafana makes it."""
    url = new_warehouse("business_dashboard")
    publish_marts(url, World(seed=7, size="tiny", today=TODAY))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASHBOARD_PASSWORD", "demo")
        migrate(url)
    with psycopg.connect(make_conninfo(url, user="dashboard", password="demo"), autocommit=True) as connection:
        yield connection


def answer(marts: psycopg.Connection, query: str) -> tuple[list[Column], list[tuple[Any, ...]]]:
    """Names and types of the columns, and the rows, of the 15 days that the shop has lived."""
    ends = {"$__timeFrom()": TODAY - timedelta(days=14), "$__timeTo()": TODAY}
    for macro, day in ends.items():
        query = query.replace(macro, f"'{day}T12:30:00.123Z'")
    assert "$" not in query, "a macro or variable that this test does not expand"
    cursor = marts.execute(query.encode())
    types = psycopg.adapters.types
    return [(each.name, types[each.type_code].name) for each in cursor.description or []], cursor.fetchall()


def queries(panel: dict[str, Any]) -> dict[str, str]:
    return {target["refId"]: target["rawSql"] for target in panel["targets"]}


def tables(panel: dict[str, Any]) -> set[str]:
    """The marts that a panel reads."""
    return set(re.findall(r"\bmarts\.(\w+)", queries(panel)["A"])) - set(ABOUT)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_has_what_its_picture_needs(marts: psycopg.Connection, panel: dict[str, Any]) -> None:
    columns, rows = answer(marts, queries(panel)["A"])
    names, types = [name for name, _ in columns], dict(columns)
    assert rows and len(set(names)) == len(names) and {kind for _, kind in columns} <= NUMBERS | TIMES | TEXT | {"date"}
    empty = {name for place, name in enumerate(names) if all(row[place] is None for row in rows)}
    assert all(name.isdecimal() and int(name) > 1 for name in empty), "only a month that nobody has lived may be empty"
    numeric = [name for name in names if types[name] in NUMBERS]
    options = panel["options"]
    match panel["type"]:
        case "timeseries":
            assert panel["targets"][0]["format"] == "time_series"
            assert names[0] == "time" and types["time"] in TIMES
            assert [row[0] for row in rows] == sorted(row[0] for row in rows)
            others = names[2:] if "metric" in names else names[1:]
            assert others and others == numeric
            assert len({row[: names.index(others[0])] for row in rows}) == len(rows), "two values for one point"
        case "barchart":
            assert names[0] == options["xField"] and types[names[0]] in TEXT and numeric == names[1:]
            assert len(rows) <= 25
            assert any(value for row in rows for value in row[1:])
        case "stat":
            (shown,) = names
            assert len(rows) == 1 and (types[shown] in NUMBERS or options["reduceOptions"]["fields"] == f"/^{shown}$/")
        case "table":
            assert len(rows) <= 120
            if "color-background" in json.dumps(panel):
                months = [name for name in names if name.isdecimal()]
                assert months == [str(number) for number in range(len(months))] and set(months) <= set(numeric)
                heats = [row[names.index("0") :] for row in rows]
                assert all(0 <= value <= 1 for heat in heats for value in heat if value is not None)
                assert any(heat[1] for heat in heats) and all(heat[0] == 1 for heat in heats)
        case kind:
            raise AssertionError(f"say here what a {kind} needs")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_money_has_the_currency_of_the_data(marts: psycopg.Connection, panel: dict[str, Any]) -> None:
    """The second query's `unit` is laid on the first one's money; Grafana has no variables in a unit."""
    columns, _ = answer(marts, queries(panel)["A"])
    names = [name for name, _ in columns]
    money = {
        name
        for table in tables(panel)
        for name, kind in contract(table).items()
        if kind == "numeric(18, 2)" and name in names
    }
    if not money or "currency" in names:
        assert list(queries(panel)) == ["A"] and "transformations" not in panel
        return
    assert answer(marts, queries(panel)["currency"])[1] == [("currency:EUR ",)]
    (transformation,) = panel["transformations"]
    assert transformation["id"] == "configFromData" and transformation["options"]["configRefId"] == "currency"
    target = transformation["options"]["applyTo"]
    if target["id"] == "byRegexp":
        assert {name for name in names if re.search(target["options"].strip("/"), name)} == money
    else:
        assert target == {"id": "byType", "options": "number"}
        assert {name for name, kind in columns if kind in NUMBERS} == money


def test_each_description_names_its_terms_as_the_dictionary_does() -> None:
    metrics = set(re.findall(r"^### `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    for panel in PANELS:
        named = re.findall(r"`(\w+)`", panel["description"])
        columns = OF_DELIVERY.union(*(contract(table) for table in tables(panel)))
        assert named and set(named) <= metrics | columns, panel["title"]


def test_one_name_has_one_colour_on_every_panel() -> None:
    colours: dict[str, set[str]] = {}
    for panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["color"]["mode"] == "palette-classic-by-name"
        for override in panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                if one["id"] == "color" and one["value"]["mode"] == "fixed":
                    colours.setdefault(override["matcher"]["options"], set()).add(one["value"]["fixedColor"])
    assert [name for name, found in colours.items() if len(found) > 1] == []


def test_grafana_logs_in_as_the_role_that_may_only_read_marts(marts: psycopg.Connection) -> None:
    files = [yaml.safe_load(path.read_text()) for path in (GRAFANA / "provisioning" / "datasources").glob("*.yml")]
    (source,) = [one for file in files for one in file["datasources"] if one["uid"] == "marts"]
    assert source["user"] == marts.info.user and source["secureJsonData"] == {"password": "$DASHBOARD_PASSWORD"}
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services["grafana"]["environment"]["DASHBOARD_PASSWORD"] == "${DASHBOARD_PASSWORD}"
    assert services["init"]["environment"]["DASHBOARD_PASSWORD"] == "${DASHBOARD_PASSWORD}"
    assert marts.execute("show statement_timeout").fetchone() == ("15s",)
    readable = "select distinct table_schema from information_schema.role_table_grants where grantee <> 'PUBLIC'"
    assert marts.execute(readable).fetchall() == [("marts",)]
    for forbidden in ("select 1 from ops.deliveries", "select 1 from raw.shopify_orders", "delete from marts.delivery"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            marts.execute(forbidden.encode())
