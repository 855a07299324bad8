"""dbt's documentation: one page that holds every model and every exposure with its lineage, and asks for nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monitoring.dbt_docs import write_dbt_docs
from monitoring.report import write_report
from quality.metrics import parse
from settings import HeadwaterError
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def page(warehouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dbt_docs(tmp_path_factory.mktemp("reports") / "docs" / "index.html", warehouse_url)


def within(page: Path, name: str) -> dict[str, Any]:
    """The `manifest` or the `catalog` that dbt has put into the page."""
    text = page.read_text(encoding="utf-8")
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text, text.index(f'{name}:{{"metadata"') + len(name) + 1)[0]
    return found


def test_it_holds_the_lineage_of_every_model_and_exposure(page: Path) -> None:
    project, shown = parse(), within(page, "manifest")
    models = {key for key, node in project["nodes"].items() if node["resource_type"] == "model"}
    assert len(models) > 60 and models | project["exposures"].keys() <= shown["parent_map"].keys()
    for key in models | project["exposures"].keys():
        assert sorted(shown["parent_map"][key]) == sorted(project["parent_map"][key]), key
        assert shown["nodes" if key in models else "exposures"][key]["description"]


def test_its_catalog_knows_the_columns_of_the_tables_that_dbt_may_read(page: Path) -> None:
    catalog = within(page, "catalog")
    assert not catalog["errors"]
    sources = within(page, "manifest")["sources"]
    assert set(catalog["sources"]) == set(sources)
    assert all("source_data" in table["columns"] for table in catalog["sources"].values())


def test_it_asks_for_nothing_from_elsewhere_and_leads_to_the_report(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]*\s(?:src|href)=["']?(?:https?:)?//""", text)
    overview = within(page, "manifest")["docs"]["doc.headwater.__overview__"]["block_contents"]
    assert "(../index.html)" in overview


def test_the_report_leads_to_it_where_it_is(page: Path, warehouse_url: str) -> None:
    report = write_report(page.parent.parent / "index.html", warehouse_url)
    assert report.read_text().count('href="docs/index.html"') == 2
    alone = write_report(page.parent.parent / "alone" / "index.html", warehouse_url)
    assert "docs/index.html" not in alone.read_text()


def test_a_project_that_dbt_cannot_read_is_said_in_a_line_and_leaves_the_old_page(
    page: Path, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = page.read_text(encoding="utf-8")
    monkeypatch.setenv("HEADWATER_DBT_PROJECT", str(tmp_path))
    command = [sys.executable, "-m", "monitoring", "docs", "--out", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "`dbt docs generate` ended with" in done.stderr and "Traceback" not in done.stderr
    with pytest.raises(HeadwaterError, match="dbt docs generate"):
        write_dbt_docs(page, warehouse_url)
    assert page.read_text(encoding="utf-8") == before and list(page.parent.iterdir()) == [page]
