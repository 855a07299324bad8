"""`python -m ingestion reconcile`: hold a source against raw, fetch what is missing, say what was found."""

from __future__ import annotations

import logging
from datetime import date, datetime
from typing import Annotated

import typer

from ingestion.catalog import check_names
from ingestion.reconcile import Reconciled
from ingestion.reconcile import reconcile as run_reconcile
from settings import HeadwaterError, load_pipeline

SHOWN_DAYS = 10
CANNOT = 3  # a shell's 2 is a wrong word on the command line


def reconcile(
    source: Annotated[str, typer.Argument(help="A source of pipeline.yml.")],
    streams: Annotated[list[str] | None, typer.Argument(help="Its streams (all of them).")] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First shop day of creation (all).")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last shop day of creation (all).")
    ] = None,
    repair: Annotated[bool, typer.Option(help="Fetch what is missing or different.")] = True,
) -> None:
    """Compare what SOURCE has with raw, by key and by day.

    Exit 1 when something stays wrong or could not be compared, 3 when only streams are left over that never can be.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    pipeline = load_pipeline()
    try:
        check_names(pipeline, source, streams or [])
        if first and last and last < first:
            raise HeadwaterError("--to is before --from; swap them.")
    except HeadwaterError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    results = run_reconcile(source, streams, first_day=_day(first), last_day=_day(last), repair=repair)
    for each in results:
        _show(each)
    if any(each.left or (each.error and not each.not_reconcilable) for each in results):
        raise typer.Exit(1)
    if any(each.not_reconcilable for each in results):
        raise typer.Exit(CANNOT)


def _show(found: Reconciled) -> None:
    name = f"{found.source}.{found.stream}"
    if found.error:
        typer.echo(found.error if found.not_reconcilable else f"{name}: failed: {found.error}", err=True)
        return
    parts = [f"{found.at_source} at the source, {found.in_raw} in raw"]
    if found.missing or found.differing:
        parts.append(f"{found.missing} missing, {found.differing} different, {found.repaired} of them fetched")
    else:
        parts.append("nothing is missing")
    if found.only_in_raw:
        parts.append(f"{found.only_in_raw} in raw only")
    if found.in_quarantine:
        parts.append(f"{found.in_quarantine} in quarantine")
    typer.echo(f"{name}: {'; '.join(parts)} (up to {found.end:%Y-%m-%d %H:%M:%SZ})")
    for day in found.days[:SHOWN_DAYS]:
        there, here = (
            f"{records} ({amount} {day.currency})" if amount is not None else str(records)
            for records, amount in ((day.source_records, day.source_amount), (day.raw_records, day.raw_amount))
        )
        typer.echo(f"  {day.day}{f' {day.kind}' if day.kind else ''}: {there} at the source, {here} in raw")
    if len(found.days) > SHOWN_DAYS:
        typer.echo(f"  … and {len(found.days) - SHOWN_DAYS} more days (ops.reconciliations has them)")
    for what, keys in (("missing", found.missing_keys), ("different", found.differing_keys)):
        if keys:
            typer.echo(f"  {what}: {', '.join(keys[:5])}{' …' if len(keys) > 5 else ''}")


def _day(when: datetime | None) -> date | None:
    return when.date() if when else None
