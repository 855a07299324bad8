"""What a server's answer, or a failure to get one, says in plain words and times."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
import requests
import urllib3


def message_of(body: bytes) -> str:
    """What the server says of its refusal, in one short line."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = body.decode("utf-8", "replace")
    if isinstance(said, dict):
        said = said.get("error") or said.get("errors") or said.get("message") or said.get("detail") or said
    if isinstance(said, list) and said:
        said = said[0]
    if isinstance(said, dict):
        said = said.get("message") or said
    line = " ".join(str(said).split())
    return line[:300] or "no reason given"


def root_reason(error: BaseException) -> str:
    """The plain reason inside the libraries' nested ones, without addresses of objects."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    seen: BaseException | None = error
    while seen is not None:
        error = seen
        inner = getattr(seen, "reason", None)
        nested = [arg for arg in seen.args if isinstance(arg, BaseException)]
        seen = inner if isinstance(inner, BaseException) else (nested[0] if nested else seen.__cause__)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return " ".join(reason.rpartition(">: ")[2].split())[:200]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a Retry-After in seconds or as a date; a date is measured by the server's own clock."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        when = http_date(value)
        if when is None:
            return None
        seconds = (when - (http_date(headers.get("Date")) or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def http_date(value: str | None) -> datetime | None:
    try:
        when = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
