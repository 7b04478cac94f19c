"""$translate of a concept by ConceptMaps: one that is named, or all that fit what is asked.

Spec: FHIR R4, hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import decode_stored, encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.read import read
from healix_fhir.terminology.concept_map import (
    NO_MATCH,
    Concept,
    Depending,
    Group,
    Way,
    closest_first,
    is_listed,
    mapped,
)
from healix_fhir.terminology.value_sets import Source, find, find_all
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]

MAP = "ConceptMap"
DEPTH = 10
"""So many maps may lead from one to the next for what they do not list."""
CODINGS = 100
TRANSLATE = changed(
    standard("ConceptMap-translate"),
    "Without a map, all maps that the caller may read and that fit source, target and the code systems are used.",
)


async def translate(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the matches, the closest first. Raises Invalid, or NotFound for a map that is not there."""
    access.require(MAP, Permission.READ)
    given = invocation.given
    concepts = _asked(given)
    if len([name for name in ("url", "conceptMap") if name in given]) + (invocation.id is not None) > 1:
        raise invalid("a map is named once, by url, conceptMap or its id", code="value", expression=("url",))

    def make() -> Work[bytes]:
        maps = yield from _maps(access, invocation)
        found = []
        for concept in concepts:
            found += yield from _translated(access, maps, concept, given)
        yield record([AuditRow(access.origin, "E", "$translate", entity=given.text("url"))])
        return _answer(closest_first(found))

    return await interactions.timed(make)


def _asked(given: Given) -> list[Concept]:
    ways = [name for name in ("code", "coding", "codeableConcept") if name in given]
    if len(ways) != 1:
        raise invalid("a code is given once, by code, coding or codeableConcept", code="required", expression=("code",))
    if "code" in given:
        if "system" not in given:
            raise invalid("code needs its system", code="required", expression=("system",))
        return [Concept(given.text("system"), str(given.one("code")), version=given.text("version"))]
    coding = given.json("coding")
    codings = [coding] if coding is not None else (given.json("codeableConcept") or {}).get("coding", [])
    if not codings or len(codings) > CODINGS or not all("code" in one for one in codings):
        raise invalid(f"{ways[0]} has 1 to {CODINGS} codes", code="required", expression=(ways[0],))
    return [Concept(one.get("system"), one["code"], version=one.get("version")) for one in codings]


def _maps(access: AccessContext, invocation: Invocation) -> Work[list[Source]]:
    given = invocation.given
    if invocation.id is not None:
        stored = yield from read(access, MAP, invocation.id)
        return [Source(decode_stored(bytes(stored.body)))]
    if (sent := given.json("conceptMap")) is not None:
        return [Source(sent)]
    if (url := given.text("url")) is not None:
        version = given.text("conceptMapVersion")
        return [(yield from _map(access, f"{url}|{version}" if version else url))]
    if not {"source", "target", "targetsystem"} & given.arguments.keys():
        raise invalid(
            "a map is named by url, or by source, target or targetsystem", code="required", expression=("url",)
        )
    maps = yield from find_all(access, MAP)
    return [one for one in maps if _fits(one, given)]


def _map(access: AccessContext, canonical: str) -> Work[Source]:
    found = (yield from find(access, MAP, [canonical]))[canonical]
    if found is None:
        raise invalid(f"the concept map {canonical[:200]} is not known", code="not-found")
    return found


def _fits(found: Source, given: Given) -> bool:
    """Whether a map is between the value sets that the call names."""
    sides = ("target", "source") if given.flag("reverse") else ("source", "target")
    for name, side in zip(("source", "target"), sides, strict=True):
        wanted = given.text(name)
        own = found.body.get(f"{side}Uri") or found.body.get(f"{side}Canonical")
        if wanted is not None and own is not None and str(own).partition("|")[0] != wanted.partition("|")[0]:
            return False
    return True


def _translated(
    access: AccessContext, maps: Sequence[Source], concept: Concept, given: Given
) -> Work[list[tuple[Way, str]]]:
    reverse, other = given.flag("reverse"), given.text("targetsystem")
    dependencies = list(_dependencies(given))
    found: list[tuple[Way, str]] = []
    for one in maps:
        if not _fits(one, given):
            continue
        found += [(way, one.url) for way in mapped(one.mapping, concept, other, dependencies, reverse=reverse)]
        if not reverse:
            found += yield from _unlisted(access, one, concept, other, dependencies, (one.url,))
    return found


def _unlisted(
    access: AccessContext,
    source: Source,
    concept: Concept,
    other: str | None,
    dependencies: Sequence[Depending],
    trail: tuple[str, ...],
) -> Work[list[tuple[Way, str]]]:
    """What a map says of concepts that it does not list: by itself, or by another map."""
    found: list[tuple[Way, str]] = []
    for group in source.mapping:
        if group.unmapped is None or (concept.system or group.source) != group.source or is_listed(group, concept):
            continue
        if group.unmapped.mode != "other-map":
            if (other or group.target) == group.target:
                found.append((_own(group, concept), source.url))
            continue
        url = str(group.unmapped.url)
        if url.partition("|")[0] in trail or len(trail) >= DEPTH:
            raise invalid(
                f"the concept map leads back to itself: {' → '.join([*trail, url])[:500]}", code="business-rule"
            )
        further = yield from _map(access, url)
        ways = mapped(further.mapping, concept, other, dependencies, reverse=False)
        found += [(way, further.url) for way in ways]
        found += yield from _unlisted(access, further, concept, other, dependencies, (*trail, further.url))
    return found


def _own(group: Group, concept: Concept) -> Way:
    """The same code in the other system, or a fixed one; how close that is R4 does not say."""
    assert group.unmapped is not None
    if group.unmapped.mode == "provided":
        return Way("equivalent", Concept(group.target, concept.code, version=group.target_version))
    fixed = Concept(group.target, str(group.unmapped.code), group.unmapped.display, group.target_version)
    return Way("relatedto", fixed)


def _dependencies(given: Given) -> Iterator[Depending]:
    for one in given.parts("dependency"):
        element, concept = one.text("element"), one.json("concept")
        if element is None or concept is None:
            raise invalid("a dependency has an element and a concept", code="required", expression=("dependency",))
        for coding in concept.get("coding", ()):
            if "code" in coding:
                yield Depending(element, Concept(coding.get("system"), coding["code"]))


def _answer(found: Sequence[tuple[Way, str]]) -> bytes:
    result = any(way.equivalence not in NO_MATCH for way, _ in found)
    parts: list[Json] = [{"name": "result", "valueBoolean": result}]
    if not result:
        parts.append({"name": "message", "valueString": "no mapping of the concept is known"})
    parts += [{"name": "match", "part": list(_match(way, url))} for way, url in found]
    return encode({"resourceType": "Parameters", "parameter": parts})


def _match(way: Way, url: str) -> Iterator[Json]:
    yield {"name": "equivalence", "valueCode": way.equivalence}
    if way.to is not None:
        yield {"name": "concept", "valueCoding": _coding(way.to)}
    for one in way.product:
        element = {"name": "element", "valueUri": one.element}
        yield {"name": "product", "part": [element, {"name": "concept", "valueCoding": _coding(one.concept)}]}
    if url:
        yield {"name": "source", "valueUri": url}


def _coding(concept: Concept) -> Json:
    named = {
        "system": concept.system, "version": concept.version, "code": concept.code, "display": concept.display,
    }  # fmt: skip
    return {name: value for name, value in named.items() if value is not None}
