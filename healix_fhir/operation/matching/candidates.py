"""Who may be the Patient that is asked for: those who have something in common that few have.

Each way to find some is an ordinary search of the caller's, so that nobody is compared whom the caller may not find.

Spec: FHIR R4, hl7.org/fhir/R4/patient-operation-match.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from healix_fhir.kernel.database import Work
from healix_fhir.model.json import decode_stored
from healix_fhir.model.primitives import PRIMITIVES
from healix_fhir.operation.matching.likeness import exchanged
from healix_fhir.search import run
from healix_fhir.search.page import Signer
from healix_fhir.search.query import parse
from healix_fhir.search.values import escape
from smart_auth.access import AccessContext

EACH = 100
"""Patients of one way; whoever has more in common with so many is told apart by another."""
VALUES = 10
Json = Mapping[str, Any]
Params = list[tuple[str, str]]


def candidates(access: AccessContext, asked: Json, *, base: str, signer: Signer) -> Work[list[dict[str, Any]]]:
    """The Patients that have something in common with `asked`; the replaced ones are led to by their identifiers."""
    found: dict[str, dict[str, Any]] = {}
    for params in ways(asked):
        query = parse("Patient", [*params, ("_count", str(EACH))], strict=True, base=base)
        page = yield from run.search(access, query, base=base, signer=signer)
        found |= {hit.id: decode_stored(hit.body) for hit in page.entries}
    return [one for one in found.values() if not _is_replaced(one)]


def ways(asked: Json) -> Iterator[Params]:
    """The searches that find candidates."""
    if identifiers := [_token(one) for one in _dicts(asked, "identifier") if isinstance(one.get("value"), str)]:
        yield [("identifier", ",".join(identifiers[:VALUES]))]
    born = asked.get("birthDate")
    if isinstance(born, str):
        days = [day for day in dict.fromkeys((born, exchanged(born))) if PRIMITIVES["date"].valid(day)]
        yield [("birthdate", ",".join(days))]
    families = [escape(name["family"]) for name in _dicts(asked, "name") if isinstance(name.get("family"), str)]
    given = [escape(word) for name in _dicts(asked, "name") for word in name.get("given", ()) if isinstance(word, str)]
    if families and given:
        yield [("phonetic", ",".join(families[:VALUES])), ("given", ",".join(given[:VALUES]))]
    elif families:
        yield [("family", ",".join(families[:VALUES]))]
    contacts = [escape(one["value"]) for one in _dicts(asked, "telecom") if isinstance(one.get("value"), str)]
    if contacts:
        yield [("telecom", ",".join(contacts[:VALUES]))]


def _token(identifier: Json) -> str:
    system = identifier.get("system")
    value = escape(identifier["value"])
    return f"{escape(system)}|{value}" if isinstance(system, str) else value


def _dicts(patient: Json, key: str) -> list[Json]:
    return [one for one in patient.get(key, ()) if isinstance(one, Mapping)]


def _is_replaced(patient: Json) -> bool:
    return any(link.get("type") == "replaced-by" for link in patient.get("link", ()))
