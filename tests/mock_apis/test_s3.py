"""The bucket of analytics exports, walked with boto3 as anybody's S3 client would."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mock_apis.faults import Fault, Faults
from mock_apis.s3.exports import objects
from mock_apis.world.world import World
from tests.mock_apis.serving import served

BUCKET = "analytics"


@pytest.fixture(scope="module")
def world() -> World:
    return World(3, "tiny", date(2026, 3, 20))


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def endpoint(world: World, faults: Faults) -> Iterator[str]:
    with served(world, faults=faults) as base:
        yield f"{base}/s3"


def client(endpoint: str, key: str = "AKIADEMO", secret: str = "demo", region: str = "eu-central-1") -> Any:
    config = Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 2})
    login = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": region}
    return boto3.client("s3", endpoint_url=endpoint, config=config, **login)


def test_boto3_walks_the_bucket_page_by_page(endpoint: str, world: World) -> None:
    s3 = client(endpoint)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="ga4/", PaginationConfig={"PageSize": 7})
    listed = [it for page in pages for it in page["Contents"]]
    there = objects(world)
    assert [(it["Key"], it["Size"], it["LastModified"]) for it in listed] == [
        (it.key, len(it.content), it.modified) for it in there
    ]
    for it in listed:
        answer = s3.get_object(Bucket=BUCKET, Key=it["Key"], IfMatch=it["ETag"])
        assert answer["ETag"] == it["ETag"] == s3.head_object(Bucket=BUCKET, Key=it["Key"])["ETag"]
        assert len(answer["Body"].read()) == it["Size"]
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="ga4/", StartAfter=listed[4]["Key"])["Contents"]
    assert after[0]["Key"] == listed[5]["Key"]


@pytest.mark.parametrize(
    ("login", "asked", "code"),
    [
        ({"key": "AKIAOTHER"}, {}, "InvalidAccessKeyId"),
        ({"secret": "wrong"}, {}, "SignatureDoesNotMatch"),
        ({}, {"Bucket": "other"}, "NoSuchBucket"),
        ({}, {"Key": "ga4/nothing é+ %"}, "NoSuchKey"),
        ({}, {"IfMatch": '"other"'}, "PreconditionFailed"),
    ],
)
def test_what_s3_refuses(login: dict[str, str], asked: dict[str, str], code: str, endpoint: str, world: World) -> None:
    known = {"Bucket": BUCKET, "Key": objects(world)[0].key}
    with pytest.raises(ClientError) as caught:
        client(endpoint, **login).get_object(**{**known, **asked})
    assert caught.value.response["Error"]["Code"] == code


def test_another_region_is_told_and_boto3_goes_there(endpoint: str) -> None:
    assert client(endpoint, region="us-west-2").list_objects_v2(Bucket=BUCKET, MaxKeys=1)["KeyCount"] == 1


def test_a_busy_bucket_says_slow_down(endpoint: str, faults: Faults) -> None:
    faults.add([Fault(target="s3", kind="503", times=2)])
    with pytest.raises(ClientError) as caught:
        client(endpoint).list_objects_v2(Bucket=BUCKET)
    assert caught.value.response["Error"]["Code"] == "SlowDown"


def test_each_measured_order_is_a_purchase_with_its_session_and_campaign() -> None:
    world = World(3, "tiny", date(2026, 3, 20))
    rows = [
        json.loads(line)
        for it in objects(world)
        if it.key.endswith(".gz")
        for line in gzip.decompress(it.content).splitlines()
    ]
    bought = {row["ecommerce"]["transaction_id"]: row for row in rows if row["event_name"] == "purchase"}
    orders = {str(it.id): it for it in world.orders.values() if not it.test}
    assert len(orders) * 0.8 < len(bought) <= len(orders)
    assert bought.keys() <= orders.keys()
    for number, row in bought.items():
        at = datetime.fromtimestamp(int(row["event_timestamp"]) // 1_000_000, UTC)
        assert at == orders[number].created_at
        campaign = orders[number].campaign_id
        assert campaign is None or row["collected_traffic_source"]["manual_campaign_name"] == campaign
        steps = [it["event_name"] for it in rows if it["batch_page_id"] == row["batch_page_id"]]
        assert {"session_start", "begin_checkout", "purchase"} <= set(steps)


def test_a_finished_object_changes_only_when_its_day_is_corrected() -> None:
    world = World(4, "tiny", date(2026, 3, 20))
    before = {it.key: it for it in objects(world) if "intraday" not in it.key}
    world.advance(1)
    moved = {key for key, it in before.items() if objects_by_key(world)[key] != it}
    assert len({key.rpartition("/")[0] for key in moved}) <= 1
    world.advance(5)
    now = objects_by_key(world)
    changed = [key for key, it in before.items() if key.endswith(".gz") and now[key].etag != it.etag]
    assert changed and all(now[key].modified > before[key].modified for key in changed)


def objects_by_key(world: World) -> dict[str, Any]:
    return {it.key: it for it in objects(world)}
