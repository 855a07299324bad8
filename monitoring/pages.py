"""Pages for people, put where they are looked for."""

from __future__ import annotations

from pathlib import Path

from settings import HeadwaterError


def put(out: Path, page: str) -> Path:
    """Write the page beside `out` and rename it, so that nobody opens half of it. Raises HeadwaterError."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = out.with_suffix(".part")
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(out)
    except OSError as error:
        raise HeadwaterError(f"The page cannot be written to {out}: {error.strerror}.") from error
    return out
