"""AWS Signature Version 4 of a request without a body, as S3 checks it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

from mock_apis.s3.errors import S3Error

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/s3/aws4_request),"
    r" ?SignedHeaders=(?P<signed>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def check(method: str, path: str, query: str, headers: Mapping[str, str], key: str, secret: str, region: str) -> None:
    """`path` and `query` as they came over the wire. Raises S3Error as S3 refuses."""
    found = _HEADER.fullmatch(headers.get("authorization", ""))
    if not found:
        raise S3Error(403, "AccessDenied", "Access Denied")
    if found["key"] != key:
        raise S3Error(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    if found["region"] != region:
        text = f"The authorization header is malformed; the region '{found['region']}' is wrong; expecting '{region}'"
        raise S3Error(400, "AuthorizationHeaderMalformed", text, {"Region": region})
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, True))
    signed = found["signed"].split(";")
    request = "\n".join(
        [
            method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed),
            "",
            found["signed"],
            headers.get("x-amz-content-sha256", ""),
        ]
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), found["scope"], digest])
    signing_key = f"AWS4{secret}".encode()
    for part in (*found["scope"].split("/"),):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(signing_key, text.encode(), "sha256").hex(), found["signature"]):
        raise S3Error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
