"""The answer of one entry of a batch or transaction.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction-response
"""

from __future__ import annotations

from http import HTTPStatus

from healix_fhir.interaction.bundle import Wanted
from healix_fhir.interaction.history import history
from healix_fhir.interaction.page import encode_page
from healix_fhir.interaction.result import Entry, Response, Stored, Written
from healix_fhir.interaction.search import Finder
from healix_fhir.interaction.status import STATUS, error_outcome, line
from healix_fhir.interaction.vread import vread
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError, invalid
from smart_auth.access import AccessContext


def written(done: Written, base: str, *, representation: bool) -> Entry:
    """A create or update."""
    stored = done.stored
    address = f"{base}/{stored.type}/{stored.id}"
    return Entry(
        address,
        stored.body if representation else None,
        response=Response(
            line(HTTPStatus.CREATED if done.created else HTTPStatus.OK),
            stored.etag,
            stored.updated,
            f"{address}/_history/{stored.version}",
        ),
    )


def deleted(stored: Stored | None) -> Entry:
    """A delete."""
    etag = stored.etag if stored else None
    return Entry(None, response=Response(line(HTTPStatus.NO_CONTENT), etag, stored.updated if stored else None))


def found(stored: Stored, base: str) -> Entry:
    """A read."""
    return Entry(
        f"{base}/{stored.type}/{stored.id}",
        stored.body,
        response=Response(line(HTTPStatus.OK), stored.etag, stored.updated),
    )


def refused(error: HealixError) -> Entry:
    """A failed entry of a batch."""
    return Entry(None, response=Response(line(STATUS[error.category]), error.etag, outcome=error_outcome(error)))


def get(access: AccessContext, entry: Wanted, finder: Finder) -> Work[Entry]:
    """A GET that is no plain read: version, history or search."""
    base = finder.bases[0]
    if entry.id is None:
        page = yield from finder.search(access, entry.type, entry.params, strict=False)
        return Entry(None, encode_page(page, base, entry.type), response=Response(line(HTTPStatus.OK)))
    if len(entry.path) == 1:
        page = yield from history(access, entry.type, entry.id, entry.params, base)
        body = encode_page(page, base, f"{entry.type}/{entry.id}/_history")
        return Entry(None, body, response=Response(line(HTTPStatus.OK)))
    if len(entry.path) != 2:
        raise invalid("no address", expression=("request.url",))
    return found((yield from vread(access, entry.type, entry.id, entry.path[1])), base)
