"""One HTTP client for every API source: bounded retries, a total deadline, errors that name the setting to look at.

A body that cannot be read whole or is no JSON counts as a failed try. No header or secret is ever part of an error.
"""

from __future__ import annotations

import ipaddress
import logging
import random
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from ingestion.cut import looks_whole
from settings import HeadwaterError
from settings.pipeline import Http

BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
MOST_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 128 * 1024
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})

log = logging.getLogger(__name__)


class HttpError(HeadwaterError):
    """The server's final answer was an error; `status` is its code."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Response(NamedTuple):
    """A whole, successful answer whose body is JSON. `headers` are looked up in any case."""

    body: bytes
    headers: Mapping[str, str]
    status: int


class _Failed(Exception):
    """One try failed in a way that may pass. `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None, status: int | None = None):
        super().__init__(reason)
        self.wait, self.status = wait, status


class HttpClient:
    """Requests to one API. `credential` and `address` name the settings that its key and its address come from.

    Raises HeadwaterError when the address or a header cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        http: Http,
        source: str,
        credential: str,
        address: str | None = None,
    ):
        self._address = address or f"{source.upper()}_API_URL"
        try:
            parts = urlsplit(base_url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HeadwaterError(f"{self._address} is no web address; write it as https://host/path.")
        for value in headers.values():
            if not value.isascii() or not value.isprintable():
                raise HeadwaterError(f"{credential} holds characters that no key has; copy it again.")
        self.base_url = base_url.rstrip("/")
        self.source = source
        self._place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._http, self._credential = http, credential
        self._secrets = [word for value in headers.values() for word in value.split() if len(word) >= 8]
        self._stopped = threading.Event()
        self._date: str | None = None
        self._session = requests.Session()
        self._session.auth = lambda request: request  # a ~/.netrc must not replace our Authorization header
        if _is_loopback(parts.hostname):
            self._session.trust_env = False  # no proxy leads to this machine
        self._session.headers.update({"Accept": "application/json", "User-Agent": "headwater", **headers})

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Response:
        """GET `path`. Raises HttpError for a refusal, HeadwaterError when the tries or the deadline are used up."""
        return self._request("GET", path, params=params)

    def post_json(self, path: str, payload: object) -> Response:
        """POST `payload` as JSON; it is repeated like a GET, so only for requests that change nothing."""
        body = msgspec.json.encode(payload)
        return self._request("POST", path, data=body, headers={"Content-Type": "application/json"})

    def server_time(self) -> datetime:
        """The server's clock as its last answer told it; raises HeadwaterError when it did not."""
        when = _http_date(self._date)
        if when is None:
            raise HeadwaterError(f"{self.source} at {self._place} tells no time (no Date header in its answer).")
        return when

    def wait(self, seconds: float) -> None:
        """Sleep, but not past `close`."""
        if self._stopped.wait(seconds):
            raise HeadwaterError(f"{self.source}: stopped.")

    def close(self) -> None:
        self._stopped.set()
        self._session.close()

    def _request(self, method: str, path: str, **arguments: Any) -> Response:
        deadline = time.monotonic() + self._http.deadline.total_seconds()
        for attempt in range(1, self._http.attempts + 1):
            try:
                return self._try(method, path, deadline, **arguments)
            except _Failed as failed:
                backoff = min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2 ** (attempt - 1))
                pause = random.uniform(backoff / 2, backoff)
                if failed.wait is not None:
                    pause = failed.wait + random.uniform(0, min(1.0, backoff))
                if attempt == self._http.attempts:
                    raise self._given_up(failed, f"{attempt} tries") from failed
                if time.monotonic() + pause >= deadline:
                    raise self._given_up(failed, f"{self._http.deadline} (its deadline)") from failed
                log.warning("%s: %s; trying again in %.1f s", self.source, failed, pause)
            self.wait(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def _try(self, method: str, path: str, deadline: float, **arguments: Any) -> Response:
        url = f"{self.base_url}/{path.lstrip('/')}"
        seconds = max(0.1, min(self._http.timeout.total_seconds(), deadline - time.monotonic()))
        end = time.monotonic() + seconds
        try:
            with self._session.request(
                method, url, timeout=seconds, stream=True, allow_redirects=False, **arguments
            ) as answer:
                self._date = answer.headers.get("Date")
                body = self._read(answer, end)
        except requests.exceptions.SSLError as error:
            reason = f"the certificate of {self._place} is not trusted ({_root(error)})"
            raise HeadwaterError(f"{self.source}: {reason}; check {self._address}.") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _Failed(_root(error)) from None
        if answer.status_code >= 300:
            self._refused(answer, body, f"{method} {urlsplit(url).path}")
        if not looks_whole(body):
            raise _Failed(f"the answer ({answer.status_code}, {len(body)} bytes) is cut or no JSON")
        return Response(body, answer.headers, answer.status_code)

    def _read(self, answer: requests.Response, end: float) -> bytes:
        """The whole body, as it comes, within the try's time: a body that trickles does not hold the run."""
        parts, size = [], 0
        while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=True):
            parts.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise HeadwaterError(f"{self.source}: an answer is larger than {MOST_BYTES >> 20} MB; ask for less.")
            if time.monotonic() > end:
                raise _Failed(f"the answer was not whole after {self._http.timeout.total_seconds():g} s")
        return b"".join(parts)

    def _refused(self, answer: requests.Response, body: bytes, what: str) -> None:
        status, said = answer.status_code, self._redacted(_message(body))
        if status in (401, 403):
            raise HttpError(
                f"{self._credential} was refused by {self.source} at {self._place} ({status}: {said}): check it.",
                status,
            )
        if status < 400:
            raise HttpError(
                f"{self.source} at {self._place} sends on to another address ({status}); check {self._address}.", status
            )
        wish = answer.headers.get("Stripe-Should-Retry", "").lower()
        if wish == "true" or (wish != "false" and status in RETRIED):
            raise _Failed(f"{status}: {said}", _retry_after(answer.headers), status)
        raise HttpError(f"{self.source} refused {what}: {status}: {said}", status)

    def _given_up(self, failed: _Failed, after: str) -> HeadwaterError:
        if failed.status is not None:
            asked = f", asking to wait {failed.wait:.0f} s" if failed.wait else ""
            return HttpError(
                f"{self.source} at {self._place} still answers {failed}{asked} after {after}.", failed.status
            )
        return HeadwaterError(
            f"{self.source} at {self._place} cannot be read: {failed}, after {after};"
            f" check {self._address} and the network."
        )

    def _redacted(self, text: str) -> str:
        for word in self._secrets:
            text = text.replace(word, "***")
        return text


def _message(body: bytes) -> str:
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


def _root(error: BaseException) -> str:
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


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a Retry-After in seconds or as a date; a date is measured by the server's own clock."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        when = _http_date(value)
        if when is None:
            return None
        seconds = (when - (_http_date(headers.get("Date")) or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _http_date(value: str | None) -> datetime | None:
    try:
        when = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
