"""Fetching the file of an import from another server: the address is guarded, and what comes is bounded.

Spec: SMART on FHIR, bulk-import (2020 draft), import.md; RFC 9110 8.4
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Generator
from contextlib import closing

from healix_fhir.bulk.starts import SourceError
from healix_fhir.bulk.store import PIECE, Sink
from healix_fhir.kernel.endpoint import check_endpoint, resolve
from healix_fhir.kernel.errors import Category, HealixError, too_large
from healix_fhir.kernel.pinned import pinned

LONGEST = 4 * 3600.0
"""Seconds for one file."""
HEADERS = {"User-Agent": "Healix", "Accept": "application/fhir+ndjson", "Connection": "close"}


def fetch(url: str, sink: Sink, *, most: int, allow_private: bool, check: Callable[[], None]) -> None:
    """Write what is at `url` to `sink`, calling `check` now and then.

    Raises Invalid for an address that may not be called, Unprocessable for one that does not give the file, SourceError
    for one that cannot be reached now, TooLarge for more than `most` bytes.
    """
    size = 0
    with closing(_pieces(url, allow_private=allow_private)) as pieces:
        for piece in pieces:
            size += len(piece)
            if size > most:
                raise too_large(f"{url[:200]} is larger than {most >> 30} GB (HEALIX_MAX_STORE_GB)")
            sink.write(piece)
            check()


def _pieces(url: str, *, allow_private: bool) -> Generator[bytes]:
    """What comes from `url`; where it is written to fails outside, and is not taken for a failure of the other."""
    endpoint = check_endpoint(url, allow_private=allow_private)
    try:
        address = resolve(endpoint.host, endpoint.port, allow_private=allow_private)
        with pinned(endpoint, address, deadline=LONGEST) as connection:
            query = f"?{endpoint.query}" if endpoint.query else ""
            connection.request("GET", (endpoint.path or "/") + query, headers=HEADERS)
            answer = connection.getresponse()
            if answer.status != 200:
                raise _failed(url, f"answered with the status {answer.status}")
            if answer.getheader("Content-Encoding", "identity") not in ("identity", "gzip"):
                raise _failed(url, "is sent in a coding that is not known here")
            while piece := answer.read(PIECE):
                yield piece
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
    except ssl.SSLCertVerificationError as error:
        raise _failed(url, "has no valid certificate") from error
    except (OSError, http.client.HTTPException) as error:
        message = f"{url[:200]} cannot be reached, or was cut off"
        raise SourceError(Category.UNAVAILABLE, message, detail=repr(error)) from error


def _failed(url: str, why: str) -> HealixError:
    return HealixError(Category.UNPROCESSABLE, f"{url[:200]} {why}", code="not-found")
