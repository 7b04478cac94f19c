"""History of one resource: its versions, newest first, in pages.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode

from healix_fhir.interaction.accept import known_id
from healix_fhir.interaction.result import Entry, Page, Response
from healix_fhir.interaction.status import line
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.subset import read_subset
from healix_fhir.search.dates import interval
from healix_fhir.store import read as store
from healix_fhir.store.stored import Method, Version
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

COUNT = 50
MOST = 1000
DIGITS = 9
REFUSED = ("_at", "_before", "_list", "_sort")
PARAMETERS = ("_count", "_since", "_cursor", "_summary", "_elements")
RENDERING = ("_format", "_pretty")  # the HTTP edge's


def history(
    access: AccessContext, type_name: str, id_: str, params: Sequence[tuple[str, str]], base: str
) -> Work[Page]:
    """One page. Parameters: PARAMETERS, and `_cursor` of the links; others are refused by name."""
    known_id(type_name, id_)
    access.require(type_name, Permission.READ)
    given = _given(params)
    subset = read_subset(given.items(), (type_name,))
    count = min(_number(given.get("_count", str(COUNT)), "_count"), MOST)
    if subset is not None and subset.summary == "count":
        count = 0
    before = _number(given["_cursor"], "_cursor") if "_cursor" in given else None
    since = _since(given["_since"]) if "_since" in given else None
    versions, total = yield from store.history(access, type_name, id_, limit=count + 1, since=since, before=before)
    links = {"self": urlencode(given)}
    if len(versions) > count > 0:
        links["next"] = urlencode(given | {"_count": str(count), "_cursor": str(versions[count - 1].stored.version)})
    return Page("history", tuple(_entry(version, base) for version in versions[:count]), total, links, subset)


def _given(params: Sequence[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in params:
        if name in RENDERING:
            continue
        if name in REFUSED:
            raise unsupported(f"{name} is not supported on history")
        if name not in PARAMETERS or name in given:
            raise invalid(f"history does not take the parameter {name[:64]}, or not twice", code="value")
        given[name] = value
    return given


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS):
        raise invalid(f"{name} must be a whole number", code="value")
    return int(text)


def _since(text: str) -> datetime | None:
    found = interval(text)
    if found is None:
        raise invalid("_since must be an instant, e.g. 2026-01-02T03:04:05Z", code="value")
    return found[0]


def _entry(version: Version, base: str) -> Entry:
    stored = version.stored
    where = f"{stored.type}/{stored.id}"
    status = HTTPStatus.OK
    if version.method == Method.DELETE:
        status = HTTPStatus.NO_CONTENT
    elif stored.version == 1:
        status = HTTPStatus.CREATED
    return Entry(
        f"{base}/{where}",
        stored.body or None,
        request=(version.method, stored.type if version.method == Method.POST else where),
        response=Response(line(status), stored.etag, stored.updated),
    )
