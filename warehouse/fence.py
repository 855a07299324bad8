"""The fence of a stream or of a window of a backfill: each run that opens it takes the next, only the newest writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from settings import HeadwaterError

if TYPE_CHECKING:
    from warehouse.batch import Run


class Fenced(HeadwaterError):
    """A newer run has opened the stream since: this one may not write any more."""


def check_fence(connection: psycopg.Connection, run: Run) -> None:
    """Raises Fenced when a newer run has opened what `run` writes."""
    if run.window:
        mine = "ops.backfill_windows where backfill_id = %s and number = %s"
    else:
        mine = "ops.checkpoints where source = %s and stream = %s"
    row = connection.execute(f"select fence from {mine}".encode(), run.window or (run.source, run.stream)).fetchone()
    if row != (run.fence,):
        raise fenced(run)


def fenced(run: Run) -> Fenced:
    what = f"{run.source}.{run.stream}"
    if run.window:
        what = f"window {run.window[1]} of this backfill of {what}"
    return Fenced(
        f"A newer run has opened {what} since this one began; this one stops here. Nothing is lost: the newer run goes"
        " on from the last batch."
    )
