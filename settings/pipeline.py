"""`pipeline.yml`, the one file that a fork edits first, read into types.

A mistake in it is reported with its key and its line before anything runs.
"""

from __future__ import annotations

import os
import re
from datetime import time, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from settings.errors import SettingsError

SHORTEST_RETENTION = timedelta(days=30)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\s*([smhd])", value.strip())):
        return timedelta(seconds=int(match[1]) * UNITS[match[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a duration as a whole number and a unit: 90s, 15m, 26h or 3d")


def _clock(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d\d:\d\d", value):
        return time.fromisoformat(value)
    if isinstance(value, time):
        return value
    raise ValueError('write a time of day as "HH:MM", with the quotes (YAML reads 18:30 as a number)')


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Clock = Annotated[time, BeforeValidator(_clock)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shop(_Strict):
    name: str
    timezone: str
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not a time zone of the IANA list, such as Europe/Berlin")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Delivery(_Strict):
    owner: str
    latest_start: Clock
    deadline: Clock


class Http(_Strict):
    """Bounds of one request with its retries. `attempts` counts the first try too."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 6
    timeout: Duration = timedelta(seconds=30)
    deadline: Duration = timedelta(minutes=10)


class StreamSettings(_Strict):
    lookback: Duration | None = None
    on_reject: Literal["quarantine", "skip", "stop"] = "quarantine"


class SourceSettings(_Strict):
    """`type` names the module in ingestion/sources; it defaults to the source's own name.

    `enabled: false` is for a source that is not set up yet: it has its tables and can be synced by hand, and nothing
    schedules, reconciles or watches it.
    """

    type: Name = ""
    enabled: bool = True
    schedule: str
    critical: bool = False
    freshness: Duration
    lookback: Duration = timedelta(hours=1)
    http: Http = Http()
    options: dict[str, Any] = {}
    streams: Annotated[dict[Name, StreamSettings], Field(min_length=1)]

    @field_validator("schedule")
    @classmethod
    def _cron(cls, value: str) -> str:
        if len(value.split()) != 5:
            raise ValueError(f'{value!r} is not a cron line of five fields, such as "15 2 * * *"')
        return value

    @model_validator(mode="after")
    def _delivered_without(self) -> Self:
        if self.critical and not self.enabled:
            raise ValueError("no day is delivered without a critical source: it cannot be `enabled: false`")
        return self

    @field_validator("streams", mode="before")
    @classmethod
    def _empty_block(cls, value: object) -> object:
        return {name: block or {} for name, block in value.items()} if isinstance(value, dict) else value

    def stream(self, name: str) -> StreamSettings:
        return self.streams[name]

    def lookback_of(self, stream: str) -> timedelta:
        return self.streams[stream].lookback or self.lookback


class Unexplained(_Strict):
    """Payments and payouts that need somebody block the day when, of those that moved `within` so long, they are more
    than `share` of the rows, or make up more than `amount` in the shop's currency. Older ones warn.
    """

    within: Duration = timedelta(days=10)
    share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    amount: Annotated[float, Field(ge=0)] = 1000


class Quality(_Strict):
    """`usual_rows_share`: fewer candidate rows than this share of the last published count is a warning."""

    usual_rows_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    recent: Duration = timedelta(days=2)
    unexplained: Unexplained = Unexplained()


class Payments(_Strict):
    """`stripe_gateways`: what Shopify calls the gateways whose money Stripe has; `settle_days`: for so long the two may
    tell differently of a payment before that is a difference.
    """

    stripe_gateways: Annotated[list[str], Field(min_length=1)] = ["stripe", "shopify_payments"]
    settle_days: Annotated[int, Field(ge=0, le=30)] = 3


class Readers(_Strict):
    """`statement_timeout`: a query on marts that takes longer is ended."""

    statement_timeout: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(seconds=60)


class Pipeline(_Strict):
    shop: Shop
    delivery: Delivery
    quality: Quality = Quality()
    readers: Readers = Readers()
    payments: Payments = Payments()
    attribution_window_days: Annotated[int, Field(ge=1, le=90)] = 5
    monthly_budget_usd: Annotated[int, Field(ge=0)]
    retention: dict[Literal["quarantine", "loads"], Duration] = {}
    sources: Annotated[dict[Name, SourceSettings], Field(min_length=1)]

    @field_validator("retention")
    @classmethod
    def _long_enough(cls, value: dict[str, timedelta]) -> dict[str, timedelta]:
        for name, kept in value.items():
            if kept < SHORTEST_RETENTION:
                raise ValueError(f"{name} must be kept for 30d at least: late changes and comparisons still need it")
        return value

    @model_validator(mode="before")
    @classmethod
    def _type_defaults_to_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("sources"), dict):
            named = {
                name: {"type": name, **block} if isinstance(block, dict) else block
                for name, block in data["sources"].items()
            }
            return {**data, "sources": named}
        return data

    def source(self, name: str) -> SourceSettings:
        if name not in self.sources:
            raise SettingsError(f"There is no source {name!r} in pipeline.yml; it has: {', '.join(self.sources)}.")
        return self.sources[name]

    @property
    def enabled_sources(self) -> dict[str, SourceSettings]:
        return {name: source for name, source in self.sources.items() if source.enabled}

    @property
    def critical_sources(self) -> list[str]:
        return [name for name, source in self.sources.items() if source.critical]


def pipeline_path() -> Path:
    return Path(os.environ.get("HEADWATER_PIPELINE") or Path(__file__).resolve().parent.parent / "pipeline.yml")


def load_pipeline(path: Path | None = None) -> Pipeline:
    """Read and check pipeline.yml (HEADWATER_PIPELINE names another). Raises SettingsError."""
    path = path or pipeline_path()
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}; HEADWATER_PIPELINE may name it.") from error
    return _load(path, changed)


@cache
def _load(path: Path, _changed: int) -> Pipeline:
    text = path.read_text(encoding="utf-8")
    try:
        data = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path.name}{line}: not valid YAML: {getattr(error, 'problem', error)}.") from error
    try:
        return Pipeline.model_validate(data)
    except ValidationError as error:
        lines = [f"{path.name}, {_where(tree, e['loc'])}: {_reason(e)}" for e in error.errors()]
        raise SettingsError("\n  ".join(lines)) from error


def _reason(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such setting; is it misspelt?"
    if error["type"] == "missing":
        return "this setting is missing"
    return str(error["msg"]).removeprefix("Value error, ")


def _where(tree: yaml.Node | None, location: tuple[int | str, ...]) -> str:
    """`line N, key a.b.c` of the deepest node of `location` that the file has."""
    path = [str(part) for part in location if part != "[key]"]
    line, node = 1, tree
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            break
        entry = next(((key, value) for key, value in node.value if key.value == part), None)
        if entry is None:
            break
        line, node = entry[0].start_mark.line + 1, entry[1]
    return f"line {line}, {'.'.join(path) or 'the whole file'}"
