"""Which streams each mart is made of, read from dbt's manifest and kept with the delivery."""

from __future__ import annotations

import uuid
from typing import Any

from warehouse import connect

MARTS = "marts_candidate"


def record_lineage(
    delivery_id: uuid.UUID | str, manifest: dict[str, Any], invocation_id: str | None, url: str | None = None
) -> None:
    """Write ops.mart_sources and the delivery's dbt_invocation_id, in place of what an earlier try wrote."""
    rows = [
        (str(delivery_id), mart, source, stream)
        for mart, streams in streams_of_marts(manifest).items()
        for source, stream in sorted(streams)
    ]
    with connect("checker", url=url, application="headwater checks") as connection, connection.transaction():
        connection.execute(
            "update ops.deliveries set dbt_invocation_id = %s where delivery_id = %s", (invocation_id, str(delivery_id))
        )
        connection.execute("delete from ops.mart_sources where delivery_id = %s", (str(delivery_id),))
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.mart_sources (delivery_id, mart, source, stream) values (%s, %s, %s, %s)", rows
            )


def streams_of_marts(manifest: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """The (source, stream) pairs behind each mart, however many models lie between."""
    parents: dict[str, list[str]] = manifest.get("parent_map") or {}
    sources: dict[str, dict[str, Any]] = manifest.get("sources") or {}

    def ancestors(unique_id: str, seen: set[str]) -> set[str]:
        for parent in parents.get(unique_id, []):
            if parent not in seen:
                seen.add(parent)
                ancestors(parent, seen)
        return seen

    return {
        str(node["alias"]): {
            (str(sources[parent]["source_name"]), str(sources[parent]["name"]))
            for parent in ancestors(unique_id, set())
            if parent in sources
        }
        for unique_id, node in (manifest.get("nodes") or {}).items()
        if node.get("resource_type") == "model" and node.get("schema") == MARTS
    }
