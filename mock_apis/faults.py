"""Faults on demand: which request is to suffer what, and how often."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from mock_apis.state import MockError

Target = Literal["shopify", "shopify_bulk", "stripe", "sftp", "s3"]
Kind = Literal[
    "429",
    "429_no_retry_after",
    "500",
    "503",
    "reset",
    "truncate",
    "slow",
    "throttled",
    "bad_record",
    "drift",
    "bulk_busy",
    "bulk_denied",
    "bulk_error",
    "bulk_timeout",
    "bulk_canceled",
    "bulk_expired",
    "bulk_short",
]
NOT_OVER_S3 = ("429", "429_no_retry_after", "bad_record", "drift")
NOT_OVER_SFTP = ("429", "429_no_retry_after", "slow", "throttled")


class Fault(BaseModel):
    """One fault: `after` matching requests are let through, then `times` suffer it.

    `match` is a part of the path and query, for Shopify of the GraphQL text and
    variables too. Those of `shopify_bulk` befall an operation that is begun, by
    its query: it is refused for another one, fails, is canceled, expires, or its
    file lacks lines. `seconds` is what Retry-After says, or how long a slow body
    takes. `field` is the field to spoil (bad_record) or to rename (drift), when it
    is not to be one that suits the record.
    """

    model_config = ConfigDict(extra="forbid")

    target: Target
    kind: Kind
    match: str = ""
    after: int = Field(default=0, ge=0)
    times: int = Field(default=1, ge=1)
    seconds: float = Field(default=1, ge=0, le=600)
    field: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> Fault:
        if self.target != "shopify" and self.kind == "throttled":
            raise ValueError("only Shopify throttles")
        if (self.target == "shopify_bulk") != self.kind.startswith("bulk_"):
            raise ValueError("bulk operations suffer the faults that begin with bulk_, and nothing else does")
        if self.target == "sftp" and self.kind in NOT_OVER_SFTP:
            raise ValueError(f"SFTP has no {self.kind}")
        if self.target == "s3" and self.kind in NOT_OVER_S3:
            raise ValueError(f"S3 has no {self.kind}")
        return self


FAULTS = TypeAdapter(list[Fault])


class Faults:
    """The faults still to come; safe to use from several threads."""

    def __init__(self, faults: list[Fault] | None = None) -> None:
        self._lock = threading.Lock()
        self._pending = [fault.model_copy() for fault in faults or []]

    def add(self, faults: list[Fault]) -> None:
        with self._lock:
            self._pending += [fault.model_copy() for fault in faults]

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()

    def pending(self) -> list[Fault]:
        """The faults not used up, each with the counts that are left."""
        with self._lock:
            return [fault.model_copy() for fault in self._pending]

    def wanted(self, target: str) -> bool:
        """Whether any fault is left for the target."""
        with self._lock:
            return any(fault.target == target for fault in self._pending)

    def take(self, target: str, request: str = "") -> Fault | None:
        """The fault that this request must suffer, counted as used; None for a good answer."""
        request = unquote(request)
        with self._lock:
            for fault in self._pending:
                if fault.target != target or fault.match not in request:
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    self._pending.remove(fault)
                return fault
        return None


def load(path: Path) -> list[Fault]:
    """The faults in a JSON file: a list of them.

    Raises MockError if there is no such file or it holds something else.
    """
    try:
        return FAULTS.validate_json(path.read_bytes())
    except OSError as error:
        raise MockError(f"The faults file {path} can't be read: {error.strerror or error}.") from error
    except ValidationError as error:
        raise MockError(f"The faults file {path} is not a list of faults: {problem(error)}.") from error


def problem(error: ValidationError) -> str:
    """The first thing wrong, by its place: `0.kind: Input should be ...`."""
    first = error.errors()[0]
    return ": ".join(part for part in (".".join(str(each) for each in first["loc"]), first["msg"]) if part)
