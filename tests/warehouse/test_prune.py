"""Retention: what goes, what stays whatever its age, and that no count of the past is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from monitoring.collector import OpsCollector
from settings import load_pipeline
from warehouse import prune as prune_module
from warehouse.__main__ import app
from warehouse.prune import prune

Query = Callable[[str], list[tuple[Any, ...]]]
OLD, RECENT = "now() - interval '500 d'", "now() - interval '10 d'"


@pytest.fixture
def execute(clean_warehouse: str) -> Query:
    def run(text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(clean_warehouse, autocommit=True) as connection:
            found = connection.execute(text.encode())
            return found.fetchall() if found.description else []

    return run


@pytest.fixture
def load(execute: Query) -> Callable[..., uuid.UUID]:
    """One sync of stripe.charges with one load: 8 kept, 1 there already, 1 rejected."""

    def add(at: str, kind: str = "sync", status: str = "succeeded") -> uuid.UUID:
        load_id, run_id = uuid.uuid4(), uuid.uuid4()
        execute(
            "insert into ops.runs (run_id, source, stream, kind, status, started_at, finished_at)"
            f" values ('{run_id}', 'stripe', 'charges', '{kind}', '{status}', {at}, {at})"
        )
        execute(
            "insert into ops.loads (load_id, run_id, source, stream, received, kept, already_there, rejected, bytes,"
            f" origin, committed_at) values ('{load_id}', '{run_id}', 'stripe', 'charges', 10, 8, 1, 1, 9, 'p', {at})"
        )
        return load_id

    return add


def reject(execute: Query, load_id: uuid.UUID, key: str, status: str, at: str) -> None:
    execute(
        "insert into ops.quarantine (source, stream, record_key, record, content_hash, errors, origin, load_id, status,"
        " quarantined_at, resolved_at, discarded_by, discard_reason)"
        f" values ('stripe', 'charges', '{key}', 'x', sha256('{key}'), '{{broken}}', 'p', '{load_id}', '{status}',"
        f" {at}, case when '{status}' <> 'open' then {at} end, 'me', 'why')"
    )


def test_old_loads_and_runs_go_and_the_counters_do_not_fall(
    clean_warehouse: str, execute: Query, load: Callable[..., uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    registry.register(OpsCollector(clean_warehouse))

    def counters() -> list[float | None]:
        key = {"source": "stripe", "stream": "charges"}
        results = [{"result": result} for result in ("kept", "already_there", "rejected")]
        kept = [registry.get_sample_value("pipeline_records_total", key | result) for result in results]
        runs = [{"status": status} for status in ("succeeded", "failed")]
        return kept + [registry.get_sample_value("pipeline_runs_total", key | status) for status in runs]

    monkeypatch.setattr(prune_module, "AT_ONCE", 2)
    for _ in range(4):
        load(OLD)
    load(OLD, status="failed")
    load(OLD, kind="webhooks")
    load(RECENT)
    before = counters()
    assert before == [56, 7, 7, 5, 1]
    done = prune()
    assert (done.deleted["loads"], done.deleted["runs"], done.old_open) == (6, 6, {})
    assert execute("select (select count(*) from ops.loads), (select count(*) from ops.runs)") == [(1, 1)]
    assert counters() == before
    load(OLD)
    prune()
    assert counters() == [64, 8, 8, 6, 1]
    assert set(prune().deleted.values()) == {0}


def test_open_records_and_loaded_files_stay_with_the_loads_that_brought_them(
    execute: Query, load: Callable[..., uuid.UUID]
) -> None:
    loads = [load(OLD) for _ in range(4)]
    reject(execute, loads[0], "open", "open", OLD)
    reject(execute, loads[1], "replayed", "replayed", OLD)
    reject(execute, loads[1], "discarded", "discarded", OLD)
    reject(execute, loads[2], "just", "discarded", RECENT)
    execute(
        "insert into ops.files (source, stream, sha256, name, size, modified_at, records, load_id)"
        f" values ('stripe', 'charges', 'a', 'a.csv', 1, {OLD}, 10, '{loads[3]}')"
    )
    done = prune()
    assert (done.deleted["quarantine"], done.deleted["loads"], done.deleted["runs"]) == (2, 1, 1)
    assert done.old_open == {"stripe.charges": 1}
    assert execute("select record_key from ops.quarantine order by 1") == [("just",), ("open",)]
    assert execute("select count(*) from ops.files") == [(1,)]
    shown = CliRunner().invoke(app, ["prune"]).stdout
    assert "stripe.charges: 1 open quarantined records are older than that; they stay" in shown


def test_the_published_delivery_and_the_newest_comparison_stay_whatever_their_age(execute: Query) -> None:
    execute(
        "insert into ops.deliveries (delivery_id, day, as_of, status, opened_at, published_at)"
        " select md5(n::text)::uuid, '2020-01-01', now(), case when n = 2 then 'published' else 'failed' end,"
        "  now() - interval '500 d' + n * interval '1 d', case when n = 2 then now() end"
        " from generate_series(1, 4) as n;"
        " insert into ops.publications select delivery_id, 'mart', 1 from ops.deliveries;"
        " insert into ops.mart_sources select delivery_id, 'mart', 'stripe', 'charges' from ops.deliveries;"
        " insert into ops.delivery_sources select delivery_id, 'stripe', 'charges', now() from ops.deliveries;"
        " insert into ops.check_results (delivery_id, layer, kind, name, subject, severity, status)"
        "  select delivery_id, 'dbt', 'unique', 'u', 's', 'error', 'passed' from ops.deliveries;"
        " insert into ops.scorecards (day, metric, unit, status, delivery_id)"
        "  select '2020-01-01'::date + n, 'quality_score', 'percent', 'good', md5(n::text)::uuid"
        "  from generate_series(1, 4) as n;"
        " insert into ops.reconciliations (reconciliation_id, source, stream, window_end, at_source, in_raw, missing,"
        "  differing, repaired, only_in_raw, in_quarantine, details, finished_at)"
        "  select gen_random_uuid(), 'stripe', 'charges', now(), 1, 1, 0, 0, 0, 0, 0, '{}',"
        "  now() - interval '500 d' + n * interval '1 d' from generate_series(1, 3) as n"
    )
    done = prune()
    assert (done.deleted["deliveries"], done.deleted["reconciliations"]) == (2, 2)
    for table in ("deliveries", "publications", "check_results", "mart_sources", "delivery_sources"):
        assert execute(f"select count(*) from ops.{table}") == [(2,)]
    assert execute("select status from ops.deliveries order by opened_at") == [("published",), ("failed",)]
    assert execute("select count(*), count(delivery_id) from ops.scorecards") == [(4, 2)]


def test_webhooks_go_when_no_sender_repeats_them_and_what_waits_stays(execute: Query) -> None:
    execute(
        "insert into ops.webhook_events (source, event_id, topic, occurred_at, body, headers, streams, status,"
        " finished_at) select 'stripe', status || age, 't', now(), 'b', '{}', '{}', status,"
        " case when status <> 'pending' then now() - age * interval '1 d' end"
        " from unnest(array['pending', 'processed', 'failed']) as status, unnest(array[29, 31]) as age"
    )
    assert prune().deleted["webhook_events"] == 2
    assert execute("select event_id from ops.webhook_events order by 1") == [
        ("failed29",),
        ("pending29",),
        ("pending31",),
        ("processed29",),
    ]


def test_what_pipeline_yml_does_not_name_is_kept(execute: Query, load: Callable[..., uuid.UUID]) -> None:
    reject(execute, load(OLD), "replayed", "replayed", OLD)
    prune(load_pipeline().model_copy(update={"retention": {}}))
    assert execute("select (select count(*) from ops.loads), (select count(*) from ops.quarantine)") == [(1, 1)]
