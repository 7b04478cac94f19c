"""$validate-code of a code system: whether it has a code, and whether that is called so.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, aat_once
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.model.profile.code_system import GRAMMARS
from healix_fhir.operation.as_of import check_date
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.system_meant import required, system_meant
from healix_fhir.terminology import named
from healix_fhir.terminology.named import Named
from healix_fhir.terminology.resource import contents
from smart_auth.access import AccessContext

Json = dict[str, Any]

CODINGS = 100
"""Codings of one CodeableConcept."""
VALIDATE_CODE = changed(
    standard("CodeSystem-validate-code"),
    "Definitions are used as they are now. A display is compared without regard to case and spaces. Without `url` the"
    f" code system is that of the coding. A CodeableConcept has up to {CODINGS} codings.",
)


class Asked(msgspec.Struct, frozen=True):
    """A code to judge, with the system and version that its coding says."""

    code: str
    system: str | None = None
    version: str | None = None
    display: str | None = None


class Known(msgspec.Struct, frozen=True):
    """What a code system knows of the codes; `complete` if it knows all that there are."""

    url: str
    version: str | None
    codes: Mapping[str, Named]
    complete: bool = True


class Verdict(msgspec.Struct, frozen=True):
    """Whether a code is right, what is to be said of it, and what it is called."""

    result: bool
    message: str | None = None
    display: str | None = None


async def validate_code(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the result. Raises Invalid for a call without a code, NotFound for an unknown system."""
    required(access)
    check_date(invocation.given)
    work = _answer(access, invocation, _asked(invocation.given))
    return await aat_once(interactions.pool, work, aside="codeSystem" in invocation.given)


def _asked(given: Given) -> list[Asked]:
    ways = [name for name in ("code", "coding", "codeableConcept") if name in given]
    if len(ways) != 1:
        raise invalid("a code is given once, by code, coding or codeableConcept", code="required", expression=("code",))
    if "code" in given:
        return [Asked(str(given.one("code")), display=given.text("display"))]
    if "display" in given:
        raise invalid("display stands beside code", code="value", expression=("display",))
    if (coding := given.json("coding")) is not None:
        return [_of_coding(coding, "coding")]
    codings = (given.json("codeableConcept") or {}).get("coding", [])
    if not codings or len(codings) > CODINGS:
        raise invalid(f"codeableConcept has 1 to {CODINGS} codings", code="value", expression=("codeableConcept",))
    return [_of_coding(one, "codeableConcept.coding") for one in codings]


def _of_coding(coding: Json, where: str) -> Asked:
    if "code" not in coding:
        raise invalid("the coding has no code", code="required", expression=(where,))
    return Asked(coding["code"], coding.get("system"), coding.get("version"), coding.get("display"))


def _answer(access: AccessContext, invocation: Invocation, asked: Sequence[Asked]) -> Work[bytes]:
    known = yield from _known(access, invocation, asked)
    verdict = _best([_judged(known, one, invocation.given) for one in asked])
    yield record([AuditRow(access.origin, "E", "$validate-code", entity=known.url[:200])])
    parts: list[Json] = [{"name": "result", "valueBoolean": verdict.result}]
    if verdict.message is not None:
        parts.append({"name": "message", "valueString": verdict.message})
    if verdict.display is not None:
        parts.append({"name": "display", "valueString": verdict.display})
    return encode({"resourceType": "Parameters", "parameter": parts})


def _known(access: AccessContext, invocation: Invocation, asked: Sequence[Asked]) -> Work[Known]:
    """The code system that is meant, and the codes that are asked for, as far as it has them."""
    given = invocation.given
    codes = {one.code for one in asked}
    sent = given.json("codeSystem")
    if sent is not None:
        if "url" in given or invocation.id is not None:
            raise invalid(
                "a code system is named once, by url, codeSystem or its id", code="value", expression=("url",)
            )
        body = contents(sent)
        heading = body.heading
        return Known(heading.url, heading.version, named.of_contents(body, codes), heading.content == "complete")
    url, version = given.text("url"), given.text("version")
    if invocation.id is None and url is None:
        url = next((one.system for one in asked if one.system), None)
    if version is None:
        version = next((one.version for one in asked if one.version and one.system == url), None)
    if invocation.id is None and url is not None and url in GRAMMARS:
        return Known(url, None, named.of_grammar(url, codes))
    system = yield from system_meant(access, invocation.id, url, version)
    designated = "displayLanguage" in given or any(one.display is not None for one in asked)
    found = yield from named.of_system(system, codes, designated=designated)
    return Known(system.url, system.version, found, system.content == "complete")


def _best(verdicts: Sequence[Verdict]) -> Verdict:
    """The first that is good, else the first."""
    return next((verdict for verdict in verdicts if verdict.result), verdicts[0])


def _judged(known: Known, asked: Asked, given: Given) -> Verdict:
    shown = f"{known.url[:200]}#{asked.code[:100]}"
    if asked.system not in (None, known.url):
        return Verdict(False, f"the code is of {asked.system[:200] if asked.system else ''}, not of {known.url[:200]}")
    found = known.codes.get(asked.code)
    if found is None:
        rest = "" if known.complete else ", of which this server has a part"
        return Verdict(False, f"the code '{asked.code[:100]}' is not in {known.url[:200]}{rest}")
    display = found.called(given.text("displayLanguage"))
    if found.abstract and not given.flag("abstract"):
        return Verdict(False, f"{shown} is abstract: it cannot be chosen", display)
    if asked.display is not None and not found.is_called(asked.display):
        return Verdict(False, f"{shown} is not called '{asked.display[:200]}'", display)
    return Verdict(True, f"{shown} is inactive" if found.inactive else None, display)
