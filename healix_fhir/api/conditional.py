"""Entity tags and dates: the headers that describe a version, and the conditions that requests put on it.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#versioning, #concurrency, #cread; RFC 9110 13
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

from healix_fhir.api.call import Headers
from healix_fhir.interaction.read import TAG, has_already
from healix_fhir.interaction.result import Stored
from healix_fhir.kernel.errors import invalid, unsupported


def http_date(moment: datetime) -> str:
    """`moment` in the form of HTTP headers, e.g. `Tue, 24 Nov 2026 09:11:15 GMT`."""
    return _http_date(int(moment.timestamp()))


@lru_cache(maxsize=1024)
def _http_date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)


def version_headers(stored: Stored) -> tuple[tuple[bytes, bytes], ...]:
    """ETag and Last-Modified of a version."""
    return (
        (b"etag", stored.etag.encode()),
        (b"last-modified", http_date(stored.updated).encode()),
    )


def if_match(headers: Headers) -> int | None:
    """The version that an update or delete is meant for. Raises Invalid for what is no version's entity tag."""
    given = headers.get(b"if-match")
    if given is None:
        return None
    match = TAG.fullmatch(given.decode("latin-1").strip())
    if match is None:
        raise invalid('If-Match must be the entity tag of one version, e.g. W/"1"', code="value")
    return int(match[1])


def not_modified(headers: Headers, stored: Stored) -> bool:
    """Whether the caller has this version already."""
    tags = headers.get(b"if-none-match")
    return has_already(stored, tags.decode("latin-1") if tags is not None else None, _since(headers))


def _since(headers: Headers) -> datetime | None:
    since = headers.get(b"if-modified-since")
    if since is None:
        return None
    try:
        moment = parsedate_to_datetime(since.decode("latin-1"))
    except ValueError:
        return None  # RFC 9110 13.1.3: a date that cannot be read is ignored
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def only_new(headers: Headers) -> bool:
    """Whether an update may only create: If-None-Match: *. Raises Unsupported for any other tag, which R4 has not."""
    given = headers.get(b"if-none-match")
    if given is not None and given.strip() != b"*":
        raise unsupported("If-None-Match on an update is not supported, but for *")
    return given is not None
