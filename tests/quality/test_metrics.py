"""The metric dictionary is made out of the models' own descriptions, and the committed page is current."""

from __future__ import annotations

from typing import Any

import pytest

from quality.metrics import PAGE, Manifest, page, parse
from settings import HeadwaterError


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return parse()


def test_the_committed_page_is_current(manifest: Manifest) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(manifest), "run `make metrics` and commit docs/metrics.md"


def test_each_metric_stands_once_with_all_its_marts(manifest: Manifest) -> None:
    text = page(manifest)
    assert text.count("### `net_sales` (money)") == 1
    part = text.partition("### `net_sales` (money)")[2].partition("###")[0]
    assert "`gross_sales − discounts − returns`" in part
    assert "- `daily_revenue.net_sales`\n" in part and "- `customer_lifetime_value.net_sales`\n" in part


def test_a_metric_that_no_mart_has_is_named() -> None:
    block: dict[str, Any] = {
        **{"unique_id": "doc.headwater.gone", "package_name": "headwater", "name": "gone"},
        **{"path": "marts/_sales.md", "block_contents": "Was here."},
    }
    with pytest.raises(HeadwaterError, match=r"No mart has the metric gone of dbt/models/marts/_sales\.md"):
        page({"docs": {"doc.headwater.gone": block}, "nodes": {}})


def test_a_project_that_dbt_cannot_read_is_refused_in_its_words(tmp_path: Any) -> None:
    with pytest.raises(HeadwaterError, match="dbt cannot read the project"):
        parse(tmp_path)
