"""Stripe's error answers (https://docs.stripe.com/error-codes), as exceptions."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An error answer: HTTP status, the `error` object's fields and extra headers."""

    def __init__(self, status: int, message: str, *, headers: dict[str, str] | None = None, **fields: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.fields = fields

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {**self.fields, "message": str(self)}
        if code := self.fields.get("code"):
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        error.setdefault("type", "invalid_request_error")
        return {"error": error}


# The same request would fail again: Stripe's clients read this header before they retry.
_FINAL = {"Stripe-Should-Retry": "false"}


def no_key() -> StripeError:
    return StripeError(
        401,
        "You did not provide an API key. You need to provide your API key in the Authorization header, "
        "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        headers={"WWW-Authenticate": 'Basic realm="Stripe"', **_FINAL},
    )


def wrong_key(key: str) -> StripeError:
    shown = f"{key[:8]}****{key[-4:]}" if len(key) > 12 else "*" * len(key)
    return StripeError(
        401,
        f"Invalid API Key provided: {shown}",
        headers={"WWW-Authenticate": 'Basic realm="Stripe"', **_FINAL},
    )


def missing(noun: str, object_id: str, param: str = "id") -> StripeError:
    """A 404 for an id in the path, a 400 for one in a parameter."""
    status = 404 if param == "id" else 400
    message = f"No such {noun}: '{object_id}'"
    return StripeError(status, message, headers=_FINAL, code="resource_missing", param=param)


def unknown_url(method: str, path: str) -> StripeError:
    return StripeError(404, f"Unrecognized request URL ({method}: {path}).", headers=_FINAL)


def unknown_parameter(name: str) -> StripeError:
    message = f"Received unknown parameter: {name}"
    return StripeError(400, message, headers=_FINAL, code="parameter_unknown", param=name)


def empty_parameter(name: str) -> StripeError:
    message = f"You passed an empty string for '{name}'. You may not unset it here; leave it out instead."
    return StripeError(400, message, headers=_FINAL, code="parameter_invalid_empty", param=name)


def bad_integer(name: str, value: str) -> StripeError:
    message = f"Invalid integer: {value}"
    return StripeError(400, message, headers=_FINAL, code="parameter_invalid_integer", param=name)


def out_of_range(name: str, message: str) -> StripeError:
    return StripeError(400, message, headers=_FINAL, code="parameter_invalid_integer", param=name)


def bad_parameter(name: str, message: str) -> StripeError:
    return StripeError(400, message, headers=_FINAL, param=name)


def too_many_requests() -> StripeError:
    # No Stripe-Should-Retry: for a plain rate limit Stripe leaves the decision to the caller.
    return StripeError(
        429,
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        headers={"Stripe-Rate-Limited-Reason": "global-rate"},
        code="rate_limit",
    )
