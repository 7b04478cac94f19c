"""$match on Patient: who a description may mean, the likeliest first, with a score and a grade.

Spec: FHIR R4, hl7.org/fhir/R4/patient-operation-match.html
"""

from __future__ import annotations

from typing import Any

from healix_fhir.interaction.search import Finder
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.matching.candidates import candidates, ways
from healix_fhir.operation.matching.likeness import Grade, Likeness, likeness
from healix_fhir.search.controls import DEFAULT_COUNT
from healix_fhir.store.read import audit_shown
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
PATIENT = "Patient"
MATCH = changed(
    standard("Patient-match"),
    "The resource needs an identifier, a name, a date of birth or a telecom by which Patients are found. With"
    " onlyCertainMatches the answer is one Patient, or nobody where none is certain or several are."
    f" Without count, {DEFAULT_COUNT} are the most.",
)
Found = tuple[dict[str, Any], Likeness]


async def match(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The searchset. Raises Forbidden, Invalid, Unprocessable where too little is told."""
    access.require(PATIENT, Permission.SEARCH)
    given = invocation.given
    asked = given.json("resource") or {}
    if asked.get("resourceType") != PATIENT:
        raise invalid("$match takes a Patient", code="value", expression=("resource",))
    if not any(True for _ in ways(asked)):
        raise HealixError(
            Category.UNPROCESSABLE,
            "too little is told: $match needs an identifier, a name, a birthDate or a telecom",
            code="required",
            expression=("resource",),
        )
    count = given.number("count")
    if count is not None and count < 0:
        raise invalid("$match: count is the number of Patients to answer", code="value", expression=("count",))
    finder = await interactions.finder()
    found = await interactions.looked_up(lambda: _found(access, finder, asked, given), aside=True)
    entries = [
        {
            "fullUrl": f"{finder.bases[0]}/{PATIENT}/{body['id']}",
            "resource": body,
            "search": {
                "extension": [{"url": GRADE, "valueCode": how.grade.value}], "mode": "match", "score": how.score,
            },
        }
        for body, how in found
    ]  # fmt: skip
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return encode(bundle | ({"entry": entries} if entries else {}))


def _found(access: AccessContext, finder: Finder, asked: dict[str, Any], given: Given) -> Work[list[Found]]:
    known = yield from candidates(access, asked, base=finder.bases[0], signer=finder.signer)
    found = graded(asked, known, only_certain=given.flag("onlyCertainMatches"), count=given.number("count"))
    row = AuditRow(access.origin, "E", "$match", patient=access.patient if access.alone else None, entity=PATIENT)
    yield audit_shown(row, [(PATIENT, body["id"]) for body, _ in found])
    return found


def graded(asked: dict[str, Any], known: list[dict[str, Any]], *, only_certain: bool, count: int | None) -> list[Found]:
    """The matches among those who are known, the likeliest first."""
    found = [(body, how) for body in known if (how := likeness(asked, body)).grade is not Grade.NOT]
    found.sort(key=lambda one: (-one[1].score, one[0]["id"]))
    if only_certain:
        certain = [one for one in found if one[1].grade is Grade.CERTAIN]
        found = certain if len(certain) == 1 else []
    return found[: DEFAULT_COUNT if count is None else count]
