"""expectations.yml, read into types; a mistake in it is named by its key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from settings import SettingsError
from settings.pipeline import Duration

FILE = Path(__file__).with_name("expectations.yml")
Severity = Literal["error", "warn"]
Column = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Newest(_Strict):
    """`within`: how much older than the delivery the newest day may be; pipeline.yml's quality.recent when None."""

    column: Column
    within: Duration | None = None
    severity: Severity = "error"


class Explained(_Strict):
    """`column`: whether a row is explained; `amount`: what is not, in the shop's currency; `day`: when it happened.

    pipeline.yml's quality.unexplained limits both over the latest days; older rows only warn. Where rows are
    too few for a share of them (`counted: false`), only the amount blocks.
    """

    column: Column
    amount: Column
    day: Column
    counted: bool = True


class MartExpectations(_Strict):
    """What must hold for one mart. A mart that the file does not name must still not be empty."""

    key: list[Column] = []
    newest: Newest | None = None
    explained: Explained | None = None
    not_negative: list[Column] = []
    not_empty: Severity = "error"


class Expectations(_Strict):
    marts: Annotated[dict[Column, MartExpectations], Field(min_length=1)]


def load_expectations(path: Path = FILE) -> Expectations:
    """Read and check the file. Raises SettingsError, with every mistake in it."""
    try:
        return Expectations.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        lines = [f"{path.name}, {'.'.join(map(str, e['loc'])) or 'the whole file'}: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n  ".join(lines)) from error
