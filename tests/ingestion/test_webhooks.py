"""Webhooks: who may send, what is stored before the thanks, and that raw ends as polling alone would leave it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
import requests
import stripe
from starlette.testclient import TestClient

from ingestion import http as http_module
from ingestion.status import status
from ingestion.sync import sync
from ingestion.webhooks import apply, receiver
from ingestion.webhooks.apply import Applied, apply_pending
from ingestion.webhooks.receiver import create_app
from ingestion.webhooks.senders import inboxes
from ingestion.webhooks.signatures import STRIPE_TOLERANCE_SECONDS, stripe_signed
from ingestion.webhooks.tally import Tally
from local.postgres import EmbeddedPostgres
from mock_apis.webhooks import Target, WebhookSender
from mock_apis.webhooks.sender import signed
from mock_apis.world.world import World
from settings import HeadwaterError, SettingsError, load_pipeline
from settings.pipeline import StreamSettings
from tests.ingestion.conftest import Query
from tests.ingestion.fake_stripe import FakeStripe
from tests.ingestion.test_stripe import DAY, T0, change, some_charges
from tests.mock_apis.serving import served
from warehouse.known import NEWEST
from warehouse.writer import StreamWriter

OLD, NEW, SHOPIFY = "whsec_old_secret", "whsec_new_secret", "shpss_the_secret"
JSON = "application/json; charset=utf-8"
EVENTS = "select event_id, topic, status, deliveries, body from ops.webhook_events order by 1"


@pytest.fixture
def tally() -> Tally:
    return Tally(["stripe", "shopify"])


@pytest.fixture
def client(clean_warehouse: str, tally: Tally, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A receiver that knows the secrets and applies nothing by itself."""
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", f"{OLD}, {NEW}")
    monkeypatch.setenv("SHOPIFY_WEBHOOK_SECRET", SHOPIFY)
    return TestClient(create_app(inboxes(load_pipeline()), tally=tally, stored=lambda: None))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeStripe:
    fake = FakeStripe(T0)
    monkeypatch.setattr("ingestion.stripe_api.HttpClient", lambda *_args: fake)
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test")
    return fake


def by_stripe(body: bytes, secret: str = NEW, at: float | None = None) -> dict[str, str]:
    """Headers as Stripe's own library makes them."""
    when = int(time.time() if at is None else at)
    digest = stripe.WebhookSignature._compute_signature(f"{when}.{body.decode()}", secret)
    return {"Stripe-Signature": f"t={when},v1={digest}", "Content-Type": JSON}


def by_shopify(body: bytes, topic: str, webhook_id: str = "w-1", secret: str = SHOPIFY) -> dict[str, str]:
    digest = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {
        **{"X-Shopify-Hmac-Sha256": digest, "X-Shopify-Topic": topic, "X-Shopify-Webhook-Id": webhook_id},
        **{"X-Shopify-Triggered-At": "2026-03-01T12:00:00.123456789Z", "Content-Type": JSON},
    }


def body_of(fake: FakeStripe, event_id: str) -> bytes:
    return json.dumps(fake.things["events"][event_id], indent=2).encode()


def tell(client: TestClient, fake: FakeStripe, *event_ids: str) -> None:
    for event_id in event_ids:
        body = body_of(fake, event_id)
        assert client.post("/webhooks/stripe", content=body, headers=by_stripe(body)).status_code == 200


def raw_charge(query: Query, key: str = "ch_3") -> list[tuple[Any, ...]]:
    """Its versions, the one that counts first."""
    return query(
        "select source_data->>'amount_refunded', record_version from raw.stripe_charges"
        f" where record_key = '{key}' order by record_version desc, _load_timestamp desc"
    )


def test_a_signature_holds_for_its_exact_body_its_secret_and_five_minutes() -> None:
    body, now = b'{"id": "evt_1",  "amount": 1.50}', 1_800_000_000
    header = by_stripe(body, OLD, now)["Stripe-Signature"]
    old, new = (by_stripe(body, secret, now)["Stripe-Signature"].partition(",")[2] for secret in (OLD, NEW))
    rolled = f"t={now},{old},{new},v0=abc"
    assert stripe_signed(header, body, [OLD], now)
    assert stripe_signed(header, body, [NEW, OLD], now)  # the receiver's side of a rotation
    assert stripe_signed(rolled, body, [NEW], now) and stripe_signed(rolled, body, [OLD], now)  # the sender's
    assert stripe_signed(header, body, [OLD], now + STRIPE_TOLERANCE_SECONDS)
    assert not stripe_signed(header, body, [OLD], now + STRIPE_TOLERANCE_SECONDS + 1)
    assert not stripe_signed(header, body, [OLD], now - STRIPE_TOLERANCE_SECONDS - 1)
    assert not stripe_signed(header, body, [NEW], now)
    assert not stripe_signed(header, b'{"id":"evt_1","amount":1.5}', [OLD], now)  # parsed and written again
    assert not stripe_signed(header.replace(f"t={now}", f"t={now + 1}"), body, [OLD], now)
    for broken in ("", "t=", f"t={now}", f"{header},t=1", header.replace("v1", "v0"), "t=²,v1=a", "t=1e9,v1=é"):
        assert not stripe_signed(broken, body, [OLD], now)


def test_stripes_own_library_takes_what_the_pretend_stripe_signs() -> None:
    body = b'{"id": "evt_1", "object": "event"}'
    header = signed("stripe", body, NEW, int(time.time()))["Stripe-Signature"]
    assert stripe.Webhook.construct_event(body, header, NEW).id == "evt_1"


@pytest.mark.fault("A webhook is sent again", "It is stored once, and counted.")
def test_an_event_is_stored_byte_for_byte_once_however_often_it_is_sent(client: TestClient, query: Query) -> None:
    body = b'{ "id": "evt_1",\n\t"type": "charge.captured", "created": 1772366400, "data": {"object": {"object": '
    body += '"charge", "id": "ch_1", "amount": 10.50, "description": "\\u0000 für"}}}'.encode()
    for secret in (OLD, NEW, NEW):
        assert client.post("/webhooks/stripe", content=body, headers=by_stripe(body, secret)).status_code == 200
    assert query(EVENTS) == [("evt_1", "charge.captured", "pending", 3, body)]
    assert query("select streams from ops.webhook_events") == [(["charges"],)]


def test_a_shopify_webhook_is_stored_once_by_its_id_and_taken_with_both_secrets_of_a_rotation(
    client: TestClient, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPIFY_WEBHOOK_SECRET", f"{SHOPIFY},{NEW}")
    rotating = TestClient(create_app(inboxes(load_pipeline()), tally=Tally(["shopify"]), stored=lambda: None))
    body = b'{"id": 7,  "title": "Tea"}'

    def send(to: TestClient, webhook_id: str, secret: str) -> int:
        headers = by_shopify(body, "products/update", webhook_id, secret)
        return to.post("/webhooks/shopify", content=body, headers=headers).status_code

    assert [send(rotating, "w-1", secret) for secret in (SHOPIFY, NEW, SHOPIFY)] == [200] * 3
    assert send(rotating, "w-2", NEW) == 200  # the same body, told of another time
    assert send(rotating, "w-3", OLD) == send(client, "w-3", NEW) == 401
    topic, pending = "products/update", "pending"
    assert query(EVENTS) == [("w-1", topic, pending, 3, body), ("w-2", topic, pending, 1, body)]


@pytest.mark.fault("A webhook is not signed, too large or no JSON", "It is refused, without a reason.")
def test_what_is_not_signed_too_large_or_not_json_is_refused_without_a_reason(
    client: TestClient, tally: Tally, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "LARGEST_BODY", 1000)
    body = b'{"id": "evt_1", "type": "charge.captured", "created": 1}'
    big, good = b'"' + b"a" * 1000 + b'"', by_stripe(body)
    refused = {
        401: [
            by_stripe(body, "whsec_wrong_one"),
            by_stripe(body, at=0),
            {"Content-Type": JSON},
            by_stripe(body + b" "),
        ],
        415: [{**good, "Content-Type": "text/plain"}],
    }
    for code, tries in refused.items():
        for headers in tries:
            answer = client.post("/webhooks/stripe", content=body, headers=headers)
            assert (answer.status_code, answer.content) == (code, b"")
    assert client.post("/webhooks/stripe", content=big, headers=by_stripe(big)).status_code == 413
    assert client.post("/webhooks/stripe", content=iter([big[:600], big[600:]]), headers=good).status_code == 413
    shop = by_shopify(b"{}", "orders/create", secret="shpss_wrong_one")
    assert client.post("/webhooks/shopify", content=b"{}", headers=shop).status_code == 401
    assert client.post("/webhooks/email", content=body, headers=good).status_code == 404
    assert query("select count(*) from ops.webhook_events") == [(0,)]
    tally.keep()
    assert query("select * from ops.webhook_inboxes order by 1") == [("shopify", 0, 1), ("stripe", 0, 4)]


def test_what_came_is_counted_once_and_again_after_a_restart(client: TestClient, tally: Tally, query: Query) -> None:
    def came() -> list[tuple[Any, ...]]:
        return query("select * from ops.webhook_inboxes order by 1")

    def post(event_id: str) -> None:
        body = json.dumps({"id": event_id, "type": "charge.captured", "created": 1}).encode()
        assert client.post("/webhooks/stripe", content=body, headers=by_stripe(body)).status_code == 200

    tally.keep()
    assert came() == [("shopify", 0, 0), ("stripe", 0, 0)]
    for event_id in ("evt_1", "evt_2", "evt_2"):
        post(event_id)
    with pytest.raises(HeadwaterError):
        tally.keep("postgresql://nobody:none@127.0.0.1:1/none")
    for _ in range(2):
        tally.keep()
        assert came() == [("shopify", 0, 0), ("stripe", 2, 0)]
    later = Tally(["stripe"])
    later.received("stripe")
    later.keep()
    assert came()[1] == ("stripe", 3, 0)


def test_privacy_topics_are_stored_and_stay_pending(client: TestClient, query: Query) -> None:
    topics = ("customers/data_request", "customers/redact", "shop/redact")
    for topic in topics:
        body = json.dumps({"shop_id": 1, "customer": {"id": 2, "email": "a@b.c"}}).encode()
        headers = by_shopify(body, topic, webhook_id=topic)
        assert client.post("/webhooks/shopify", content=body, headers=headers).status_code == 200
    assert apply_pending() == []
    assert query("select topic, purpose, status from ops.webhook_events order by 1") == [
        (topic, "privacy", "pending") for topic in topics
    ]


@pytest.mark.fault(
    "The warehouse is away when a webhook comes",
    "The sender is told to come again: nothing is thanked for that is not stored.",
)
def test_without_the_warehouse_the_sender_is_told_to_come_again(
    client: TestClient, postgres: EmbeddedPostgres, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"id": "evt_1", "type": "charge.captured", "created": 1}'

    def post() -> Any:
        return client.post("/webhooks/stripe", content=body, headers=by_stripe(body))

    with monkeypatch.context() as away:
        away.setenv("WAREHOUSE_URL", "postgresql://nobody:none@127.0.0.1:1/none")
        for _ in range(2 * receiver.STORERS):
            answer = post()
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert query("select count(*) from ops.webhook_events") == [(0,)]
    assert post().status_code == 200
    query_all = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like '%webhooks'"
    assert query(query_all)[0][0] >= 1
    assert post().status_code == 200  # over a new connection
    assert query("select deliveries from ops.webhook_events") == [(2,)]


@pytest.mark.fault(
    "Webhooks come late, twice, or several in one second",
    "The object is fetched anew: its newest state is what stays.",
)
def test_late_same_second_and_repeated_events_leave_the_newest_state(
    client: TestClient, fake: FakeStripe, query: Query
) -> None:
    charges = some_charges(fake)
    sync("stripe", ["charges"])
    fake.time += DAY
    change(fake, charges[3], amount_refunded=10)  # evt_000000
    first = datetime.fromtimestamp(fake.time, UTC)
    fake.time += 5
    change(fake, charges[3], amount_refunded=20)  # evt_000001 and, in the same second, evt_000002
    second = datetime.fromtimestamp(fake.time, UTC)
    tell(client, fake, "evt_000001")
    assert apply_pending() == [Applied("stripe", "charges", 1, 1)]
    change(fake, charges[3], amount_refunded=30)
    tell(client, fake, "evt_000002")
    apply_pending()
    assert raw_charge(query)[:2] == [("30", second), ("20", second)]

    tell(client, fake, "evt_000000", "evt_000002", "evt_000000")
    apply_pending()
    assert raw_charge(query)[0] == ("30", second)
    assert first not in [version for _, version in raw_charge(query)]
    assert {row[2] for row in query(EVENTS)} == {"processed"}


@pytest.mark.fault(
    "The receiver of webhooks crashes between storing and applying",
    "What was stored is applied once, later.",
)
def test_a_crash_between_storing_and_applying_loses_and_doubles_nothing(
    client: TestClient, fake: FakeStripe, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    charges = some_charges(fake)
    sync("stripe", ["charges"])
    state = query("select state, watermark from ops.checkpoints")
    fake.time += DAY
    change(fake, charges[3], amount_refunded=10)
    tell(client, fake, "evt_000000")
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(apply.store, "tick_off", lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt))
        apply_pending()
    assert len(raw_charge(query)) == 2 and [row[2] for row in query(EVENTS)] == ["pending"]
    assert apply_pending() == [Applied("stripe", "charges", 1, 0)]
    assert len(raw_charge(query)) == 2 and [row[2] for row in query(EVENTS)] == ["processed"]
    assert query("select state, watermark from ops.checkpoints") == state  # polling's bookmark stays
    assert query("select kind, status from ops.runs order by started_at")[0] == ("sync", "succeeded")


@pytest.mark.fault(
    "The object that a webhook tells of breaks its contract",
    "It is quarantined or skipped; where the stream's policy is `stop` its webhooks stay pending, with the reason.",
)
@pytest.mark.parametrize(
    ("policy", "statuses", "counts"),
    [
        ("quarantine", ["processed", "processed"], [(2, 1, 1, 0)]),
        ("skip", ["processed", "processed"], [(2, 1, 1, 1)]),
        ("stop", ["pending", "pending"], []),
    ],
)
def test_a_broken_object_is_quarantined_or_skipped_or_stops_the_stream(
    client: TestClient, fake: FakeStripe, query: Query, policy: str, statuses: list[str], counts: list[Any]
) -> None:
    charges = some_charges(fake)
    sync("stripe", ["charges"])
    before = query("select count(*) from ops.loads")[0][0]
    fake.time += DAY
    change(fake, charges[3], currency=7)
    change(fake, charges[4], amount_refunded=10)
    tell(client, fake, "evt_000000", "evt_000001")
    whole = load_pipeline()
    charges_are = StreamSettings.model_validate({"on_reject": policy})
    ours = whole.source("stripe").model_copy(update={"streams": {"charges": charges_are}})
    (done,) = apply_pending(pipeline=whole.model_copy(update={"sources": {"stripe": ours}}))
    assert ("policy is `stop`" in str(done.left)) == (policy == "stop")
    assert [row[2] for row in query(EVENTS)] == statuses
    loads = "select received, kept, rejected, skipped from ops.loads order by committed_at offset"
    assert query(f"{loads} {before}") == counts
    assert query("select count(*) from ops.quarantine") == [(int(policy == "quarantine"),)]
    assert query("select count(*) from ops.webhook_events where error like '%currency%'") == [(int(policy == "stop"),)]


def test_events_wait_for_the_first_sync_and_for_a_sync_that_runs_and_a_sync_applies_what_is_left(
    client: TestClient, fake: FakeStripe, query: Query
) -> None:
    charges = some_charges(fake)
    change(fake, charges[3], amount_refunded=10)
    tell(client, fake, "evt_000000")
    assert [done.left for done in apply_pending()] == ["its first sync has yet to be done"]
    sync("stripe", ["charges"])
    with StreamWriter("stripe", "charges"):
        (done,) = apply_pending(wait=0)
    assert done.events == 0 and "another run" in str(done.left)
    (result,) = sync("stripe", ["charges"])
    assert result.error is None and [row[2] for row in query(EVENTS)] == ["processed"]
    assert raw_charge(query)[0] == ("10", T0)
    row = next(row for row in status() if row.stream == "charges")
    assert (row.webhooks_pending, row.webhooks_missed) == (0, 0)

    fake.time += DAY
    change(fake, charges[4], amount_refunded=10)  # of which no webhook tells
    fake.time += DAY
    sync("stripe", ["charges"])
    row = next(row for row in status() if row.stream == "charges")
    assert (row.webhooks_pending, row.webhooks_missed) == (0, 1)


def test_a_source_that_is_away_leaves_events_pending_and_after_three_days_they_have_failed(
    client: TestClient, fake: FakeStripe, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    charges = some_charges(fake)
    sync("stripe", ["charges"])
    change(fake, charges[3], amount_refunded=10)
    tell(client, fake, "evt_000000")
    away = SettingsError("stripe is away")
    monkeypatch.setattr(fake, "get_json", lambda *_args: (_ for _ in ()).throw(away))
    assert [done.left for done in apply_pending()] == ["stripe is away"]
    assert query("select status, attempts, error from ops.webhook_events") == [("pending", 1, "stripe is away")]
    assert apply_pending(due_only=True) == []  # later
    with psycopg.connect(client_url()) as connection:
        connection.execute("update ops.webhook_events set received_at = now() - interval '4 days'")
    apply_pending()
    assert query("select status from ops.webhook_events") == [("failed",)]


def client_url() -> str:
    import os

    return os.environ["WAREHOUSE_URL"]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> Iterator[tuple[str, WebhookSender]]:
    """The pretend shop, whose webhooks go through the receiver, which is away at first now and then."""
    monkeypatch.setattr(http_module, "BACKOFF_SECONDS", 0.01)
    targets = {
        "stripe": Target("/webhooks/stripe", NEW),
        "shopify": Target("/webhooks/shopify", SHOPIFY),
    }
    sender = WebhookSender(targets, seed=3, pause_seconds=0.01)
    away = iter([True, False, False] * 10_000)

    def send(delivery: Any) -> bool:
        if next(away):
            return False
        target = targets[delivery.target]
        headers = {"Content-Type": JSON, **delivery.headers}
        headers |= signed(delivery.target, delivery.body, target.secret, int(time.time()))
        return client.post(target.url, content=delivery.body, headers=headers).status_code == 200

    monkeypatch.setattr(sender, "_send", send)
    with served(World(11, "tiny", date(2026, 3, 20)), webhooks=sender.start()) as base:
        for name, value in (
            *(("SHOPIFY_API_URL", f"{base}/shopify"), ("SHOPIFY_ACCESS_TOKEN", "shpat_demo")),
            *(("STRIPE_API_URL", f"{base}/stripe"), ("STRIPE_API_KEY", "sk_test_demo")),
        ):
            monkeypatch.setenv(name, value)
        yield base, sender
        sender.stop()


CURRENT = (
    "select distinct on (record_key) record_key, record_version, source_data::text, _deleted from raw.{}"
    f" order by record_key, {NEWEST}"
)
TOLD = {
    "stripe": ("charges", "refunds", "disputes", "payouts", "customers"),
    "shopify": ("orders", "customers", "products"),
}


def test_webhooks_alone_leave_what_polling_alone_leaves(
    shop: tuple[str, WebhookSender], query: Query, new_warehouse: Callable[[str], str]
) -> None:
    base, sender = shop
    polled = new_warehouse("polled_only")
    for source in TOLD:
        for url in (None, polled):
            assert [result.error for result in sync(source, url=url) if result.error] == []
    for _ in range(2):
        assert requests.post(f"{base}/_admin/advance", json={"days": 1}, timeout=60).ok
        deadline = time.monotonic() + 60
        while requests.get(f"{base}/_admin/webhooks", timeout=10).json()["pending"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert sender.counts()["given_up"] == 0
    assert [done.left for done in apply_pending() if done.left] == []
    assert query("select count(*) from ops.webhook_events where status <> 'processed'") == [(0,)]
    assert query("select max(deliveries) > 1, count(*) > 30 from ops.webhook_events") == [(True, True)]

    for source, streams in TOLD.items():
        assert [result.error for result in sync(source, url=polled) if result.error] == []
        for stream in streams:
            table = f"{source}_{stream}"
            assert query(CURRENT.format(table)) == query(CURRENT.format(table), url=polled), table
    for source in TOLD:
        sync(source)
    assert query("select sum(missed), count(*) >= 6 from ops.webhook_streams") == [(0, True)]


def test_a_deleted_product_is_told_of_by_a_webhook_alone(
    shop: tuple[str, WebhookSender], client: TestClient, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync("shopify", ["products"])
    ((key, before),) = query("select record_key, source_data::text from raw.shopify_products limit 1")
    monkeypatch.setattr("ingestion.shopify_api.ShopifyApi.ask", lambda *_args, **_more: b"null")
    body = json.dumps({"id": int(key.rpartition("/")[2])}).encode()
    headers = by_shopify(body, "products/delete")
    headers["X-Shopify-Triggered-At"] = "2027-01-01T00:00:00Z"
    assert client.post("/webhooks/shopify", content=body, headers=headers).status_code == 200
    assert [(done.kept, done.left) for done in apply_pending()] == [(1, None)]
    newest = query(f"{CURRENT.format('shopify_products')} limit 1000")
    assert [row[1:] for row in newest if row[0] == key] == [(datetime(2027, 1, 1, tzinfo=UTC), before, True)]


def test_a_secret_is_needed_and_must_look_like_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("SHOPIFY_WEBHOOK_SECRET", "")
    with pytest.raises(SettingsError, match="set SHOPIFY_WEBHOOK_SECRET or STRIPE_WEBHOOK_SECRET"):
        inboxes(load_pipeline())
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "short")
    with pytest.raises(SettingsError, match="STRIPE_WEBHOOK_SECRET is shorter"):
        inboxes(load_pipeline())
