"""Whether a delivery was signed by who it says it is from: over the exact bytes of its body, in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

STRIPE_TOLERANCE_SECONDS = 300


def stripe_signed(header: str, body: bytes, secrets: Sequence[str], now: float) -> bool:
    """`Stripe-Signature: t=<Unix seconds>,v1=<hex>[,v1=...]`, HMAC-SHA256 over `t.body`; `t` within 300 s of `now`."""
    times: list[str] = []
    given: list[bytes] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            times.append(value)
        elif name == "v1":
            given.append(value.encode("utf-8", "replace"))
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) < 16):
        return False
    if abs(now - int(times[0])) > STRIPE_TOLERANCE_SECONDS:
        return False
    signed = times[0].encode() + b"." + body
    wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    return _any_equal(wanted, given)


def shopify_signed(header: str, body: bytes, secrets: Sequence[str]) -> bool:
    """`X-Shopify-Hmac-Sha256: <base64>`, HMAC-SHA256 over the body; the other headers are not signed."""
    wanted = [base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()) for secret in secrets]
    return _any_equal(wanted, [header.strip().encode("utf-8", "replace")])


def _any_equal(wanted: Sequence[bytes], given: Sequence[bytes]) -> bool:
    matches = [hmac.compare_digest(one, other) for one in wanted for other in given]
    return any(matches)
