"""Who may ask, and how often: the API key and the rate limit."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
import time
from collections.abc import Callable

from mock_apis.stripe import errors


def check_key(authorization: str | None, expected: str) -> None:
    """Take the key as a Bearer token or as the user name of Basic; raise a 401 otherwise."""
    given = _key_of(authorization)
    if not given:
        raise errors.no_key()
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise errors.wrong_key(given)


def _key_of(authorization: str | None) -> str:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


class RateLimit:
    """A token bucket that holds one second's worth of requests."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = max(per_second, 1.0)
        self._seen = clock()

    def take(self) -> None:
        """Count one request; raise a 429 when the bucket is empty."""
        with self._lock:
            now = self._clock()
            self._tokens = min(max(self._rate, 1.0), self._tokens + (now - self._seen) * self._rate)
            self._seen = now
            if self._tokens < 1:
                raise errors.too_many_requests()
            self._tokens -= 1
