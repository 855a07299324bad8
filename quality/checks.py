"""The delivery checks: what decides whether the candidate may become what readers see."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date

from quality.expectations import Expectations, load_expectations
from quality.gx import SCHEMA, run_expectations
from quality.plan import declare
from quality.results import CheckResult, read_results, replace_results
from settings import HeadwaterError, Pipeline, load_pipeline
from warehouse import connect, warehouse_url
from warehouse.deliveries import fail_delivery, pass_delivery

NAMED = 20  # failed checks that an error message names


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What marts_candidate holds, the shop's day of the delivery's as_of, and the last published row counts."""

    tables: list[str]
    as_of_day: date
    last_rows: dict[str, int]


def run_checks(
    delivery_id: uuid.UUID | str,
    url: str | None = None,
    pipeline: Pipeline | None = None,
    expectations: Expectations | None = None,
) -> list[CheckResult]:
    """Check marts_candidate, record every result, and pass the delivery or fail it; return the results.

    It passes when every check declared (dbt's, and those of expectations.yml) has run and none that blocks failed;
    warnings do not block. Raises HeadwaterError naming each check that blocks with what it observed.
    """
    pipeline = pipeline or load_pipeline()
    expectations = expectations or load_expectations()
    url = url or warehouse_url()
    candidate = _candidate(delivery_id, pipeline, url)
    checks = declare(
        expectations,
        candidate.tables,
        candidate.as_of_day,
        pipeline.quality.recent,
        candidate.last_rows,
        pipeline.quality.usual_rows_share,
        pipeline.quality.unexplained,
    )
    results = run_expectations(checks, candidate.tables, url)
    replace_results(delivery_id, "delivery", results, url)
    _judge(delivery_id, len(checks), len(results), url)
    return results


def _judge(delivery_id: uuid.UUID | str, declared: int, recorded: int, url: str) -> None:
    """Over all layers, from what is recorded: so a dbt stage that left nothing is seen too."""
    everything = read_results(delivery_id, url)
    blocking = [result for result in everything if result.blocks]
    if len(everything) == recorded:
        blocking.append(CheckResult("dbt", "dbt", "dbt build", "error", "errored", "no result of it is recorded"))
    if blocking:
        sentences = [result.sentence for result in blocking[:NAMED]]
        if len(blocking) > NAMED:
            sentences.append(f"and {len(blocking) - NAMED} more (ops.check_results has them all)")
        reason = "; ".join(sentences)
        fail_delivery(delivery_id, "checks", reason, url)
        raise HeadwaterError(f"Not delivered: {reason}. Readers keep the last published day.")
    executed = sum(result.executed for result in everything)
    pass_delivery(delivery_id, len(everything) - recorded + declared, executed, url)


def _candidate(delivery_id: uuid.UUID | str, pipeline: Pipeline, url: str) -> _Candidate:
    with connect("checker", url=url, application="headwater checks") as connection:
        delivery = connection.execute(
            "select as_of from ops.deliveries where delivery_id = %s", (str(delivery_id),)
        ).fetchone()
        if delivery is None:
            raise HeadwaterError(f"There is no delivery {delivery_id}; `python -m warehouse deliveries` lists them.")
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = %s order by 1", (SCHEMA,)
        ).fetchall()
        last = connection.execute(
            "select mart, row_count from ops.publications where delivery_id = (select delivery_id from ops.deliveries"
            " where status = 'published' order by published_at desc limit 1)"
        ).fetchall()
    return _Candidate([name for (name,) in tables], delivery[0].astimezone(pipeline.shop.zone).date(), dict(last))
