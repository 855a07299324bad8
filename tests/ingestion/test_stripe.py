"""Stripe's streams: against a fake whose every turn is scripted, and against the pretend shop into a warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
import requests

from ingestion.http import Response
from ingestion.source import Context, Stream
from ingestion.sources.stripe import Source
from ingestion.sync import sync
from mock_apis.faults import Fault, Faults
from mock_apis.world.world import World
from settings import HeadwaterError
from tests.ingestion.fake_stripe import FakeStripe
from tests.ingestion.kept import Kept, settings_of
from tests.mock_apis.serving import served

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = 3600, 86400


def charge(**fields: Any) -> dict[str, Any]:
    whole = {"amount": 100, "amount_captured": 100, "amount_refunded": 0, "captured": True, "currency": "eur"}
    return {**whole, "disputed": False, "status": "succeeded", **fields}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeStripe:
    fake = FakeStripe(T0)
    monkeypatch.setattr("ingestion.stripe_api.HttpClient", lambda *_args: fake)
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test")
    return fake


def stream(name: str = "charges") -> Stream:
    return Source(Context("stripe", settings_of("stripe"))).stream(name)


def some_charges(fake: FakeStripe, count: int = 8) -> list[dict[str, Any]]:
    start = fake.time - 40 * DAY
    return [fake.add("charges", f"ch_{n}", start + n * HOUR, **charge()) for n in range(count)]


def change(fake: FakeStripe, thing: dict[str, Any], kind: str = "charge.refunded", **fields: Any) -> None:
    thing.update(fields)
    fake.tell(kind, thing)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_the_first_run_lists_everything_and_later_runs_fetch_only_what_events_tell_of(fake: FakeStripe) -> None:
    charges = some_charges(fake)
    kept = Kept("stripe", "charges")
    kept.run(stream())
    assert kept.keys == {each["id"] for each in charges}
    assert kept.current("ch_3")[1] == at(charges[3]["created"])
    assert kept.watermark == T0 - timedelta(seconds=60)

    fake.time += DAY
    change(fake, charges[3], amount_refunded=40)
    refunded = fake.time
    fake.time += HOUR
    fake.asked.clear()
    kept.run(stream())
    assert kept.current("ch_3")[0]["amount_refunded"] == 40
    assert kept.current("ch_3")[1] == at(refunded)
    assert [path for path in fake.asked if "/ch_" in path] == ["v1/charges/ch_3"]


def test_rule_5_what_changes_while_the_first_list_is_read_comes_with_the_next_run(fake: FakeStripe) -> None:
    charges = some_charges(fake)

    def meanwhile(number: int) -> None:
        if number == 3:  # ch_7 was on the first page
            fake.time += 20
            change(fake, charges[7], amount_refunded=100)
            charges.append(fake.add("charges", "ch_new", **charge()))
            fake.tell("charge.succeeded", charges[-1])

    fake.before = meanwhile
    kept = Kept("stripe", "charges")
    kept.run(stream())
    assert kept.current("ch_7")[0]["amount_refunded"] == 0
    fake.before = lambda _number: None
    fake.time += 120
    kept.run(stream())
    assert kept.current("ch_7")[0]["amount_refunded"] == 100
    assert "ch_new" in kept.keys


def test_an_object_with_events_on_two_pages_ends_as_it_is_now(fake: FakeStripe) -> None:
    charges = some_charges(fake)
    kept = Kept("stripe", "charges")
    kept.run(stream())
    fake.time += HOUR
    change(fake, charges[0], "charge.updated", amount_refunded=1)
    for other in charges[1:5]:
        fake.time += 1
        change(fake, other, "charge.updated", amount_refunded=5)
    fake.time += 1
    change(fake, charges[0], amount_refunded=2)
    newest = fake.time
    fake.time += 120

    fake.asked.clear()

    def meanwhile(number: int) -> None:
        # It changes once more between the two times it is fetched: an event of the next window.
        if number and fake.asked.count("v1/charges/ch_0") == 1 and charges[0]["amount_refunded"] == 2:
            change(fake, charges[0], amount_refunded=3)

    fake.before = meanwhile
    pages = kept.run(stream())
    assert len(pages) == 2
    assert fake.asked.count("v1/charges/ch_0") == 2
    assert kept.current("ch_0")[0]["amount_refunded"] == 2
    assert kept.current("ch_0")[1] == at(newest)

    fake.before = lambda _number: None
    fake.time += 120
    kept.run(stream())
    assert kept.current("ch_0")[0]["amount_refunded"] == 3


@pytest.mark.parametrize("beyond_the_events", [False, True])
def test_rule_1_a_run_that_was_killed_after_any_page_leaves_what_an_undisturbed_one_leaves(
    fake: FakeStripe, beyond_the_events: bool
) -> None:
    charges = some_charges(fake, 10)
    whole = Kept("stripe", "charges")
    whole.run(stream())
    first_run = len(whole.pages)
    fake.time += 50 * DAY if beyond_the_events else DAY
    for number, each in enumerate([*charges, *charges[:4]]):
        fake.time += 7
        change(fake, each, amount_refunded=number)
    fake.time += HOUR
    whole.run(stream())
    assert len(whole.pages) > first_run + 2

    pieces = Kept("stripe", "charges")
    now, fake.time = fake.time, int(T0.timestamp())
    while len(pieces.pages) < first_run:  # the first run, a page at a time
        pieces.run(stream(), most_pages=1)
    fake.time = now
    while pieces.run(stream(), most_pages=1):
        pass
    assert pieces.state == whole.state
    newest = {key: whole.current(key) for key in whole.keys}
    assert {key: pieces.current(key) for key in pieces.keys} == newest
    second = [row for row in whole.rows if row[1] > T0]
    assert second == [row for row in pieces.rows if row[1] > T0]


@pytest.mark.fault(
    "No run for longer than events reach back",
    "Everything is listed again, said aloud, and wins over what was known.",
)
def test_past_the_reach_of_events_everything_is_listed_again_and_wins(
    fake: FakeStripe, caplog: pytest.LogCaptureFixture
) -> None:
    charges = some_charges(fake)
    kept = Kept("stripe", "charges")
    kept.run(stream())
    fake.time += HOUR
    change(fake, charges[2], amount_refunded=10)
    fake.time += HOUR
    kept.run(stream())
    fake.time += DAY
    charges[2]["amount_refunded"] = 99  # its event has been forgotten
    fake.time += 31 * DAY
    pages = kept.run(stream())
    end = at(fake.time - 60)
    assert kept.current("ch_2")[0]["amount_refunded"] == 99
    assert kept.current("ch_2")[1] == kept.watermark == end
    assert all("everything listed again" in page.origin for page in pages)
    assert "events reach back 30 days" in caplog.text

    fake.time += HOUR
    change(fake, charges[2], amount_refunded=100)
    fake.time += HOUR
    kept.run(stream())
    assert kept.current("ch_2")[0]["amount_refunded"] == 100


def test_past_the_reach_of_events_those_that_are_left_tell_of_deletions(fake: FakeStripe) -> None:
    for number in range(8):
        fake.add("customers", f"cus_{number}", email=None)
    fake.time += HOUR
    kept = Kept("stripe", "customers")
    kept.run(stream("customers"))
    fake.time += 60 * DAY
    for number in range(4):
        fake.tell("customer.deleted", fake.things["customers"][f"cus_{number}"])
        fake.things["customers"][f"cus_{number}"] = {"id": f"cus_{number}", "object": "customer", "deleted": True}
    fake.time += DAY
    while kept.run(stream("customers"), most_pages=1):
        pass
    assert {key for key in kept.keys if kept.current(key)[2]} == {f"cus_{number}" for number in range(4)}
    assert kept.watermark == at(fake.time - 60)


def test_a_half_read_window_whose_events_are_gone_is_listed_again(fake: FakeStripe) -> None:
    charges = some_charges(fake)
    kept = Kept("stripe", "charges")
    kept.run(stream())
    fake.time += HOUR
    for each in charges:
        change(fake, each, amount_refunded=1)
    fake.time += HOUR
    kept.run(stream(), most_pages=1)
    fake.things["events"].clear()
    fake.time += 40 * DAY
    kept.run(stream())
    assert {kept.current(key)[0]["amount_refunded"] for key in kept.keys} == {1}


def test_a_deleted_customer_is_a_deleted_record(fake: FakeStripe) -> None:
    customer = fake.add("customers", "cus_1", email="a@example.com", name=None)
    fake.time += HOUR
    kept = Kept("stripe", "customers")
    kept.run(stream("customers"))
    fake.time += DAY
    deleted = fake.time
    fake.tell("customer.deleted", customer)
    fake.things["customers"]["cus_1"] = {"id": "cus_1", "object": "customer", "deleted": True}
    fake.time += HOUR
    kept.run(stream("customers"))
    assert kept.current("cus_1") == ({"id": "cus_1", "object": "customer", "deleted": True}, at(deleted), True)
    assert not kept.rejects


def test_an_object_that_stripe_has_forgotten_is_kept_as_its_event_showed_it(
    fake: FakeStripe, caplog: pytest.LogCaptureFixture
) -> None:
    charges = some_charges(fake)
    kept = Kept("stripe", "charges")
    kept.run(stream())
    fake.time += HOUR
    change(fake, charges[1], amount_refunded=7)
    del fake.things["charges"]["ch_1"]
    fake.time += HOUR
    kept.run(stream())
    document, _, deleted = kept.current("ch_1")
    assert (document["amount_refunded"], deleted) == (7, True)
    assert "ch_1 is gone" in caplog.text


@pytest.mark.fault("The object that a cursor names is deleted", "Its second is read again: nothing is lost.")
def test_a_cursor_whose_object_is_gone_loses_nothing(fake: FakeStripe) -> None:
    charges = some_charges(fake)
    charges[4]["created"] = charges[5]["created"]  # two of one second at the border of the pages
    kept = Kept("stripe", "charges")
    kept.run(stream(), most_pages=1)
    del fake.things["charges"][kept.state["window"]["cursor"]["after"]]
    kept.run(stream())
    assert kept.keys == {f"ch_{n}" for n in range(8)}


@pytest.mark.fault(
    "A whole page of objects without an id or a time, and more behind it",
    "The run fails and says so: there is nothing to go on from.",
)
def test_a_page_that_cannot_be_gone_on_from_is_told(fake: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Response(b'{"object": "list", "data": [{"id": "ch_1"}, {"created": 1}], "has_more": true}', {}, 200)
    monkeypatch.setattr(fake, "get_json", lambda *_: page)
    with pytest.raises(HeadwaterError, match="v1/charges cannot be paged: of 2 objects none has an id and a time"):
        list(stream().read({}))


def test_a_charge_is_fetched_when_a_dispute_tells_of_it(fake: FakeStripe) -> None:
    charges = some_charges(fake)
    kept = Kept("stripe", "charges")
    kept.run(stream())
    fake.time += HOUR
    charges[6]["disputed"] = True
    fake.tell("charge.dispute.created", fake.add("disputes", "dp_1", charge="ch_6"))
    fake.time += HOUR
    kept.run(stream())
    assert kept.current("ch_6")[0]["disputed"] is True


def test_a_balance_transaction_becomes_available_though_no_event_tells(fake: FakeStripe) -> None:
    fields = {"amount": 100, "fee": 3, "net": 97, "currency": "eur", "type": "charge", "reporting_category": "charge"}
    available_on = fake.time + 2 * DAY
    thing = fake.add("balance_transactions", "txn_1", **fields, available_on=available_on, status="pending")
    fake.time += HOUR
    kept = Kept("stripe", "balance_transactions")
    kept.run(stream("balance_transactions"))
    assert kept.current("txn_1")[1] == at(thing["created"])
    thing["status"] = "available"
    fake.time += 3 * DAY
    kept.run(stream("balance_transactions"))
    assert kept.current("txn_1")[0]["status"] == "available"
    assert kept.current("txn_1")[1] == at(available_on)
    rows = len(kept.rows)
    fake.time += DAY
    kept.run(stream("balance_transactions"))
    assert len(kept.rows) == rows


# Against the pretend shop.

STREAMS = ("charges", "refunds", "disputes", "balance_transactions", "payouts", "customers")
# What no event tells of: it changes by the clock alone.
SILENT = {"disputes": ("evidence_details", "balance_transactions")}


def listed_now(base: str, path: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    params: dict[str, Any] = {"limit": 100}
    while True:
        answer = requests.get(f"{base}/v1/{path}", params, headers={"Authorization": "Bearer sk_test_demo"}, timeout=10)
        page = answer.json()
        found |= {each["id"]: each for each in page["data"]}
        if not page["has_more"]:
            return found
        params["starting_after"] = page["data"][-1]["id"]


def test_the_warehouse_follows_the_shop_day_after_day_and_past_a_long_pause(
    clean_warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(5, "tiny", date(2026, 9, 20))
    with served(world) as address:
        base = f"{address}/stripe"
        monkeypatch.setenv("STRIPE_API_URL", base)
        monkeypatch.setenv("STRIPE_API_KEY", "sk_test_demo")
        for days in (0, 1, 2, 35, 1):
            before = world.now
            if days:
                world.advance(days)
            if days == 35:
                forgotten = deleted_customers(world, before, world.now - timedelta(days=29))
            results = sync("stripe", STREAMS)
            assert not [result.error for result in results if result.error]
            assert not [result for result in results if result.counts.rejected or result.new_fields]
            assert sum(result.counts.kept for result in results) > 0
        again = sync("stripe", STREAMS)
        assert sum(result.counts.received for result in again) == 0
        for name in STREAMS:
            kept = {key: thing for key, thing in current(clean_warehouse, name).items() if key not in forgotten}
            assert without_silent(name, kept) == without_silent(name, listed_now(base, name))


@pytest.mark.fault(
    "Stripe throttles, fails, cuts an answer or resets in the middle of a sync",
    "The sync ends with everything that Stripe lists.",
)
@pytest.mark.parametrize("kind", ["429", "503", "reset", "truncate"])
def test_a_fault_in_the_middle_changes_nothing(
    clean_warehouse: str, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setattr("ingestion.http.BACKOFF_SECONDS", 0.01)
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_demo")
    world, faults = World(5, "tiny", date(2026, 9, 20)), Faults()
    with served(world, faults=faults) as address:
        monkeypatch.setenv("STRIPE_API_URL", f"{address}/stripe")
        for place in ("starting_after", "/v1/events", "/v1/charges/ch_"):
            faults.add([Fault(target="stripe", kind=kind, match=place, times=2, seconds=0)])
        for days in (0, 1):
            if days:
                world.advance(days)
            (result,) = sync("stripe", ["charges"])
            assert (result.error, result.counts.rejected) == (None, 0)
        assert not faults.pending()
        assert current(clean_warehouse, "charges") == listed_now(f"{address}/stripe", "charges")


def deleted_customers(world: World, start: datetime, end: datetime) -> set[str]:
    events = (event for event in world.stripe_events if event.type == "customer.deleted")
    return {event.object_id for event in events if start <= event.created <= end}


def current(url: str, name: str) -> dict[str, dict[str, Any]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            f"select distinct on (record_key) record_key, source_data::text, _deleted from raw.stripe_{name}"
            " order by record_key, record_version desc, _load_timestamp desc, content_hash desc".encode()
        ).fetchall()
    return {key: msgspec.json.decode(text) for key, text, deleted in rows if not deleted}


def without_silent(name: str, things: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        key: {field: value for field, value in thing.items() if field not in SILENT.get(name, ())}
        for key, thing in things.items()
    }


def test_a_wrong_key_is_named_by_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(World(5, "tiny", date(2026, 9, 20))) as address:
        monkeypatch.setenv("STRIPE_API_URL", f"{address}/stripe")
        monkeypatch.setenv("STRIPE_API_KEY", "sk_live_of_another_shop")
        with pytest.raises(HeadwaterError, match="STRIPE_API_KEY") as caught:
            list(stream().read({}))
        assert "of_another_shop" not in str(caught.value)


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)
    with pytest.raises(HeadwaterError, match="STRIPE_API_KEY is not set"):
        stream()
