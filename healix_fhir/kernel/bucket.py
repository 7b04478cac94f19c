"""The object store of the settings: how it is connected, and what its refusals mean to the operator.

A request is tried again while the store may come back within `PATIENCE`, then the sender hears of it: a modality keeps
its images and sends them again, while one that waits for minutes gives up and keeps nobody informed.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store, from_url

from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

S3_SCHEMES = ("s3", "s3a")
CONNECT = timedelta(seconds=3)
REQUEST = timedelta(seconds=30)
"""Time for one request with its body: a part (`remote.PART`) comes through at 2 Mbit/s."""
PATIENCE = timedelta(seconds=10)
RETRIES: RetryConfig = {
    "max_retries": 5,
    "retry_timeout": PATIENCE,
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=2), "base": 2},
}

UNKNOWN_BUCKET = "the bucket of HEALIX_BLOB_URL does not exist"
WRONG_KEY = "the object store does not take HEALIX_BLOB_ACCESS_KEY and its secret"
FORBIDDEN = "the object store does not allow this access key to write, read, list and delete in HEALIX_BLOB_URL"
WRONG_REGION = "HEALIX_BLOB_REGION is not the region of the bucket"
NO_KEY = "there is no access key for the object store: set HEALIX_BLOB_ACCESS_KEY and HEALIX_BLOB_SECRET_KEY"
REFUSALS = {
    "NoSuchBucket": UNKNOWN_BUCKET,
    "InvalidAccessKeyId": WRONG_KEY,
    "InvalidClientTokenId": WRONG_KEY,
    "SignatureDoesNotMatch": WRONG_KEY,
    "AccessDenied": FORBIDDEN,
    "AuthorizationHeaderMalformed": WRONG_REGION,
    "PermanentRedirect": WRONG_REGION,
}
"""What an error code of S3 means here; others, and silence, may pass.

Spec: Amazon S3 API Reference, Error responses (2006-03-01)
"""

CODE = re.compile(r"<Code>(\w+)</Code>")


def connect(settings: Settings, url: str = "") -> ObjectStore:
    """The store of `url`, or of `settings.blob_url`; nothing is asked of it yet.

    Raises Invalid when the settings cannot work.
    """
    url = url or settings.blob_url
    scheme = urlsplit(url).scheme
    if scheme not in S3_SCHEMES and (settings.blob_endpoint or settings.blob_region or settings.blob_access_key):
        raise invalid("HEALIX_BLOB_ENDPOINT, _REGION and _ACCESS_KEY are for s3:// in HEALIX_BLOB_URL only")
    if bool(settings.blob_access_key) is not bool(settings.blob_secret_key):
        raise invalid("HEALIX_BLOB_ACCESS_KEY and HEALIX_BLOB_SECRET_KEY go together")
    client: ClientConfig = {"connect_timeout": CONNECT, "timeout": REQUEST}
    if settings.blob_endpoint.startswith("http://"):
        client["allow_http"] = True
    try:
        if scheme in S3_SCHEMES:
            return S3Store.from_url(url, config=_s3(settings), client_options=client, retry_config=RETRIES)
        if scheme in ("memory", "file"):
            return from_url(url)
        return from_url(url, client_options=client, retry_config=RETRIES)
    except (BaseError, ValueError) as error:
        raise invalid("HEALIX_BLOB_URL is not the URL of an object store, such as s3://bucket/prefix") from error


def _s3(settings: Settings) -> S3Config:
    """What the settings say; what they leave open comes from `AWS_*` variables or the machine's role."""
    config: S3Config = {"checksum_algorithm": "SHA256"}
    if settings.blob_endpoint:
        config["endpoint"] = settings.blob_endpoint
    if settings.blob_region:
        config["region"] = settings.blob_region
    if settings.blob_access_key:
        config["access_key_id"] = settings.blob_access_key
        config["secret_access_key"] = settings.blob_secret_key
    return config


def refusal(error: Exception) -> HealixError:
    """What is wrong with the settings of a store that failed at start: Invalid, or Unavailable when that may pass."""
    text = str(error)
    found = CODE.search(text)
    if found is not None and found[1] in REFUSALS:
        return HealixError(Category.INVALID, REFUSALS[found[1]], detail=brief(error))
    if "credentials" in text or "169.254." in text:
        return HealixError(Category.INVALID, NO_KEY, detail=brief(error))
    return HealixError(Category.UNAVAILABLE, "the object store of HEALIX_BLOB_URL is away", detail=brief(error))


def brief(error: Exception) -> str:
    """An error of obstore without the dump of its sources, in one line for the log."""
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:500]
