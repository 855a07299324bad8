"""Declared checks run by great-expectations inside Postgres, as the role `checker`.

The context is ephemeral: in file mode great-expectations would write the password to disk.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from psycopg import conninfo

from quality.plan import Days, DeclaredCheck
from quality.results import CheckResult, Status

SCHEMA = "marts_candidate"


def run_expectations(checks: Sequence[DeclaredCheck], candidates: Sequence[str], url: str) -> list[CheckResult]:
    """One result for each check, in no special order. A check that cannot run (no such table, no such column)
    is `errored` with the reason; the importing of great-expectations takes some four seconds.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # it reads this when it is imported
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_postgres("warehouse", connection_string=sqlalchemy_url(url))
    results = []
    try:
        for mart in sorted({check.mart for check in checks}):
            of_mart = [check for check in checks if check.mart == mart]
            if mart not in candidates:
                results += [_not_run(check, f"{SCHEMA}.{mart} is not there") for check in of_mart]
                continue
            results += _run_mart(gx, source, mart, of_mart)
    finally:
        source.get_execution_engine().engine.dispose()
    return results


def _run_mart(gx: Any, source: Any, mart: str, checks: Sequence[DeclaredCheck]) -> list[CheckResult]:
    batch = (
        source.add_table_asset(mart, table_name=mart, schema_name=SCHEMA)
        .add_batch_definition_whole_table("candidate")
        .get_batch()
    )
    suite = gx.ExpectationSuite(name=mart)
    for number, check in enumerate(checks):
        severity = "warning" if check.severity == "warn" else "critical"
        expectation = getattr(gx.expectations, check.expectation)
        asked = dict(check.arguments, **_rows(check.days))
        suite.add_expectation(expectation(**asked, severity=severity, meta={"check": number}))
    started = time.monotonic()
    outcome = batch.validate(suite)
    each = (time.monotonic() - started) / len(checks)  # they share their queries: an equal part is the honest one
    found = {result.expectation_config.meta["check"]: result for result in outcome.results}
    return [
        _judge(check, found[number], each) if number in found else _not_run(check, "it did not run")
        for number, check in enumerate(checks)
    ]


def _rows(days: Days | None) -> dict[str, Any]:
    from great_expectations.expectations.row_conditions import Column

    if days is None:
        return {}
    column = Column(days.column)
    return {"row_condition": column >= days.since if days.since else column < days.before}


def _judge(check: DeclaredCheck, outcome: Any, seconds: float) -> CheckResult:
    """By our own severity: a failed warning makes great-expectations' `success` false as well."""
    problem = _exception(outcome.exception_info or {})
    if problem:
        return _not_run(check, problem)
    status: Status = "passed" if outcome.success else "warned" if check.severity == "warn" else "failed"
    observed = _observed(check, outcome.result or {})
    return CheckResult(check.kind, check.name, check.subject, check.severity, status, observed, seconds)


def _observed(check: DeclaredCheck, result: dict[str, Any]) -> str:
    if "unexpected_count" in result:
        rows = f"rows{_when(check.days)}"
        found = f"{result['unexpected_count']} of {result['element_count']} {rows} break it"
        if "mostly" in check.arguments:
            return f"{found}, at most {1 - check.arguments['mostly']:.2%} may"
        values = [str(value) for value in (result.get("partial_unexpected_list") or [])[:3]]
        # Only measures are shown: what a key column holds may name a person.
        shown = check.kind == "not_negative" and values
        return f"{found}, such as {', '.join(values)}" if shown else found
    value = result.get("observed_value")
    if "max_value" in check.arguments:
        return f"{value or 0:.2f}{_when(check.days)}, at most {check.arguments['max_value']:.2f} allowed"
    observed = f"{'no value' if value is None else value}{_when(check.days)}"
    return f"{observed}, at least {check.arguments['min_value']} expected"


def _when(days: Days | None) -> str:
    if days is None:
        return ""
    return f" since {days.since}" if days.since else f" before {days.before}"


def _not_run(check: DeclaredCheck, reason: str) -> CheckResult:
    return CheckResult(check.kind, check.name, check.subject, check.severity, "errored", reason, executed=False)


def _exception(info: dict[str, Any]) -> str:
    """The message of an exception: the info itself holds it, or one info for each metric does."""
    infos = [info] if "raised_exception" in info else [value for value in info.values() if isinstance(value, dict)]
    messages = [str(one.get("exception_message")) for one in infos if one.get("raised_exception")]
    return " ".join(messages[0].split())[:300] if messages else ""


def sqlalchemy_url(url: str) -> str:
    """WAREHOUSE_URL for SQLAlchemy with psycopg 3, acting as `checker`. Every part is quoted, `$` too, which
    great-expectations would otherwise take for a variable of its own."""
    parts = {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items() if value is not None}
    options = f"{parts.pop('options', '')} -c role=checker".strip()
    user, password = (quote(parts.pop(name, ""), safe="") for name in ("user", "password"))
    host, port = parts.pop("host", "127.0.0.1"), parts.pop("port", "5432")
    database = quote(parts.pop("dbname", ""), safe="")
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**parts, "options": options}.items())
    return f"postgresql+psycopg://{user}:{password}@{host}:{port}/{database}?{query}"
