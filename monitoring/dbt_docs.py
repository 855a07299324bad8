"""dbt's own documentation, every model with its lineage, as one page that needs neither a server nor the network."""

from __future__ import annotations

import tempfile
from pathlib import Path

from monitoring.pages import put
from settings import HeadwaterError
from warehouse.dbt import run_dbt


def write_dbt_docs(out: Path = Path("reports/docs/index.html"), url: str | None = None) -> Path:
    """Write the page and return where it is. Raises HeadwaterError when dbt or the disk refuses.

    dbt works in a folder of its own: what the delivery's run of it has left behind stays as it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        places = ["--target-path", folder, "--log-path", folder]
        code = run_dbt(["docs", "generate", "--static", "--quiet", *places], url)
        if code:
            raise HeadwaterError(f"`dbt docs generate` ended with {code}; what it says stands above.")
        return put(out, (Path(folder) / "static_index.html").read_text(encoding="utf-8"))
