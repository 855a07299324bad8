"""The metric dictionary, docs/metrics.md: every formula once, and the marts that have it.

Its source is the models' own descriptions: the docs blocks (`{% docs net_sales %}`) beside the marts, and the
columns whose description refers to one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from settings import HeadwaterError

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "metrics.md"
PARSE_SECONDS = 300
UNITS = {"numeric(18, 2)": "money", "numeric(18, 4)": "rate", "bigint": "count", "integer": "count"}

Manifest = dict[str, Any]


def parse(project: Path = ROOT / "dbt") -> Manifest:
    """The project as dbt reads it; no database is asked. Raises HeadwaterError with dbt's own words."""
    with tempfile.TemporaryDirectory() as target:
        places = ["--project-dir", str(project), "--profiles-dir", str(project)]
        command = [str(Path(sys.executable).with_name("dbt")), "--quiet", "--no-use-colors", "parse", *places]
        ended = subprocess.run(
            [*command, "--target-path", target, "--log-path", target],
            env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "False"},
            capture_output=True,
            text=True,
            timeout=PARSE_SECONDS,
        )
        if ended.returncode:
            raise HeadwaterError(f"dbt cannot read the project in {project}:\n{ended.stdout.strip()}")
        manifest: Manifest = json.loads((Path(target) / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def page(manifest: Manifest) -> str:
    """The whole page, in Markdown. Raises HeadwaterError for a docs block that no mart's column refers to."""
    found = _uses(manifest)
    areas: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for block in manifest["docs"].values():
        if block["package_name"] != "dbt" and block["name"] != "__overview__":
            areas[Path(block["path"]).stem.strip("_").replace("_", " ").capitalize()].append(block)
    lines = [
        "# The metrics",
        "",
        "What each number in the marts means, once. `python -m quality metrics --write` makes this page out of the",
        "descriptions beside the marts in `dbt/models/marts`; change them there.",
        "",
        "Money is in the row's `currency`, with two decimals; a rate is a share of 1, rounded half up to four.",
        "A day is the shop's local day. What a column adds to its metric stands behind its mart.",
    ]
    for area, blocks in areas.items():
        lines += ["", f"## {area}"]
        for block in blocks:
            lines += ["", *_metric(block, found.get(block["unique_id"], []))]
    return "\n".join(lines) + "\n"


def _uses(manifest: Manifest) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """By docs block: the latest version of each mart, with its column that refers to it."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for node in manifest["nodes"].values():
        if node["schema"] == "marts_candidate" and node.get("version") == node.get("latest_version"):
            for column in node.get("columns", {}).values():
                for block in column["doc_blocks"]:
                    found[block].append((node["name"], column))
    return found


def _metric(block: dict[str, Any], uses: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    name, text = block["name"], " ".join(block["block_contents"].split())
    if not uses:
        raise HeadwaterError(
            f"No mart has the metric {name} of dbt/models/{block['path']}: give a column the description"
            f" \"{{{{ doc('{name}') }}}}\", or delete the docs block."
        )
    units = dict.fromkeys(UNITS.get(column["data_type"], column["data_type"]) for _, column in uses)
    yield f"### `{name}` ({', '.join(units)})"
    yield ""
    yield text
    yield ""
    for mart, column in sorted(uses, key=lambda use: use[0]):
        rest = " ".join(" ".join(column["description"].split()).removeprefix(text).split())
        yield f"- `{mart}.{column['name']}`" + (f": {rest}" if rest else "")
