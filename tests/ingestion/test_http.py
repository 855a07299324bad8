"""The HTTP client against a server that misbehaves by script."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion import http as http_module
from ingestion.http import HttpClient, HttpError
from local.postgres import free_port
from settings import HeadwaterError
from settings.pipeline import Http
from tests.ingestion.scripted import Answer, Scripted

KEY = "sk_live_very_secret"
GOOD = Answer(b'{"fine":true}')


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "BACKOFF_SECONDS", 0.002)


def client(url: str, **bounds: Any) -> HttpClient:
    limits = Http.model_validate({"attempts": 4, "timeout": timedelta(seconds=5), **bounds})
    return HttpClient(url, {"Authorization": f"Bearer {KEY}"}, limits, "stripe", "STRIPE_API_KEY", "STRIPE_API_URL")


def waits(found: HttpClient, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seen: list[float] = []
    monkeypatch.setattr(found, "wait", seen.append)
    return seen


@pytest.mark.fault(
    "429, 5xx, a reset, a cut or empty body, a page that is no JSON",
    "The request is repeated with growing, random pauses.",
)
@pytest.mark.parametrize(
    "bad",
    [
        *(Answer(b"{}", status) for status in (429, 500, 502, 503, 504)),
        Answer(reset=True),
        Answer(b'{"a": "long enough to be cut"}', cut=True),
        Answer(b"<html>all is well</html>"),
        Answer(b'{"a": [1, 2'),
        Answer(b""),
        Answer(b"{}", 409, {"Stripe-Should-Retry": "true"}),
    ],
    ids=lambda bad: f"{bad.status}{' reset' * bad.reset}{' cut' * bad.cut} {bad.body.decode()[:20]}",
)
def test_what_may_pass_is_tried_again(scripted: Scripted, bad: Answer) -> None:
    scripted.answers = [bad, bad, GOOD]
    assert client(scripted.url).get_json("v1/charges").body == GOOD.body
    assert [asked.path for asked in scripted.asked] == ["/v1/charges"] * 3


@pytest.mark.fault("A server never recovers", "The tries are bounded; the run fails with the last reason.")
def test_tries_are_bounded_and_the_last_reason_is_told(scripted: Scripted) -> None:
    scripted.then = lambda _asked: Answer(b'{"error": {"message": "too much"}}', 429)
    with pytest.raises(HttpError, match="still answers 429: too much after 4 tries") as raised:
        client(scripted.url).get_json("v1/charges")
    assert raised.value.status == 429
    assert len(scripted.asked) == 4


def test_a_server_may_forbid_the_retry(scripted: Scripted) -> None:
    scripted.answers = [Answer(b'{"error": {"message": "no"}}', 500, {"Stripe-Should-Retry": "false"})]
    with pytest.raises(HttpError, match="refused GET /v1/x: 500: no"):
        client(scripted.url).get_json("v1/x")
    assert len(scripted.asked) == 1


@pytest.mark.fault("The server names a time to wait", "It is waited for, by the server's clock.")
@pytest.mark.parametrize("value", ["7", "Sun, 01 Mar 2026 12:00:07 GMT"])
def test_retry_after_is_honoured_in_seconds_and_as_a_date_of_the_servers_clock(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    scripted.answers = [Answer(b"{}", 429, {"Retry-After": value}), GOOD]
    found = client(scripted.url)
    seen = waits(found, monkeypatch)
    found.get_json("v1/x")
    assert len(seen) == 1
    assert 7 <= seen[0] <= 8


def test_a_wait_beyond_the_deadline_fails_at_once(scripted: Scripted) -> None:
    scripted.then = lambda _asked: Answer(b'{"errors": "slow down"}', 429, {"Retry-After": "3600"})
    begun = time.monotonic()
    with pytest.raises(HeadwaterError, match="slow down, asking to wait 3600 s after 0:10:00"):
        client(scripted.url).get_json("v1/x")
    assert time.monotonic() - begun < 2


def test_backoff_grows_and_is_jittered(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "BACKOFF_SECONDS", 1.0)
    scripted.then = lambda _asked: Answer(b"{}", 500)
    found = client(scripted.url, attempts=6)
    seen = waits(found, monkeypatch)
    with pytest.raises(HttpError):
        found.get_json("v1/x")
    assert all(2**n / 2 <= pause <= 2**n for n, pause in enumerate(seen))
    assert len(set(seen)) == 5


@pytest.mark.fault("A body trickles in byte by byte", "The try ends at its time limit.")
def test_a_body_that_dribbles_does_not_hold_the_run(scripted: Scripted) -> None:
    scripted.then = lambda _asked: Answer(b'{"a": "' + b"x" * 500 + b'"}', dribble=0.02)
    begun = time.monotonic()
    with pytest.raises(HeadwaterError, match=r"not whole after 0.3 s.*check STRIPE_API_URL"):
        client(scripted.url, timeout=timedelta(seconds=0.3), attempts=2).get_json("v1/x")
    assert time.monotonic() - begun < 3


@pytest.mark.fault("The key is refused", "The run fails at once and names the setting, never the key.")
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_fails_at_once_and_names_the_setting(scripted: Scripted, status: int) -> None:
    scripted.then = lambda _asked: Answer(f'{{"error": {{"message": "Invalid key {KEY}"}}}}'.encode(), status)
    with pytest.raises(HttpError, match=r"STRIPE_API_KEY was refused by stripe at http://127.0.0.1") as raised:
        client(scripted.url).get_json("v1/x")
    assert KEY not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(scripted.asked) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_a_wrong_request_fails_with_the_servers_words(scripted: Scripted, status: int) -> None:
    scripted.then = lambda _asked: Answer(b'{"error": {"message": "No such charge"}}', status)
    with pytest.raises(HttpError, match=f"refused GET /v1/x: {status}: No such charge"):
        client(scripted.url).get_json("v1/x")
    assert len(scripted.asked) == 1


def test_an_unreachable_server_names_the_setting_of_its_address() -> None:
    with pytest.raises(HeadwaterError, match="cannot be read: Connection refused, after 2 tries; check STRIPE_API_URL"):
        client(f"http://127.0.0.1:{free_port()}", attempts=2).get_json("v1/x")


def test_a_redirect_is_not_followed_with_the_key(scripted: Scripted) -> None:
    scripted.then = lambda _asked: Answer(b"{}", 302, {"Location": f"{scripted.url}/elsewhere"})
    with pytest.raises(HttpError, match="sends on to another address"):
        client(scripted.url).get_json("v1/x")
    assert len(scripted.asked) == 1


def test_the_servers_clock_is_read_from_its_last_answer(scripted: Scripted) -> None:
    found = client(scripted.url)
    with pytest.raises(HeadwaterError, match="tells no time"):
        found.server_time()
    found.get_json("v1/x")
    assert found.server_time() == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_proxy_is_not_asked_for_this_machine(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert client(scripted.url).get_json("v1/x").status == 200


def test_a_post_carries_its_json_and_the_key(scripted: Scripted) -> None:
    client(scripted.url).post_json("graphql.json", {"query": "{ shop }"})
    asked = scripted.asked[0]
    assert (asked.method, asked.body) == ("POST", b'{"query":"{ shop }"}')
    assert asked.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("url", ["", "ftp://x", "127.0.0.1:80", "http://", "http://[::1"])
def test_a_bad_address_is_told_before_anything_is_asked(url: str) -> None:
    with pytest.raises(HeadwaterError, match="STRIPE_API_URL is no web address"):
        client(url)


def test_a_key_that_no_header_can_carry_is_told_without_showing_it() -> None:
    with pytest.raises(HeadwaterError, match="STRIPE_API_KEY holds characters") as raised:
        HttpClient("http://x", {"Authorization": "Bearer geheim\n"}, Http(), "stripe", "STRIPE_API_KEY")
    assert "geheim" not in str(raised.value)
