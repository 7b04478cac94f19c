"""$validate-code of a value set: whether a code is one of its members, and whether its display is right.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.as_of import check_date
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.value_set import context_of, source_of
from healix_fhir.terminology.conditions import Systems
from healix_fhir.terminology.displays import called, display
from healix_fhir.terminology.members import Member
from healix_fhir.terminology.membership import judge, systems_of
from healix_fhir.terminology.resolve import resolved
from healix_fhir.terminology.sets import Set
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]

CODINGS = 100
"""Codings of one CodeableConcept."""
VALIDATE_CODE = changed(
    standard("ValueSet-validate-code"),
    "Definitions are used as they are now. A code without a system is looked for in all that the value set names.",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A code to judge; None for a system, version or display that is not said."""

    system: str | None
    version: str | None
    code: str
    display: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a code is meant, why not, and what it is called."""

    result: bool
    message: str | None = None
    display: str | None = None


async def validate_code(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the result. Raises Invalid for a call that asks for no code, or what is not known."""
    access.require("ValueSet", Permission.READ)
    given = invocation.given
    check_date(given)
    asked = _asked(given)
    context = await context_of(interactions, access, given)

    def make() -> Work[bytes]:
        source = yield from source_of(access, invocation, context)
        found = yield from resolved(access, source.composition)
        systems = yield from systems_of(access, found)
        verdict = yield from _judged(found, systems, asked, given)
        yield record([AuditRow(access.origin, "E", "$validate-code", entity=source.url[:200] or None)])
        return _answer(verdict)

    return await interactions.timed(make)


def _asked(given: Given) -> list[Asked]:
    ways = [name for name in ("code", "coding", "codeableConcept") if name in given]
    if len(ways) != 1:
        raise invalid("a code is given once, by code, coding or codeableConcept", code="required", expression=("code",))
    if "code" in given:
        return [Asked(given.text("system"), given.text("systemVersion"), str(given.one("code")), given.text("display"))]
    if "display" in given or "system" in given or "systemVersion" in given:
        raise invalid("system, systemVersion and display stand beside code", code="value", expression=("display",))
    if (coding := given.json("coding")) is not None:
        return [_of_coding(coding)]
    codings = (given.json("codeableConcept") or {}).get("coding", [])
    if not codings or len(codings) > CODINGS:
        raise invalid(f"codeableConcept has 1 to {CODINGS} codings", code="value", expression=("codeableConcept",))
    return [_of_coding(one) for one in codings]


def _of_coding(coding: Json) -> Asked:
    if "code" not in coding:
        raise invalid("the coding has no code", code="required", expression=("coding.code",))
    return Asked(coding.get("system"), coding.get("version"), coding["code"], coding.get("display"))


def _judged(found: Set, systems: Systems, asked: Sequence[Asked], given: Given) -> Work[Verdict]:
    """The first verdict that is good, else the first of all."""
    first: Verdict | None = None
    for one in asked:
        verdict = yield from _verdict(found, systems, one, given)
        if verdict.result:
            return verdict
        first = first or verdict
    assert first is not None
    return first


def _verdict(found: Set, systems: Systems, one: Asked, given: Given) -> Work[Verdict]:
    judged = yield from judge(found, systems, one.system, one.version, one.code)
    shown = f"{one.system or ''}#{one.code}"[:300]
    member = judged.member
    if member is None:
        known = " and does not exist in its code system" if judged.exists is False else ""
        return Verdict(False, f"{shown} is not in the value set{known}")
    (names,) = yield from called([member])
    right = display(member, names, given.text("displayLanguage"))
    if member.abstract and not given.flag("abstract"):
        return Verdict(False, f"{shown} is abstract: it cannot be chosen", right)
    if one.display is not None and not _is_called(member, names, one.display):
        return Verdict(False, f"{shown} is not called '{one.display[:200]}'", right)
    return Verdict(True, None, right)


def _is_called(member: Member, names: Sequence[Json], text: str) -> bool:
    """Whether a text is one that the concept is called by, but for case and spaces. What has no names may have any."""
    own = member.listed.display if member.listed is not None else None
    known = [name for name in (own, member.display, *(str(one.get("value", "")) for one in names)) if name]
    return not known or _plain(text) in map(_plain, known)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _answer(verdict: Verdict) -> bytes:
    parts: list[Json] = [{"name": "result", "valueBoolean": verdict.result}]
    if verdict.message is not None:
        parts.append({"name": "message", "valueString": verdict.message})
    if verdict.display is not None:
        parts.append({"name": "display", "valueString": verdict.display})
    return encode({"resourceType": "Parameters", "parameter": parts})
