"""What readers of the marts may rely on, and who answers for it: contracts, versions, access, owners, exposures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from dbt.artifacts.resources.types import AccessType
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, ModelNode

from quality.expectations import load_expectations
from warehouse.publish import ABOUT

DASHBOARDS = Path(__file__).resolve().parents[2] / "monitoring" / "grafana" / "dashboards"
# A column beside a macro or variable of Grafana's: `day between $a and $b`, `day >= $a`, `region in ($regions)`.
COMPARED = re.compile(r"(?:(\w+)\.)?(\w+)\s+(?:between\s+\$\S+\s+and|[<>=]+|in)\s+[('\s]*\$\S+", re.IGNORECASE)
MEASURES = ("numeric", "bigint", "integer", "double precision")


@pytest.fixture(scope="module")
def models(manifest: Manifest) -> list[ModelNode]:
    return [node for node in manifest.nodes.values() if isinstance(node, ModelNode)]


@pytest.fixture(scope="module")
def marts(models: list[ModelNode]) -> list[ModelNode]:
    return [model for model in models if model.schema == "marts_candidate"]


def test_a_mart_is_a_versioned_contract_that_all_may_read(marts: list[ModelNode]) -> None:
    for mart in marts:
        assert mart.access == AccessType.Public, mart.name
        assert mart.config.contract.enforced, mart.name
        assert mart.version is not None, f"{mart.name}: give it `versions: [{{v: 1}}]`"
        assert [column.name for column in mart.columns.values() if not column.data_type] == [], mart.name
        assert mart.version != mart.latest_version or mart.alias == mart.name


def test_nothing_else_is_public_and_staging_is_its_groups_own(models: list[ModelNode]) -> None:
    for model in models:
        if model.schema == "staging":
            assert model.access == AccessType.Private, model.name
        elif model.schema != "marts_candidate":
            assert model.access in (AccessType.Private, AccessType.Protected), model.name


def test_a_step_that_no_mart_reads_is_private(models: list[ModelNode], marts: list[ModelNode]) -> None:
    """So it may change without a look at the marts."""
    read = {parent for mart in marts for parent in mart.depends_on.nodes}
    for model in models:
        if model.name.startswith("int_") and model.unique_id not in read:
            assert model.access == AccessType.Private, f"{model.name}: say `config: {{access: private}}`"


def test_every_model_has_an_owner_who_can_be_asked(models: list[ModelNode], manifest: Manifest) -> None:
    groups = {group.name: group for group in manifest.groups.values()}
    for group in groups.values():
        assert group.owner.name and group.owner.email and group.description, group.name
    assert {model.name: model.group for model in models if model.group not in groups} == {}
    assert {model.group for model in models if model.schema == "marts_candidate"}.isdisjoint(
        model.group for model in models if model.schema != "marts_candidate"
    )


def test_every_mart_has_a_reader_and_readers_read_only_marts(marts: list[ModelNode], manifest: Manifest) -> None:
    known = {mart.unique_id for mart in marts}
    read: set[str] = set()
    for exposure in manifest.exposures.values():
        assert exposure.description and exposure.owner.email and exposure.label, exposure.name
        assert set(exposure.depends_on.nodes) <= known, exposure.name
        read.update(exposure.depends_on.nodes)
    assert read == known, "name the new mart in exposures.yml"


def test_an_exposure_names_each_dashboard_and_what_it_reads(manifest: Manifest) -> None:
    exposed = {
        str(exposure.url).rpartition("/")[2]: {node.split(".")[2] for node in exposure.depends_on.nodes}
        for exposure in manifest.exposures.values()
        if exposure.url
    }
    for path in DASHBOARDS.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        reads = set(re.findall(r"\bmarts\.(\w+)", text)) - set(ABOUT)
        if reads:
            assert reads <= exposed.get(path.stem, set()), f"{path.name}: exposures.yml must say what it reads"


def test_an_index_serves_each_range_of_time_that_a_dashboard_asks_for(marts: list[ModelNode]) -> None:
    """And each variable, should there be any: a column that is held against what begins with a dollar leads one."""
    leading = {mart.alias: {index["columns"][0] for index in mart.config.get("indexes") or []} for mart in marts}
    held = {name for path in DASHBOARDS.glob("*.json") for query in queries(path) for name in held_against(query)}
    assert {("daily_revenue", "day"), ("email_campaign_performance", "sent_day")} <= held
    assert [f"{mart}.{column}" for mart, column in sorted(held) if column not in leading[mart]] == []


def test_the_delivery_checks_know_the_key_of_every_mart_and_an_index_serves_it(
    marts: list[ModelNode], manifest: Manifest
) -> None:
    blocks = load_expectations().marts
    assert set(blocks) == {mart.alias for mart in marts}
    for mart in marts:
        key = blocks[mart.alias].key
        assert unique_key(mart, manifest) == set(key), mart.name
        first = {index["columns"][0] for index in mart.config.get("indexes") or []}
        assert first & set(key), f"{mart.name}: give it an index that begins with a column of its key"
        untested = set(key) - not_null(mart, manifest)
        assert untested == set(), f"{mart.name}: a column of the key is null without any test noticing"


def test_every_measure_is_described_once_in_the_metric_dictionary(marts: list[ModelNode]) -> None:
    """One formula for all marts: a column with a number begins with a docs block, `{{ doc('net_sales') }}`."""
    undescribed = [
        f"{mart.name}.{column.name}"
        for mart in marts
        for column in mart.columns.values()
        if str(column.data_type).startswith(MEASURES) and len(column.doc_blocks) != 1
    ]
    assert undescribed == []


def queries(dashboard: Path) -> list[str]:
    panels = json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
    return [target["rawSql"] for panel in panels for target in panel.get("targets", []) if "rawSql" in target]


def held_against(query: str) -> set[tuple[str, str]]:
    """(mart, column) of each column that a query compares with the dashboard's range of time or a variable."""
    sources = re.findall(r"\b(?:from|join)\s+marts\.(\w+)(?:\s+as\s+(\w+))?", query)
    named = {alias or mart: mart for mart, alias in sources}
    assert "$" not in COMPARED.sub("", query), f"a comparison that this test cannot read: {query}"
    return {(named[alias] if alias else sources[0][0], column) for alias, column in COMPARED.findall(query)}


def unique_key(model: ModelNode, manifest: Manifest) -> set[str]:
    for test in generic_tests(model, manifest):
        if test.test_metadata.name == "unique":
            return {str(test.column_name)}
        if test.test_metadata.name == "unique_combination_of_columns":
            return set(test.test_metadata.kwargs["combination_of_columns"])
    return set()


def not_null(model: ModelNode, manifest: Manifest) -> set[str]:
    return {str(test.column_name) for test in generic_tests(model, manifest) if test.test_metadata.name == "not_null"}


def generic_tests(model: ModelNode, manifest: Manifest) -> list[GenericTestNode]:
    nodes = manifest.nodes.values()
    return [node for node in nodes if isinstance(node, GenericTestNode) and node.attached_node == model.unique_id]
