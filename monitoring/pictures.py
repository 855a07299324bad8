"""What the business dashboard shows, read from marts with the dashboard's own queries: the report shows the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from monitoring.words import cell

DASHBOARD = Path(__file__).with_name("grafana") / "dashboards" / "business.json"
RANGE_DAYS = 90
DRAWN = {"timeseries", "barchart", "table"}


@dataclass(frozen=True)
class Picture:
    """A panel of the dashboard with the answer to its query. `currency` is that of its money, if it has any.

    `width` is in the page's 24 columns, `height` in a dashboard's rows.
    """

    section: str
    panel: dict[str, Any]
    columns: list[str]
    rows: list[tuple[Any, ...]]
    currency: str | None

    @property
    def name(self) -> str:
        """For ids: unique on the page."""
        return f"picture-{self.panel['id']}"

    @property
    def title(self) -> str:
        return str(self.panel["title"])

    @property
    def description(self) -> str:
        return str(self.panel["description"])

    @property
    def words(self) -> str:
        return f"{self.title}. {self.description.replace('`', '')}"

    @property
    def kind(self) -> str:
        """timeseries, barchart, table; or heat, a table with coloured cells."""
        return "heat" if self.heated else str(self.panel["type"])

    @property
    def width(self) -> int:
        return int(self.panel["gridPos"]["w"])

    @property
    def height(self) -> int:
        return int(self.panel["gridPos"]["h"])

    @property
    def unit(self) -> str:
        return str(self.panel["fieldConfig"]["defaults"]["unit"])

    @property
    def counted_in(self) -> str:
        """The currency of a picture whose numbers all are money; else nothing."""
        laid_on = [one["options"]["applyTo"]["id"] for one in self.panel.get("transformations", [])]
        return self.currency if self.currency and laid_on == ["byType"] else ""

    @property
    def stacked(self) -> bool:
        custom = self.panel["fieldConfig"]["defaults"].get("custom", {})
        return bool("stacking" in custom or self.panel["options"].get("stacking") == "normal")

    @property
    def lying(self) -> bool:
        return bool(self.panel["options"].get("orientation") == "horizontal")

    @cached_property
    def colours(self) -> dict[str, str]:
        """Those of the panel's own."""
        return {
            override["matcher"]["options"]: value["fixedColor"]
            for override, value in self._overrides("color")
            if override["matcher"]["id"] == "byName"
        }

    @cached_property
    def heated(self) -> list[str]:
        """The columns whose cells are coloured by their value."""
        backgrounds = [
            override for override, value in self._overrides("custom.cellOptions") if value["type"] == "color-background"
        ]
        return [name for name in self.columns if any(_matches(override, name) for override in backgrounds)]

    def text(self, column: str, value: Any) -> str:
        """A value as people read it."""
        units = [unit for override, unit in self._overrides("unit") if _matches(override, column)]
        if value is not None and (units or [self.unit])[-1] == "percentunit":
            return f"{value:.1%}"
        return cell(value)

    def _overrides(self, wanted: str) -> Iterator[tuple[dict[str, Any], Any]]:
        for override in self.panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                if one["id"] == wanted:
                    yield override, one["value"]


def _matches(override: dict[str, Any], column: str) -> bool:
    matcher = override["matcher"]
    if matcher["id"] == "byRegexp":
        return re.search(matcher["options"].strip("/"), column) is not None
    return bool(matcher["options"] == column)


def read_pictures(connection: psycopg.Connection, last: date) -> list[Picture]:
    """Every panel but the numbers of the day, over the 90 days to `last`.

    A panel that asks for what the published marts do not have yet is left out: they are of an older version.
    """
    ends = {"$__timeFrom()": last - timedelta(days=RANGE_DAYS - 1), "$__timeTo()": last}
    found, section = [], ""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        if panel["type"] == "row":
            section = panel["title"]
        elif panel["type"] in DRAWN:
            queries = {target["refId"]: target["rawSql"] for target in panel["targets"]}
            for macro, day in ends.items():
                queries["A"] = queries["A"].replace(macro, f"'{day}'")
            try:
                with connection.transaction():
                    cursor = connection.execute(queries["A"].encode())
                    columns, rows = [column.name for column in cursor.description or []], cursor.fetchall()
                    unit = (
                        connection.execute(queries["currency"].encode()).fetchone() if "currency" in queries else None
                    )
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
                continue
            currency = str(unit[0]).removeprefix("currency:").strip() if unit else None
            if rows:
                found.append(Picture(section, panel, columns, rows, currency))
    return found
