"""What S3 refuses, as one line that names the setting to look at."""

from __future__ import annotations

from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from settings import HeadwaterError

OTHER_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301")
BUSY = ("SlowDown", "ServiceUnavailable", "503", "InternalError", "500", "RequestTimeout", "Throttling")


def explained(error: Exception, what: str, bucket: str, prefix: str) -> HeadwaterError:
    """The error of boto3 on `bucket` while doing `what`, for the user; `prefix` is that of the settings."""
    place = f"s3://{bucket}"
    if isinstance(error, NoCredentialsError):
        return HeadwaterError(f"{place}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    if not isinstance(error, ClientError):
        where = f"check {prefix}_S3_ENDPOINT_URL and the network"
        if isinstance(error, EndpointConnectionError):
            return HeadwaterError(f"{place} cannot be reached ({what}); {where}.")
        return HeadwaterError(f"{place} cannot be read ({what}): {_short(error)}; {where}.")
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    tries = 1 + answer["ResponseMetadata"].get("RetryAttempts", 0)
    if code == "NoSuchBucket":
        return HeadwaterError(f"There is no bucket {bucket}; check {prefix}_S3_URL (and {prefix}_S3_ENDPOINT_URL).")
    if code == "InvalidAccessKeyId":
        return HeadwaterError(f"{place} does not know this access key; check AWS_ACCESS_KEY_ID.")
    if code == "SignatureDoesNotMatch":
        return HeadwaterError(f"{place} refused the signature; check AWS_SECRET_ACCESS_KEY.")
    if code in OTHER_REGION:
        region = answer.get("Error", {}).get("Region") or answer["ResponseMetadata"].get("HTTPHeaders", {}).get(
            "x-amz-bucket-region", "another one"
        )
        return HeadwaterError(f"{place} is in the region {region}; set AWS_REGION to it.")
    if code in ("AccessDenied", "AllAccessDisabled", "403", "ExpiredToken"):
        return HeadwaterError(
            f"{place} denies access ({what}): AWS_ACCESS_KEY_ID needs s3:ListBucket and s3:GetObject there;"
            f" check {prefix}_S3_URL too."
        )
    if code in BUSY:
        return HeadwaterError(f"{place} is too busy ({code}) after {tries} tries ({what}); the next run goes on.")
    return HeadwaterError(f"{place} refused ({what}): {code}: {_short(error)}; check {prefix}_S3_URL.")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
