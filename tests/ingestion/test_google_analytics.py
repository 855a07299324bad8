"""Daily exports on S3: odd buckets on moto's server, and the pretend shop's bucket into a warehouse."""

from __future__ import annotations

import gzip
import hashlib
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from ingestion import daily_export, ndjson_files
from ingestion.reconcile import reconcile
from ingestion.s3 import S3Folder
from ingestion.s3_errors import explained
from ingestion.source import Context, Page
from ingestion.sources.google_analytics import Events, Source
from ingestion.sync import RunResult, sync, sync_stream
from mock_apis.faults import Fault, Faults
from mock_apis.s3.exports import objects
from mock_apis.world.world import World
from settings import HeadwaterError, Pipeline, load_pipeline
from tests.ingestion.kept import settings_of
from tests.ingestion.s3_bucket import T0, Bucket, event, lines, moto_bucket
from tests.mock_apis.serving import served

DAY = timedelta(days=1)
SHARD, OTHER = "events_20260301/part-0000.json.gz", "events_20260301/part-0001.json.gz"


@pytest.fixture
def bucket(clean_warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with moto_bucket() as bucket:
        point_to(monkeypatch, bucket.endpoint, "s3://exports/ga4/")
        yield bucket


def point_to(monkeypatch: pytest.MonkeyPatch, endpoint: str, url: str, **more: str) -> None:
    settings = {
        "GA_S3_URL": url,
        "GA_S3_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIADEMO",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": "eu-central-1",
    }
    for name, value in {**settings, **more}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("ingestion.s3.BACKOFF_SECONDS", 0.01)


def pipeline(**options: Any) -> Pipeline:
    whole = load_pipeline()
    block = settings_of("google_analytics", **options)
    return whole.model_copy(update={"sources": {**whole.sources, "google_analytics": block}})


def run(**options: Any) -> RunResult:
    """Sync with a window that reaches back to the days of these tests."""
    return sync_stream("google_analytics", "events", pipeline=pipeline(**{"relist_days": 3_650, **options}))


def live(url: str) -> dict[str, Any]:
    """The events that stand, by user: the document's `platform`."""
    query = (
        "select source_data ->> 'user_pseudo_id', source_data ->> 'platform' from (select distinct on (record_key) *"
        " from raw.google_analytics_events order by record_key, record_version desc, _load_timestamp desc,"
        " content_hash desc) as newest where not _deleted"
    )
    with psycopg.connect(url) as connection:
        return dict(connection.execute(query).fetchall())


def stored(url: str) -> list[tuple[Any, ...]]:
    query = (
        "select record_key, record_version, content_hash, _deleted from raw.google_analytics_events order by 1, 2, 3"
    )
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


# Which objects are taken.


def test_objects_are_loaded_once_and_as_they_are(bucket: Bucket, clean_warehouse: str) -> None:
    bucket.put(SHARD, lines([event(1)]) + b"\n" + lines([event(2)]))  # plain, with an empty line
    bucket.put(OTHER, [event(3)])
    bucket.put("events_intraday_20260302/part-0000.json.gz", [event(4)])
    bucket.put("events_20260301/notes.txt", b"no export")
    upload = bucket.client.create_multipart_upload(Bucket="exports", Key="ga4/events_20260302/part-0000.json.gz")
    part = {"Bucket": "exports", "Key": upload["Key"], "UploadId": upload["UploadId"], "PartNumber": 1}
    sent = bucket.client.upload_part(**part, Body=gzip.compress(lines([event(5, "20260302")])))
    assert run().counts.received == 3, "what is half uploaded is not there"
    assert run().counts.received == 0
    whole = {"Parts": [{"PartNumber": 1, "ETag": sent["ETag"]}]}
    bucket.client.complete_multipart_upload(
        Bucket="exports", Key=upload["Key"], UploadId=upload["UploadId"], MultipartUpload=whole
    )
    assert run().counts.received == 1
    assert set(live(clean_warehouse)) == {"u1", "u2", "u3", "u5"}
    assert {digest for _, _, digest, _ in stored(clean_warehouse)} >= {
        hashlib.sha256(lines([event(1)]).strip()).digest()
    }


@pytest.mark.fault(
    "An object of a daily export is cut or damaged",
    "Nothing of it is loaded, every other one is, and the run fails with its name.",
)
def test_nothing_of_a_broken_object_is_loaded_and_the_others_are(bucket: Bucket, clean_warehouse: str) -> None:
    bucket.put(SHARD, gzip.compress(lines([event(n) for n in range(50)]))[:-9])
    bucket.put(OTHER, [event(100)], T0 + DAY)
    with pytest.raises(HeadwaterError, match=r"part-0000.json.gz, after line \d+: the gzip is cut"):
        run()
    assert set(live(clean_warehouse)) == {"u100"}
    bucket.put(SHARD, [event(1)])
    run()
    assert set(live(clean_warehouse)) == {"u1", "u100"}


def test_a_line_that_breaks_the_contract_is_rejected_with_its_place(bucket: Bucket, clean_warehouse: str) -> None:
    bucket.put(SHARD, lines([event(1)]) + b'{"event_date": "20260301"\n' + lines([event(2, event_timestamp="now")]))
    assert run().counts[:4] == (3, 1, 0, 2)
    with psycopg.connect(clean_warehouse) as connection:
        origins = connection.execute("select origin from ops.quarantine order by origin").fetchall()
    assert origins == [(f"{SHARD}, line 2",), (f"{SHARD}, line 3",)]


# Days that are exported again.


@pytest.mark.fault(
    "A day's export is corrected, object by object",
    "What changed is taken at once; what is gone is told as deleted only when the whole day is there again.",
)
def test_a_corrected_day_replaces_the_day(bucket: Bucket, clean_warehouse: str) -> None:
    bucket.put(SHARD, [event(1), event(2)])
    bucket.put(OTHER, [event(3), event(4)])
    bucket.done("20260301")
    run()
    # Half of the correction is there: what changed is taken, nothing is told as deleted.
    bucket.put(SHARD, [event(1), event(2, platform="APP"), event(4)], T0 + DAY)
    assert run().counts[:3] == (3, 1, 2)
    assert live(clean_warehouse) == {"u1": None, "u2": "APP", "u3": None, "u4": None}
    bucket.put(OTHER, [event(5)], T0 + DAY)
    run()
    assert "u3" in live(clean_warehouse), "the marker is older than the correction"
    bucket.done("20260301", T0 + DAY)
    run()
    assert live(clean_warehouse) == {"u1": None, "u2": "APP", "u4": None, "u5": None}
    before = stored(clean_warehouse)
    assert run().counts.received == 0
    assert stored(clean_warehouse) == before
    # And back to what it was at first.
    bucket.put(SHARD, [event(1), event(2)], T0 + 2 * DAY)
    bucket.put(OTHER, [event(3), event(4)], T0 + 2 * DAY)
    bucket.done("20260301", T0 + 2 * DAY)
    run()
    assert live(clean_warehouse) == dict.fromkeys(("u1", "u2", "u3", "u4"))


@pytest.mark.fault("A bucket's rules let old exports expire", "Nothing is told as deleted.")
def test_a_day_that_expires_or_is_emptied_deletes_nothing(bucket: Bucket, clean_warehouse: str) -> None:
    bucket.put(SHARD, [event(1)])
    bucket.put(OTHER, [event(2)])
    bucket.done("20260301")
    run()
    bucket.take(SHARD)
    run()
    bucket.put(OTHER, [], T0 + DAY)
    bucket.done("20260301", T0 + DAY)
    run()
    assert set(live(clean_warehouse)) == {"u1", "u2"}


def test_without_a_marker_a_day_is_complete_when_it_stood_still(bucket: Bucket, clean_warehouse: str) -> None:
    bucket.put(SHARD, [event(1), event(2)])
    run()
    bucket.put(SHARD, [event(1)], datetime.now(UTC) - timedelta(hours=2))
    run()
    assert set(live(clean_warehouse)) == {"u1", "u2"}
    run(settle_hours=1, relist_days=0)  # a day with something left to do is listed however old it is
    assert set(live(clean_warehouse)) == {"u1"}


def test_an_old_correction_is_found_by_the_full_listing(bucket: Bucket, clean_warehouse: str) -> None:
    bucket.put(SHARD, [event(1)])
    run()
    bucket.put(SHARD, [event(1), event(2)], T0 + DAY)
    assert run(relist_days=0).counts.received == 0
    assert run(relist_days=0, full_relist_days=0).counts.received == 2


# Runs that end early, and large files.


def test_rule_1_a_run_that_was_killed_after_any_page_leaves_what_an_undisturbed_one_leaves(
    bucket: Bucket, clean_warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_export, "PAGE_ROWS", 4)
    monkeypatch.setattr("ingestion.sync.BATCH_RECORDS", 1)
    bucket.put(SHARD, [event(n) for n in range(10)])
    bucket.put(OTHER, [event(n) for n in range(20, 26)])
    bucket.done("20260301")
    whole = Events.read
    killed = 0
    for corrected in (False, True):
        if corrected:
            bucket.put(SHARD, [event(n) for n in range(0, 10, 2)], T0 + DAY)
            bucket.done("20260301", T0 + DAY)
        done = False
        while not done:

            def read(stream: Events, state: dict[str, Any]) -> Iterator[Page]:
                pages = whole(stream, state)
                yield from islice(pages, 1)
                if next(pages, None) is not None:
                    raise HeadwaterError("killed")

            monkeypatch.setattr(Events, "read", read)
            try:
                run()
                done = True
            except HeadwaterError as error:
                assert str(error) == "killed"
                killed += 1
    assert killed > 4
    expected = {f"u{n}" for n in (0, 2, 4, 6, 8, *range(20, 26))}
    assert set(live(clean_warehouse)) == expected
    assert sum(deleted for *_, deleted in stored(clean_warehouse)) == 5
    assert len(stored(clean_warehouse)) == 21


def test_rule_7_memory_does_not_grow_with_a_file(bucket: Bucket, tmp_path: Any) -> None:
    path = tmp_path / "large.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(60_000):
            file.write(lines([event(number)]))
    with path.open("rb") as file:
        tracemalloc.start()
        try:
            assert ndjson_files.check(file, "large") == 60_000 == sum(1 for _ in ndjson_files.lines(file))
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()


# Settings and refusals.


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("GA_S3_URL", "", "GA_S3_URL is not set"),
        ("GA_S3_URL", "https://exports.example.com", "write it as s3://bucket/folder"),
        ("GA_S3_ENDPOINT_URL", "example", "GA_S3_ENDPOINT_URL is no address"),
        ("AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY is not set"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_to(monkeypatch, "http://127.0.0.1:1", "s3://exports/ga4", **{name: value})
    with pytest.raises(HeadwaterError, match=message):
        Source(Context("google_analytics", settings_of("google_analytics")))


def test_an_option_that_cannot_be_used_is_named(bucket: Bucket) -> None:
    with pytest.raises(HeadwaterError, match=r"sources.google_analytics.options.*relist_day"):
        run(relist_day=3)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("GA_S3_URL", "s3://no-such-bucket/ga4", "There is no bucket no-such-bucket; check GA_S3_URL"),
        ("AWS_ACCESS_KEY_ID", "AKIAOTHER", "check AWS_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "wrong", "check AWS_SECRET_ACCESS_KEY"),
        ("GA_S3_ENDPOINT_URL", "http://127.0.0.1:1", "cannot be reached .*check GA_S3_ENDPOINT_URL"),
    ],
)
def test_a_refusal_names_its_setting(
    name: str, value: str, message: str, shop: tuple[World, str, Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    folder = S3Folder("GA", settings_of("google_analytics").http)
    with pytest.raises(HeadwaterError, match=message):
        folder.clock()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", r"denies access \(listing\).*s3:ListBucket.*GA_S3_URL"),
        ("PermanentRedirect", "is in the region eu-west-1; set AWS_REGION to it"),
        ("NoSuchThing", "refused .*NoSuchThing.*check GA_S3_URL"),
    ],
)
def test_a_refusal_that_boto3_cannot_mend_names_its_setting(code: str, message: str) -> None:
    answer = {"Error": {"Code": code, "Message": "no", "Region": "eu-west-1"}, "ResponseMetadata": {}}
    assert re.search(message, str(explained(ClientError(answer, "ListObjectsV2"), "listing", "exports", "GA")))


# The pretend shop.


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, str, Faults]]:
    world, faults = World(5, "tiny", date(2026, 10, 20)), Faults()
    with served(world, faults=faults) as base:
        point_to(monkeypatch, f"{base}/s3", "s3://analytics/ga4")
        yield world, base, faults


def test_a_busy_or_breaking_bucket_is_tried_again_and_not_for_ever(
    shop: tuple[World, str, Faults], clean_warehouse: str
) -> None:
    _, _, faults = shop
    kinds = ("503", "reset", "truncate", "500")
    faults.add([Fault.model_validate({"target": "s3", "kind": kind, "match": "part-"}) for kind in kinds])
    assert run().counts.received > 0
    faults.add([Fault(target="s3", kind="503", times=50)])
    with pytest.raises(HeadwaterError, match=r"too busy \(SlowDown\) after 3 tries"):
        run()


def test_the_warehouse_holds_what_the_bucket_says_day_after_day(
    shop: tuple[World, str, Faults], clean_warehouse: str
) -> None:
    world, _, _ = shop
    deleted = 0
    for days in (0, 1, 1, 1, 1):
        if days:
            world.advance(days)
        (result,) = sync("google_analytics", pipeline=pipeline())
        assert (result.error, result.counts.rejected, result.new_fields) == (None, 0, ())
        files = [it.content for it in objects(world) if "intraday" not in it.key and it.key.endswith(".gz")]
        there = {hashlib.sha256(line).digest() for data in files for line in gzip.decompress(data).splitlines()}
        newest = {key: (digest, gone) for key, _, digest, gone in stored(clean_warehouse)}
        assert {digest for digest, gone in newest.values() if not gone} == there
        deleted = sum(gone for _, gone in newest.values())
    assert deleted, "a corrected day had lost some events"
    assert sync("google_analytics", pipeline=pipeline())[0].counts.received == 0


# Held against raw.


def test_a_correction_that_no_run_has_listed_is_found_and_fetched(bucket: Bucket, clean_warehouse: str) -> None:
    """It is older than the days that are listed each time; only its ETag tells."""
    old, new = event(1), event(2, "20260320")
    bucket.put(SHARD, [old])
    bucket.put("events_20260320/part-0000.json.gz", [new], T0 + 19 * DAY)
    run()
    bucket.put(SHARD, [{**old, "platform": "WEB"}], T0 + 18 * DAY)
    [found] = reconcile("google_analytics", pipeline=pipeline())
    assert (found.missing, found.differing, found.repaired, found.days) == (0, 1, 1, [])
    assert live(clean_warehouse) == {"u1": "WEB", "u2": None}


def test_rows_of_one_day_are_counted_and_those_that_raw_lost_are_fetched(bucket: Bucket, clean_warehouse: str) -> None:
    bucket.put(SHARD, [event(number) for number in range(5)])
    bucket.put("events_20260302/part-0000.json.gz", [event(9, "20260302")])
    run()
    with psycopg.connect(clean_warehouse) as connection:
        connection.execute("delete from raw.google_analytics_events where source_data ->> 'user_pseudo_id' = 'u3'")
    day = date(2026, 3, 1)
    [found] = reconcile("google_analytics", pipeline=pipeline(), first_day=day, last_day=day)
    assert (found.at_source, found.missing, found.repaired) == (5, 1, 1)
    assert [(it.day, it.source_records, it.raw_records) for it in found.days] == [(day, 5, 4)]
    assert "u3" in live(clean_warehouse)
