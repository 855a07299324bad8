"""The rules of the dbt project that no single model can show: read from dbt's manifest, without a database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from dbt.artifacts.resources.types import NodeType
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, ModelNode, SeedNode

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
PII = {"none", "direct", "indirect", "pseudonym"}


@pytest.fixture(scope="module")
def models(manifest: Manifest) -> list[ModelNode]:
    return [node for node in manifest.nodes.values() if isinstance(node, ModelNode)]


def layer(unique_id: str, manifest: Manifest) -> str:
    if unique_id.startswith("source."):
        return "raw"
    return str(manifest.nodes[unique_id].schema)


def test_each_layer_reads_only_the_layer_before(models: list[ModelNode], manifest: Manifest) -> None:
    may_read = {
        "staging": {"raw"},
        "intermediate": {"staging", "intermediate"},
        "marts_candidate": {"intermediate"},
    }
    wrong = [
        (model.name, parent)
        for model in models
        for parent in model.depends_on.nodes
        if layer(parent, manifest) not in may_read[model.schema]
    ]
    assert wrong == []


def test_no_model_names_a_schema_itself(models: list[ModelNode]) -> None:
    """Behind dbt's back there is neither lineage nor order."""
    named = re.compile(r"\b(?:from|join)\s+(?:raw|ops|staging|intermediate|marts|marts_candidate)\.", re.IGNORECASE)
    assert [model.name for model in models if named.search(model.raw_code)] == []


def test_staging_stands_one_to_one_with_raw_and_never_joins(models: list[ModelNode], manifest: Manifest) -> None:
    """A raw table has one model of what is current, and at most one of all its versions."""
    staging = [model for model in models if model.schema == "staging"]
    current = {f"stg_{it.source_name}__{it.name}": it.unique_id for it in manifest.sources.values()}
    histories = {f"{name}_history": source for name, source in current.items()}
    assert current.keys() <= {model.name for model in staging}
    assert {model.name: model.depends_on.nodes for model in staging} == {
        model.name: [(current | histories)[model.name]] for model in staging
    }
    for model in staging:
        assert not re.search(r"\bjoin\b", model.raw_code), model.name
        assert ("all_versions(" if model.name in histories else "current_versions(") in model.raw_code, model.name


def test_what_grows_is_incremental_and_marts_are_tables(models: list[ModelNode]) -> None:
    """What is summed ahead (`int_*`) and a history are incremental too; a step is no table at all."""
    incremental = {"stg", "fct", "int"}
    for model in models:
        prefix = "fct" if model.name.endswith("_history") else model.name.partition("_")[0]
        kind = "ephemeral" if "steps" in model.fqn else "incremental" if prefix in incremental else "table"
        assert model.config.materialized == kind, model.name


def test_a_model_is_short_enough_to_take_in(models: list[ModelNode]) -> None:
    lines = {model.name: len((PROJECT / model.original_file_path).read_text().splitlines()) for model in models}
    assert {name: count for name, count in lines.items() if count > 70} == {}


def test_every_model_says_what_it_is_beside_itself(models: list[ModelNode]) -> None:
    for model in models:
        assert model.description, model.name
        assert model.patch_path is not None
        assert model.patch_path.removeprefix("headwater://") == str(Path(model.original_file_path).with_suffix(".yml"))
        assert model.raw_code.rstrip().endswith("select * from final"), model.name


def test_every_column_says_what_it_is_and_how_personal(models: list[ModelNode], manifest: Manifest) -> None:
    seeds = [node for node in manifest.nodes.values() if isinstance(node, SeedNode)]
    things: list[Any] = [*models, *seeds, *manifest.sources.values()]
    for thing in things:
        for column in thing.columns.values():
            assert column.description, f"{thing.name}.{column.name}"
            assert column.config.meta.get("pii") in PII, f"{thing.name}.{column.name}"


def test_no_mart_holds_personal_data(models: list[ModelNode]) -> None:
    personal = [
        f"{model.name}.{column.name}"
        for model in models
        if model.schema == "marts_candidate"
        for column in model.columns.values()
        if column.config.meta["pii"] in ("direct", "indirect")
    ]
    assert personal == []


def test_every_test_has_a_parent(manifest: Manifest) -> None:
    """A test without one runs nowhere when tests are run after each model."""
    tests = [node for node in manifest.nodes.values() if node.resource_type == NodeType.Test]
    assert tests
    assert [test.name for test in tests if not test.depends_on.nodes] == []


def test_every_model_has_a_unique_key(models: list[ModelNode], manifest: Manifest) -> None:
    tested: dict[str, set[str]] = {}
    for node in manifest.nodes.values():
        if isinstance(node, GenericTestNode) and node.attached_node:
            tested.setdefault(node.attached_node, set()).add(node.test_metadata.name)
    for model in models:
        kinds = tested.get(model.unique_id, set())
        assert kinds & {"unique", "unique_combination_of_columns"}, model.name
