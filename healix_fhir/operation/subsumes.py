"""$subsumes: how two codes of a code system stand to each other in its hierarchy.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, aat_once
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.system_meant import required, system_meant, unknown
from healix_fhir.terminology import concepts
from healix_fhir.terminology.catalog import System
from smart_auth.access import AccessContext

SUBSUMES = standard("CodeSystem-subsumes")
Json = dict[str, Any]

OUTCOMES: Mapping[tuple[bool, bool], str] = {
    (True, True): "equivalent",
    (True, False): "subsumes",
    (False, True): "subsumed-by",
    (False, False): "not-subsumed",
}
"""By whether A is B or above it, and whether B is A or above it. Spec: concept-subsumption-outcome"""


async def subsumes(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the outcome. Raises Invalid for a call without two codes, NotFound for what is not known."""
    required(access)
    return await aat_once(interactions.pool, _answer(access, invocation))


def _answer(access: AccessContext, invocation: Invocation) -> Work[bytes]:
    given = invocation.given
    codings = [_coding(given, letter) for letter in "AB"]
    urls = {url for url in (given.text("system"), *(one.get("system") for one in codings)) if url is not None}
    if len(urls) > 1:
        raise invalid("the codes are of several code systems, of which none is told how they relate", code="value")
    versions = {version for version in (given.text("version"), *(one.get("version") for one in codings)) if version}
    if len(versions) > 1:
        raise invalid("the codes are of several versions of the code system", code="value")
    system = yield from system_meant(access, invocation.id, next(iter(urls), None), next(iter(versions), None))
    outcome = yield from _outcome(system, *(one["code"] for one in codings))
    yield record([AuditRow(access.origin, "E", "$subsumes", entity=system.url[:200])])
    return encode({"resourceType": "Parameters", "parameter": [{"name": "outcome", "valueCode": outcome}]})


def _coding(given: Given, letter: str) -> Json:
    code, coding = given.text(f"code{letter}"), given.json(f"coding{letter}")
    if (code is None) == (coding is None):
        raise invalid(
            f"one of code{letter} and coding{letter} is needed", code="required", expression=(f"code{letter}",)
        )
    found = {"code": code} if coding is None else coding
    if not found.get("code"):
        raise invalid(f"coding{letter} has no code", code="required", expression=(f"coding{letter}",))
    return found


def _outcome(system: System, a: str, b: str) -> Work[str]:
    compared = yield from concepts.compare(system, a, b)
    if compared is None:
        found = yield from concepts.look_up(system, {a, b})
        raise unknown(system, a if a not in found else b)
    return OUTCOMES[compared]
