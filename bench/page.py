"""The results as a table on the terminal, and as docs/benchmarks.md with its picture."""

from __future__ import annotations

import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.contestants import CONTESTANTS
from bench.machine import Report, machine, spread
from bench.picture import draw
from bench.results import Results, limits, reaches, rows

NOTES = (
    "The median of the rounds, with the least and the most; whole processes, Python's start and imports among them.",
    "CPU: client + Postgres, without the charges' server, which shares the cores. Memory: the client's processes.",
)


def print_table(results: Results) -> None:
    """The table, and the reaches below it."""
    title = f"{results.records:,} charges, {len(results.runs['copy'])} rounds"
    columns = ("", "charges/s", "Headwater is x as fast", "CPU s a million", "peak MB")
    report = Report(title, columns, *NOTES, *map(_said, reaches(results)), *limits(results))
    for row in rows(results):
        report.add(
            row.title,
            f"{row.rate:,.0f} ({row.slowest:,.0f}-{row.fastest:,.0f})",
            f"{row.to_headwater:.2f}",
            f"{row.client_cpu:.0f} + {row.postgres_cpu:.0f} = {row.cpu:.0f}",
            f"{row.peak:.0f}",
        )
    report.print()


def write_page(results: Results, command: str, docs: Path) -> None:
    """docs/benchmarks.md and docs/benchmarks.svg."""
    found = rows(results)
    by_title = {row.title: row for row in found}
    ours, limit = CONTESTANTS["headwater"].title, CONTESTANTS["copy"].title
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    templates.filters["spread"] = spread
    text = templates.get_template("benchmarks.md.j2").render(
        command=command,
        date=f"{results.began:%Y-%m-%d}",
        records=results.records,
        bytes_each=results.bytes_each,
        rounds=len(results.runs["copy"]),
        rows=found,
        headwater=by_title[ours],
        copy=by_title[limit],
        reaches=reaches(results),
        limits=limits(results),
        memory=results.memory,
        stages=results.stages,
        growth=results.growth,
        contestants=[CONTESTANTS[key] for key in CONTESTANTS if key in results.runs],
        machine=machine(),
        postgres=results.postgres,
        load=results.load,
    )
    (docs / "benchmarks.md").write_text(text)
    draw(found, ours, limit, docs / "benchmarks.svg")
    print(f"Written: {docs / 'benchmarks.md'} and its picture.", file=sys.stderr)


def _said(reach: tuple[str, str, str, bool]) -> str:
    what, wanted, found, reached = reach
    return f"{'reached' if reached else 'NOT reached'}: {what}: {found} (wanted: {wanted})"
