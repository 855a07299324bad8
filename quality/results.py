"""One check's outcome, and the table that keeps it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Literal, NamedTuple

from warehouse import connect

Layer = Literal["dbt", "delivery", "reconciliation"]
Status = Literal["passed", "warned", "failed", "errored", "skipped"]


class CheckResult(NamedTuple):
    """`executed` is False for a check that was declared but skipped or never reached; `seconds` may be unknown."""

    kind: str
    name: str
    subject: str
    severity: Literal["error", "warn"]
    status: Status
    observed: str | None = None
    seconds: float | None = None
    executed: bool = True

    @property
    def blocks(self) -> bool:
        """Whether the day must not be published: it failed, or it measured nothing."""
        return self.status not in ("passed", "warned") or not self.executed

    @property
    def sentence(self) -> str:
        return f"{self.kind} on {self.subject} {self.status}" + (f" ({self.observed})" if self.observed else "")


def replace_results(
    delivery_id: uuid.UUID | str, layer: Layer, results: Sequence[CheckResult], url: str | None
) -> None:
    """Write a layer's results of a delivery in one transaction, in place of those that an earlier try wrote."""
    with connect("checker", url=url, application="headwater checks") as connection, connection.transaction():
        connection.execute(
            "delete from ops.check_results where delivery_id = %s and layer = %s", (str(delivery_id), layer)
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.check_results (delivery_id, layer, kind, name, subject, severity, status, observed,"
                " seconds, executed) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [(str(delivery_id), layer, *_storable(result)) for result in results],
            )


def read_results(delivery_id: uuid.UUID | str, url: str | None) -> list[CheckResult]:
    """Every result of a delivery, over all layers."""
    with connect("checker", url=url, application="headwater checks") as connection:
        rows = connection.execute(
            "select kind, name, subject, severity, status, observed, seconds, executed from ops.check_results"
            " where delivery_id = %s order by result_id",
            (str(delivery_id),),
        ).fetchall()
    return [CheckResult(*row) for row in rows]


def _storable(result: CheckResult) -> CheckResult:
    """Without NUL characters, which Postgres cannot keep in text; a long message is cut."""
    observed = result.observed.replace("\0", "")[:2000] if result.observed else None
    return result._replace(observed=observed)
