"""$closure: a table, kept for its client, of which concepts that it uses stand above which.

With a name alone the table begins anew; with concepts they are added, and the answer has the pairs that this brings;
with a version the answer has what came after it.

Spec: FHIR R4, hl7.org/fhir/R4/conceptmap-operation-closure.html, hl7.org/fhir/R4/terminology-service.html#closure
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.terminology import catalog
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.closure import CONCEPTS, Pair, add, begin, find, since
from healix_fhir.terminology.concepts import Concept, look_up
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]

MOST = 1000
"""Concepts of one call."""
LONGEST = 200
CLOSURE = changed(
    standard("ConceptMap-closure"),
    f"A table is that of the client and its user. A call takes up to {MOST} concepts, a table has up to {CONCEPTS}.",
)


async def closure(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The ConceptMap of what is new. Raises Invalid for a call that cannot be, NotFound for an unknown table."""
    access.require("CodeSystem", Permission.READ)
    given = invocation.given
    name = str(given.text("name"))
    if not name.strip() or len(name) > LONGEST:
        raise invalid(f"name has 1 to {LONGEST} characters", code="value", expression=("name",))
    if "version" in given and "concept" in given:
        raise invalid("concepts are added, or a version is asked for again: not both", code="value")
    owner = f"{access.origin.client or ''}|{access.origin.account or ''}"

    def make() -> Work[bytes]:
        version, pairs = yield from _done(access, owner, name, given)
        yield record([AuditRow(access.origin, "E", "$closure", entity=name)])
        return encode(_map(name, version, pairs))

    return await interactions.timed(make)


def _done(access: AccessContext, owner: str, name: str, given: Given) -> Work[tuple[int, list[Pair]]]:
    if "version" in given:
        asked = _version(str(given.text("version")))
        id_, version = yield from find(owner, name)
        return version, (yield from since(id_, asked))
    codings = given.all("concept")
    if not codings:
        yield from begin(owner, name)
        return 0, []
    if len(codings) > MOST:
        raise invalid(f"a call takes at most {MOST} concepts", code="too-costly", expression=("concept",))
    concepts = yield from _concepts(access, codings)
    id_, version = yield from find(owner, name)
    return (yield from add(id_, version, concepts))


def _version(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise invalid("version is one that an answer has named", code="value", expression=("version",))
    return int(text)


def _concepts(access: AccessContext, codings: Sequence[Json]) -> Work[list[tuple[System, Concept]]]:
    """The concepts that are meant. Raises Invalid for one that is not known."""
    by_system: dict[str, list[str]] = {}
    for coding in codings:
        if "system" not in coding or "code" not in coding:
            raise invalid("a concept has a system and a code", code="required", expression=("concept",))
        version = coding.get("version")
        canonical = f"{coding['system']}|{version}" if version else str(coding["system"])
        by_system.setdefault(canonical, []).append(coding["code"])
    systems = yield from catalog.find_each(access, by_system)
    found: list[tuple[System, Concept]] = []
    for canonical, codes in by_system.items():
        system = systems[canonical]
        if system is None:
            raise invalid(f"the code system {canonical[:200]} is not known", code="not-found", expression=("concept",))
        known = yield from look_up(system, codes)
        for code in codes:
            if code not in known:
                message = f"{canonical[:200]} has no concept '{code[:100]}'"
                raise invalid(message, code="not-found", expression=("concept",))
            found.append((system, known[code]))
    return found


def _map(name: str, version: int, pairs: Sequence[Pair]) -> Json:
    """The ConceptMap, in which the target of each concept is one that subsumes it."""
    body: Json = {
        "resourceType": "ConceptMap", "version": str(version), "name": name, "status": "active", "experimental": True,
        "date": clock.instant(clock.now()),
    }  # fmt: skip
    ordered = sorted(pairs, key=lambda pair: (pair.system, pair.code, pair.above))
    groups = [
        {
            "source": system,
            "target": system,
            "element": [
                {"code": code, "target": [{"code": one.above, "equivalence": "subsumes"} for one in above]}
                for code, above in groupby(of_system, key=lambda pair: pair.code)
            ],
        }
        for system, of_system in groupby(ordered, key=lambda pair: pair.system)
    ]
    return body | ({"group": groups} if groups else {})
