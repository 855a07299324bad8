"""The pytest plugin behind `make faults`: docs/faults.md, made of the tests that carry a `fault` mark.

    python -m pytest -p tests.faults_page --faults-page docs/faults.md -m fault

A test says `@pytest.mark.fault("what breaks", "what happens then")`. With --collect-only nothing is run, and the page
has no results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

INTRODUCTION = """# What happens when something breaks

Made by `make faults` out of the tests that carry a `fault` mark, with the result of running them; a row without a test
cannot be written. A test fails when a row is missing here or is out of date.
"""


class Row(NamedTuple):
    """`test` is the function's name; `about` is what its file says of itself."""

    about: str
    file: str
    fault: str
    outcome: str
    test: str


class FaultsPage:
    def __init__(self, page: Path, root: Path):
        self._page, self._root = page, root
        self._rows: dict[str, list[Row]] = {}
        self._results: dict[Row, set[str]] = defaultdict(set)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self._rows[item.nodeid] = [self._row(item, mark) for mark in item.iter_markers("fault")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            for row in self._rows.get(report.nodeid, ()):
                self._results[row].add(report.outcome)

    def pytest_sessionfinish(self) -> None:
        self._page.write_text(self._text(dict.fromkeys(row for rows in self._rows.values() for row in rows)))

    def _row(self, item: pytest.Item, mark: pytest.Mark) -> Row:
        fault, outcome = mark.args
        assert isinstance(item, pytest.Function)
        about = (item.module.__doc__ or item.module.__name__).strip().partition("\n")[0]
        return Row(about, item.path.relative_to(self._root).as_posix(), fault, outcome, item.originalname)

    def _text(self, rows: Iterable[Row]) -> str:
        lines, file = [INTRODUCTION], ""
        for row in sorted(rows, key=lambda row: row.file):  # stable: within a file in its own order
            if row.file != file:
                file = row.file
                lines.append(f"## {row.about}\n\n[{file}](../{file})\n")
                lines.append("| Fault | What happens | Test | Last result |\n|---|---|---|---|")
            cells = (row.fault, row.outcome, f"`{row.test}`", self._result(row))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(lines).replace(" |\n## ", " |\n\n## ") + "\n"

    def _result(self, row: Row) -> str:
        found = self._results[row] - {"skipped"}  # a case that cannot be asked of one of the sources
        return "failed" if found - {"passed"} else "passed" if found else "not run"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-page", type=Path, required=False, help="where to write the page")


def pytest_configure(config: pytest.Config) -> None:
    if page := config.getoption("--faults-page"):
        config.pluginmanager.register(FaultsPage(page, config.rootpath))
