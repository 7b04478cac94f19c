"""History of a resource, of a type, or of the whole server: its versions, newest first, in pages.

Type and system level are a search, and need that permission (SMART App Launch 2.2, scopes). `_before` is ours: versions
made before the instant, as `_since` has those made at it or later. `_list` takes the items of a List, in all their
versions.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode

from healix_fhir.interaction.accept import known_id, known_type
from healix_fhir.interaction.known import known
from healix_fhir.interaction.result import Entry, Page, Response
from healix_fhir.interaction.status import line
from healix_fhir.kernel.audit import AUDIT_EVENT, AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import forbidden, invalid, unsupported
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.subset import read_subset
from healix_fhir.search.controls import EDGE
from healix_fhir.search.dates import interval
from healix_fhir.search.keyset import Place
from healix_fhir.search.page import Cursor, Signer, foreign
from healix_fhir.store import history as store
from healix_fhir.store.history import Past
from healix_fhir.store.read import audit_of, audit_shown, patients_of
from healix_fhir.store.stored import Method, Version
from smart_auth.access import EVERYTHING, AccessContext
from smart_auth.scope import Permission

COUNT = 50
MOST = 1000
DIGITS = 9
PARAMETERS = ("_count", "_since", "_before", "_at", "_list", "_cursor", "_summary", "_elements")


class Historian:
    """Histories on a server whose FHIR base URL is `base`; `signer` seals the links between pages."""

    def __init__(self, base: str, signer: Signer) -> None:
        self.base = base
        self.signer = signer

    def history(
        self,
        access: AccessContext,
        type_name: str | None,
        id_: str | None,
        params: Sequence[tuple[str, str]],
        *,
        strict: bool = False,
    ) -> Work[Page]:
        """One page of the history of a resource, of a type (without id), or of everything (without type).

        Raises NotFound, Forbidden, or Invalid for a parameter. One that is unknown is ignored unless `strict`: the self
        link tells what was heeded.
        """
        types = _types(access, type_name, id_)
        given = _given(params, strict=strict)
        subset = read_subset(given.items(), types)
        count = min(_number(given.get("_count", str(COUNT))), MOST)
        if subset is not None and subset.summary == "count":
            count = 0
        asked = urlencode({name: value for name, value in given.items() if name != "_cursor"})
        path = "/".join(part for part in (type_name, id_, "_history") if part)
        past = _past(types, id_, given, self._after(given.get("_cursor"), f"{self.base}/{path}?{asked}"))
        patients = (yield from patients_of(access, type_name, id_)) if type_name and id_ is not None else []
        found = yield from store.versions(access, past, count + 1 if count else 0)
        if type_name is not None and id_ is not None:
            yield audit_of(access, "history-instance", f"{type_name}/{id_}", patients)
        else:
            shown = [(version.stored.type, version.stored.id) for version in found.page[:count]]
            yield audit_shown(_audit(access, type_name, types, asked), list(dict.fromkeys(shown)))
        links = {"self": urlencode(given)}
        if len(found.page) > count > 0:
            sealed = self.signer.seal(_cursor(found.places[count - 1]), f"{self.base}/{path}?{asked}")
            links["next"] = f"{asked}&_cursor={sealed}" if asked else f"_cursor={sealed}"
        entries = tuple(_entry(version, self.base) for version in found.page[:count])
        return Page("history", entries, found.total, links, subset)

    def _after(self, cursor: str | None, bound: str) -> tuple[datetime, int] | None:
        if cursor is None:
            return None
        place = self.signer.unseal(cursor, bound).place
        if place is None or place.keys[0] is None:
            raise foreign()
        return datetime.fromisoformat(place.keys[0]), place.pk


def _cursor(place: tuple[datetime, int]) -> Cursor:
    return Cursor(0, backward=False, place=Place(0, (place[0].isoformat(),), place[1]))


def _types(access: AccessContext, type_name: str | None, id_: str | None) -> tuple[str, ...]:
    """The types whose versions may be among those asked for."""
    if type_name is None:
        types = tuple(name for name in TYPES if access.allows(name, Permission.SEARCH))
        if not types:
            raise forbidden("the token's scope does not allow a history of the whole server")
        return types
    if id_ is not None:
        known_id(type_name, id_)
    known_type(type_name)
    if type_name == AUDIT_EVENT:
        raise unsupported("AuditEvents have no history: none of them ever changes")
    access.require(type_name, Permission.READ if id_ is not None else Permission.SEARCH)
    return (type_name,)


def _past(types: tuple[str, ...], id_: str | None, given: dict[str, str], after: tuple[datetime, int] | None) -> Past:
    at = _instant(given, "_at")
    return Past(
        types,
        Permission.READ if id_ is not None else Permission.SEARCH,
        id_,
        _list(given["_list"]) if "_list" in given else None,
        since=_instant(given, "_since")[0],
        before=_instant(given, "_before")[0],
        at=at[0],
        until=at[1],
        after=after,
    )


def _audit(access: AccessContext, type_name: str | None, types: Sequence[str], query: str) -> AuditRow:
    """The row for each patient shown; also that of the token, where the token sees no other."""
    alone = access.alone and not any(
        access.compartments(name, Permission.SEARCH, "pat") == EVERYTHING for name in types
    )
    return AuditRow(
        access.origin,
        "R",
        "history-type" if type_name is not None else "history-system",
        patient=access.patient if alone else None,
        entity=type_name,
        query=query,
    )


def _given(params: Sequence[tuple[str, str]], *, strict: bool) -> dict[str, str]:
    given: dict[str, str] = {}
    if any(name == "_sort" for name, _ in params):
        raise unsupported("_sort is not supported on a history: its order is that of time, newest first")
    for name, value in known(params, (*PARAMETERS, *EDGE), strict=strict):
        if name in EDGE:
            continue
        if name in given:
            raise invalid(f"history does not take the parameter {name} twice", code="value")
        given[name] = value
    return given


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS):
        raise invalid("_count must be a whole number", code="value")
    return int(text)


def _instant(given: dict[str, str], name: str) -> tuple[datetime | None, datetime | None]:
    if name not in given:
        return None, None
    found = interval(given[name].replace(" ", "+"))  # an unencoded `+` of a zone arrives as a space
    if found is None:
        raise invalid(f"{name} must be an instant or a date, e.g. 2026-01-02T03:04:05Z", code="value")
    return found


def _list(text: str) -> str:
    if text.startswith("$"):
        raise unsupported(f"_list: functional lists such as {text[:50]} are not supported")
    id_ = text.removeprefix("List/")
    if not is_logical_id(id_):
        raise invalid(f"_list: '{text[:100]}' is not the id of a List", code="value")
    return id_


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
