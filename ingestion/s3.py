"""A folder of an S3 bucket (any S3): listed and fetched with bounded retries.

For a source's PREFIX the settings are PREFIX_S3_URL (s3://bucket/folder), PREFIX_S3_ENDPOINT_URL (an S3 that is not
Amazon's), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION. Without keys boto3 looks where it always does (a
profile, the machine's role).
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, NamedTuple

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError

from ingestion.files import FetchFailed, keep
from ingestion.s3_errors import explained
from settings import HeadwaterError, SettingsError, setting
from settings.pipeline import Http

CHUNK_BYTES = 256 * 1024
BACKOFF_SECONDS = 0.5
_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<folder>.*))?")

log = logging.getLogger(__name__)


class S3Object(NamedTuple):
    """An object as a listing shows it; `name` is its key without the folder's."""

    name: str
    size: int
    modified: datetime
    etag: str


class Changed(Exception):
    """The object is not there any more as it was listed."""


class S3Folder:
    """The folder that `{prefix}_S3_URL` names.

    Raises SettingsError for a setting that is missing or cannot be used, HeadwaterError that names the setting when
    S3 refuses us or cannot be reached within the bounds of `http`.
    """

    def __init__(self, prefix: str, http: Http):
        self._prefix, self._http = prefix, http
        name = f"{prefix}_S3_URL"
        parts = _URL.fullmatch(setting(name))
        if not parts:
            raise SettingsError(f"{name} is no S3 address; write it as s3://bucket/folder.")
        folder = (parts["folder"] or "").strip("/")
        self.bucket, self._folder = parts["bucket"], f"{folder}/" if folder else ""
        self._stopped = threading.Event()
        self._client = _client(prefix, http)

    def listing(self, prefix: str, after: str = "") -> Iterator[S3Object]:
        """The objects whose name begins so and comes after `after`, by name, as S3 lists them: page by page."""
        token: dict[str, str] = {"StartAfter": f"{self._folder}{after}"} if after else {}
        while True:
            try:
                page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self._folder}{prefix}", **token)
            except (ClientError, BotoCoreError) as error:
                raise self._explained(error, f"listing {prefix}*") from None
            for it in page.get("Contents", ()):
                name = it["Key"].removeprefix(self._folder)
                yield S3Object(name, it["Size"], it["LastModified"].astimezone(UTC), it["ETag"].strip('"'))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def clock(self) -> datetime:
        """What time it is to S3; also shows at once whether the bucket can be read."""
        try:
            answer = self._client.list_objects_v2(Bucket=self.bucket, Prefix=self._folder, MaxKeys=1)
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error, "listing") from None
        date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)

    def fetch(self, listed: S3Object, into: BinaryIO) -> str:
        """Write the object's bytes to `into`; return their SHA-256. Raises Changed, FetchFailed."""
        for attempt in range(1, self._http.attempts + 1):
            try:
                return self._fetch(listed, into)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404", "PreconditionFailed", "412"):
                    raise Changed from None
                raise self._explained(error, listed.name) from None
            except NoCredentialsError as error:
                raise self._explained(error, listed.name) from None
            except (HTTPClientError, BotoCoreError, OSError, _ShortRead) as error:
                # Whatever breaks before the body, boto3 has tried again itself; a body that breaks off, nobody has.
                if attempt == self._http.attempts:
                    reason = " ".join(str(error).split())[:200]
                    raise FetchFailed(f"{listed.name}: it broke off {attempt} times: {reason}") from None
                log.warning("%s broke off (%s); trying again", listed.name, type(error).__name__)
            if self._stopped.wait(BACKOFF_SECONDS * 2 ** (attempt - 1)):
                raise HeadwaterError(f"s3://{self.bucket}: stopped.")
        raise AssertionError("unreachable: the last try returns or raises")

    def close(self) -> None:
        self._stopped.set()
        self._client.close()

    def _fetch(self, listed: S3Object, into: BinaryIO) -> str:
        into.seek(0)
        into.truncate()
        key = f"{self._folder}{listed.name}"
        answer = self._client.get_object(Bucket=self.bucket, Key=key, IfMatch=f'"{listed.etag}"')
        if answer["ETag"].strip('"') != listed.etag:
            raise Changed
        digest, received = hashlib.sha256(), 0
        for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
            digest.update(chunk)
            received += len(chunk)
            keep(into, chunk)
        if received != listed.size:
            raise _ShortRead(f"{received} of {listed.size} bytes came")
        return digest.hexdigest()

    def _explained(self, error: Exception, what: str) -> HeadwaterError:
        return explained(error, what, self.bucket, self._prefix)


class _ShortRead(Exception):
    """A body was not as long as the listing said."""


def _client(prefix: str, http: Http) -> Any:
    endpoint = setting(f"{prefix}_S3_ENDPOINT_URL", "") or None
    if endpoint and not re.match(r"https?://[^/]", endpoint):
        raise SettingsError(f"{prefix}_S3_ENDPOINT_URL is no address; write it as https://s3.example.com.")
    key, secret = setting("AWS_ACCESS_KEY_ID", ""), setting("AWS_SECRET_ACCESS_KEY", "")
    if bool(key) != bool(secret):
        missing = "AWS_SECRET_ACCESS_KEY" if key else "AWS_ACCESS_KEY_ID"
        raise SettingsError(f"{missing} is not set, though its other half is: set both or none.")
    seconds = http.timeout.total_seconds()
    config = Config(
        connect_timeout=seconds,
        read_timeout=seconds,
        retries={"mode": "standard", "total_max_attempts": http.attempts},
        s3={"addressing_style": "path" if endpoint else "auto"},
        # The newest checksums are Amazon's own; other stores do not know them.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=setting("AWS_REGION", "") or "us-east-1",
            aws_access_key_id=key or None,
            aws_secret_access_key=secret or None,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"{prefix}_S3_ENDPOINT_URL or AWS_REGION cannot be used: {error}.") from None
