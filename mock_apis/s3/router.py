"""The routes under /s3 (path style): ListObjectsV2, GetObject and HeadObject of one bucket, read only."""

from __future__ import annotations

import base64
import binascii
import os
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request, Response

from mock_apis.s3 import signature
from mock_apis.s3.errors import S3Error
from mock_apis.s3.exports import StoredObject, objects
from mock_apis.world.ref import WorldRef

DEFAULT_KEY, DEFAULT_SECRET = "AKIADEMO", "demo"
BUCKET, REGION = "analytics", "eu-central-1"
PREFIX = "/s3"
MOST_KEYS = 1000


def router(world_ref: WorldRef, *, key: str | None = None, secret: str | None = None) -> APIRouter:
    """Serve `world_ref.world`; the key falls back to MOCK_S3_KEY, then "AKIADEMO", its secret to MOCK_S3_SECRET."""
    key = key or os.environ.get("MOCK_S3_KEY") or DEFAULT_KEY
    secret = secret or os.environ.get("MOCK_S3_SECRET") or DEFAULT_SECRET
    api = APIRouter(prefix=PREFIX)
    current: list[tuple[datetime, dict[str, StoredObject]]] = []

    def stored() -> dict[str, StoredObject]:
        # Built once per state of the world.
        with world_ref.lock:
            now = world_ref.world.now
            if not current or current[0][0] != now:
                current[:] = [(now, {it.key: it for it in objects(world_ref.world)})]
            return current[0][1]

    @api.api_route("/{bucket}/{name:path}", methods=["GET", "HEAD", "PUT", "POST", "DELETE"])
    @api.api_route("/{bucket}", methods=["GET", "HEAD", "PUT", "POST", "DELETE"])
    def answer(request: Request, bucket: str, name: str = "") -> Response:
        try:
            path = request.scope.get("raw_path", request.url.path.encode()).decode("ascii").partition("?")[0]
            query = request.scope["query_string"].decode("ascii")
            signature.check(request.method, path, query, request.headers, key, secret, REGION)
            if request.method not in ("GET", "HEAD"):
                raise S3Error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
            if bucket != BUCKET:
                raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist", {"BucketName": bucket})
            return _object(request, stored(), name) if name else _listing(request, stored())
        except S3Error as error:
            body = b"" if request.method == "HEAD" else error.body()
            return Response(body, error.status, media_type="application/xml")

    return api


def _object(request: Request, stored: dict[str, StoredObject], name: str) -> Response:
    it = stored.get(name)
    if it is None:
        raise S3Error(404, "NoSuchKey", "The specified key does not exist.", {"Key": name})
    if (wanted := request.headers.get("if-match")) and wanted.strip('"') != it.etag:
        raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    headers = {
        "ETag": f'"{it.etag}"',
        "Last-Modified": format_datetime(it.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Length": str(len(it.content)),
    }
    body = b"" if request.method == "HEAD" else it.content
    return Response(body, headers=headers, media_type="application/octet-stream")


def _listing(request: Request, stored: dict[str, StoredObject]) -> Response:
    asked = request.query_params
    if asked.get("list-type") != "2":
        raise S3Error(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    try:
        most = min(int(asked.get("max-keys", MOST_KEYS)), MOST_KEYS)
        token = asked.get("continuation-token")
        after = base64.urlsafe_b64decode(token).decode() if token else asked.get("start-after", "")
    except (ValueError, binascii.Error):
        raise S3Error(400, "InvalidArgument", "The continuation token or max-keys provided is incorrect") from None
    prefix = asked.get("prefix", "")
    found = [it for key, it in stored.items() if key.startswith(prefix) and key > after]
    page = found[:most]
    shown = quote if asked.get("encoding-type") == "url" else escape
    parts = [
        f"<Contents><Key>{shown(it.key)}</Key><LastModified>{it.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
        f"<ETag>&quot;{it.etag}&quot;</ETag><Size>{len(it.content)}</Size><StorageClass>STANDARD</StorageClass>"
        "</Contents>"
        for it in page
    ]
    if truncated := len(page) < len(found) and bool(page):
        following = base64.urlsafe_b64encode(page[-1].key.encode()).decode()
        parts.append(f"<NextContinuationToken>{following}</NextContinuationToken>")
    encoding = "<EncodingType>url</EncodingType>" if shown is quote else ""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><Prefix>{shown(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
        f"<MaxKeys>{most}</MaxKeys>{encoding}<IsTruncated>{str(truncated).lower()}</IsTruncated>{''.join(parts)}"
        "</ListBucketResult>"
    )
    return Response(body, media_type="application/xml")
