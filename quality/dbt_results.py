"""What `dbt build` did, held against what its manifest declares, kept in ops.check_results.

Works on dbt's own artifacts (manifest v12, run-results v6): https://docs.getdbt.com/reference/artifacts/dbt-artifacts
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from quality.lineage import record_lineage
from quality.results import CheckResult, Status, replace_results
from settings import HeadwaterError
from warehouse import connect

BUILT = {"model", "seed", "snapshot", "test", "unit_test", "function"}  # what `dbt build` runs
STATUSES: dict[str, Status] = {
    **dict.fromkeys(("success", "pass"), "passed"),
    "warn": "warned",
    "fail": "failed",
    "skipped": "skipped",
    "no-op": "skipped",
}  # anything else (error, runtime error, partial success) is an error
CLOCKS_APART = timedelta(minutes=5)  # how far this machine's clock may be behind the database's


@dataclass(frozen=True, slots=True)
class DbtVerdict:
    """`declared` counts what the manifest says `dbt build` runs, `executed` what it did run."""

    declared: int
    executed: int
    results: tuple[CheckResult, ...]

    @property
    def blocking(self) -> list[CheckResult]:
        return [result for result in self.results if result.blocks]

    @property
    def passed(self) -> bool:
        return self.declared > 0 and self.declared == self.executed and not self.blocking


def record(
    delivery_id: uuid.UUID | str, run_results_path: Path | str, manifest_path: Path | str, url: str | None = None
) -> DbtVerdict:
    """Write one row for everything that the manifest declares, and what the marts are made of; what never ran is
    written as errored.

    Works when dbt ended half-way or left no file; run again, it replaces what it wrote. It judges but does not raise:
    `checks.run_checks` refuses the delivery. Raises HeadwaterError when the delivery is not known.
    """
    with connect("checker", url=url, application="headwater checks") as connection:
        row = connection.execute(
            "select opened_at from ops.deliveries where delivery_id = %s", (str(delivery_id),)
        ).fetchone()
    if row is None:
        raise HeadwaterError(f"There is no delivery {delivery_id}; `python -m warehouse deliveries` lists them.")
    manifest, run = _read(Path(manifest_path)), _read(Path(run_results_path))
    ran, reason = _ran(run, Path(run_results_path).name, row[0])
    results = tuple(_results(_declared(manifest), ran, reason))
    replace_results(delivery_id, "dbt", results, url)
    record_lineage(delivery_id, manifest, (run.get("metadata") or {}).get("invocation_id"), url)
    return DbtVerdict(len(results), sum(result.executed for result in results), results)


def _declared(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Everything enabled that `dbt build` should run, by unique id."""
    found: dict[str, dict[str, Any]] = {}
    for section in ("nodes", "unit_tests", "functions"):
        for unique_id, node in (manifest.get(section) or {}).items():
            config = node.get("config") or {}
            if (
                node.get("resource_type") in BUILT
                and config.get("enabled", True)
                and config.get("materialized") != "ephemeral"
            ):
                found[unique_id] = node
    return found


def _ran(run: dict[str, Any], file: str, opened_at: datetime) -> tuple[dict[str, dict[str, Any]], str]:
    """dbt's results by unique id, and why those that are missing never ran."""
    try:
        written = datetime.fromisoformat(run["metadata"]["generated_at"])
        results = {str(result["unique_id"]): result for result in run["results"]}
    except (KeyError, TypeError, ValueError):
        return {}, f"dbt left no readable {file}"
    if written < opened_at - CLOCKS_APART:
        return {}, f"{file} is older than this delivery"
    return results, "declared in the manifest, but dbt never ran it"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _results(declared: dict[str, dict[str, Any]], ran: dict[str, dict[str, Any]], reason: str) -> Iterator[CheckResult]:
    if not declared:
        yield CheckResult(
            "manifest", "manifest.json", "dbt", "error", "errored", "dbt left no readable manifest", executed=False
        )
    for unique_id, node in declared.items():
        result = ran.get(unique_id)
        common = (_kind(node), str(node.get("name", unique_id)), _subject(node), _severity(node))
        if result is None:
            yield CheckResult(*common, "errored", reason, executed=False)
            continue
        status = STATUSES.get(str(result.get("status")), "errored")
        seconds = float(result.get("execution_time") or 0)
        yield CheckResult(*common, status, _observed(result, status), seconds, executed=status != "skipped")
    for unique_id, result in ran.items():
        if unique_id in declared or unique_id.startswith("exposure."):  # dbt lists those too, and runs none
            continue
        # Hooks are in no section of the manifest that we count; anything else means that the two files do not match.
        kind = unique_id.split(".", 1)[0]
        status = STATUSES.get(str(result.get("status")), "errored") if kind == "operation" else "errored"
        observed = _observed(result, status) if kind == "operation" else "dbt ran it, but the manifest lacks it"
        yield CheckResult(kind, unique_id, unique_id, "error", status, observed)


def _kind(node: dict[str, Any]) -> str:
    if node["resource_type"] != "test":
        return str(node["resource_type"])
    return str((node.get("test_metadata") or {}).get("name") or "singular")


def _subject(node: dict[str, Any]) -> str:
    """The table (and column) that the check is about."""
    if node["resource_type"] == "unit_test":
        return str(node.get("model", ""))
    if node["resource_type"] != "test":
        return f"{node.get('schema', '')}.{node.get('alias') or node.get('name')}"
    parents = (node.get("depends_on") or {}).get("nodes") or []
    attached = node.get("attached_node") or (parents[0] if parents else "")
    parts = attached.split(".")
    # A versioned model ends with its version: model.headwater.daily_revenue.v1
    table = ".".join(parts[2:]) if parts[0] == "source" else ".".join(parts[2:3])
    return ".".join(part for part in (table, node.get("column_name")) if part)


def _severity(node: dict[str, Any]) -> Any:
    severity = str((node.get("config") or {}).get("severity") or "error").lower()
    return "warn" if severity == "warn" else "error"


def _observed(result: dict[str, Any], status: Status) -> str | None:
    """Failing rows, then dbt's message; the message of a success says nothing."""
    if status == "passed":
        return None
    failures, message = result.get("failures"), str(result.get("message") or "").strip()
    rows = f"{failures} failing rows" if failures else ""
    return "; ".join(part for part in (rows, message) if part) or status
