"""Addresses and secrets: always from the environment, never from pipeline.yml."""

from __future__ import annotations

import os
from pathlib import Path

from settings.errors import SettingsError

WHERE = "set it in .env (Docker Compose) or in the environment; `make demo` and `make local` set it themselves"


def setting(name: str, default: str | None = None) -> str:
    """The value of `name`; raises SettingsError when it is missing or empty and has no default."""
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is not None:
        return default
    raise SettingsError(f"{name} is not set: {WHERE}.")


def secret(name: str) -> str:
    """A setting that must never be printed; the same errors as `setting`."""
    return setting(name)


def dbt_project() -> Path:
    """The folder of the dbt project; HEADWATER_DBT_PROJECT names another than this checkout's."""
    return Path(os.environ.get("HEADWATER_DBT_PROJECT") or Path(__file__).resolve().parent.parent / "dbt")
