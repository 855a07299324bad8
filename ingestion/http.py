"""One HTTP client for every API source: bounded retries, a total deadline, errors that name the setting to look at.

A body that cannot be read whole or is no JSON counts as a failed try. No header or secret is ever part of an error.
"""

from __future__ import annotations

import codecs
import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from ingestion.cut import looks_whole
from ingestion.http_words import http_date, is_loopback, message_of, retry_after, root_reason
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

    Several threads may ask at once: each request has a session to itself, and a 429 to one of them holds all back.

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
        self._quiet_until = 0.0  # by time.monotonic
        self._idle: list[requests.Session] = []
        self._trust_env = not is_loopback(parts.hostname)  # no proxy leads to this machine
        self._headers = {"Accept": "application/json", "User-Agent": "headwater", **headers}

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Response:
        """GET `path`. Raises HttpError for a refusal, HeadwaterError when the tries or the deadline are used up."""
        return self._request("GET", path, params=params)

    def post_json(self, path: str, payload: object) -> Response:
        """POST `payload` as JSON; it is repeated like a GET, so only for requests that change nothing."""
        body = msgspec.json.encode(payload)
        return self._request("POST", path, data=body, headers={"Content-Type": "application/json"})

    def server_time(self) -> datetime:
        """The server's clock as its last answer told it; raises HeadwaterError when it did not."""
        when = http_date(self._date)
        if when is None:
            raise HeadwaterError(f"{self.source} at {self._place} tells no time (no Date header in its answer).")
        return when

    def wait(self, seconds: float) -> None:
        """Sleep, but not past `close`."""
        if self._stopped.wait(seconds):
            raise HeadwaterError(f"{self.source}: stopped.")

    def close(self) -> None:
        self._stopped.set()
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """A session that nobody else uses meanwhile; it keeps its connection for the next request."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = requests.Session()
            session.auth = lambda request: request  # a ~/.netrc must not replace our Authorization header
            session.trust_env = self._trust_env
            session.headers.update(self._headers)
        try:
            yield session
        finally:
            self._idle.append(session)
            if self._stopped.is_set():
                self.close()

    def _request(self, method: str, path: str, **arguments: Any) -> Response:
        deadline = time.monotonic() + self._http.deadline.total_seconds()
        for attempt in range(1, self._http.attempts + 1):
            self._keep_quiet(deadline)
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
                if failed.status == 429:
                    self._quiet_until = max(self._quiet_until, time.monotonic() + pause)
                    continue
            self.wait(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def _keep_quiet(self, deadline: float) -> None:
        """Wait out what a 429, to whichever thread, asked for; not all to the same instant."""
        now = time.monotonic()
        if (pause := self._quiet_until - now) > 0:
            self.wait(min(pause + random.uniform(0, BACKOFF_SECONDS), max(0.0, deadline - now)))

    def _try(self, method: str, path: str, deadline: float, **arguments: Any) -> Response:
        url = f"{self.base_url}/{path.lstrip('/')}"
        seconds = max(0.1, min(self._http.timeout.total_seconds(), deadline - time.monotonic()))
        end = time.monotonic() + seconds
        try:
            with (
                self._session() as session,
                session.request(
                    method, url, timeout=seconds, stream=True, allow_redirects=False, **arguments
                ) as answer,
            ):
                self._date = answer.headers.get("Date")
                body = self._read(answer, end)
        except requests.exceptions.SSLError as error:
            reason = f"the certificate of {self._place} is not trusted ({root_reason(error)})"
            raise HeadwaterError(f"{self.source}: {reason}; check {self._address}.") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _Failed(root_reason(error)) from None
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
        return b"".join(parts).removeprefix(codecs.BOM_UTF8)  # it is no JSON, and may be ignored

    def _refused(self, answer: requests.Response, body: bytes, what: str) -> None:
        status, said = answer.status_code, self._redacted(message_of(body))
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
            raise _Failed(f"{status}: {said}", retry_after(answer.headers), status)
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
