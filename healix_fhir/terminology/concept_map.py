"""A ConceptMap as a value: which concepts another one is mapped to, forwards and backwards.

Spec: FHIR R4, hl7.org/fhir/R4/conceptmap.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

ORDER = (
    "equal", "equivalent", "subsumes", "wider", "specializes", "narrower", "relatedto", "inexact", "unmatched",
    "disjoint",
)  # fmt: skip
"""The closest first. Spec: FHIR R4, hl7.org/fhir/R4/valueset-concept-map-equivalence.html"""
NO_MATCH = ("unmatched", "disjoint")
REVERSED = {"subsumes": "specializes", "specializes": "subsumes", "wider": "narrower", "narrower": "wider"}
"""What is wider seen from one side is narrower seen from the other; all others are the same from both."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept of a code system; None for what is not said."""

    system: str | None
    code: str
    display: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Depending:
    """A concept of another element, on which a mapping depends or which it gives beside."""

    element: str
    concept: Concept


@dataclass(frozen=True, slots=True)
class Way:
    """One way from a concept to another; `to` is None where there is none on the other side."""

    equivalence: str
    to: Concept | None
    depends_on: tuple[Depending, ...] = ()
    product: tuple[Depending, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmapped:
    """What becomes of concepts that a group does not list. Spec: FHIR R4, ConceptMap.group.unmapped"""

    mode: str
    code: str | None
    display: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """The mappings between two code systems, by the code on either side."""

    source: str | None
    target: str | None
    forwards: Mapping[str, Sequence[Way]]
    backwards: Mapping[str, Sequence[Way]]
    unmapped: Unmapped | None
    target_version: str | None = None


def groups(body: Json) -> tuple[Group, ...]:
    """The groups of a ConceptMap."""
    return tuple(map(_group, body.get("group", ())))


def _group(body: Json) -> Group:
    forwards: dict[str, list[Way]] = {}
    backwards: dict[str, list[Way]] = {}
    for element in body.get("element", ()):
        if "code" not in element:
            continue
        here = Concept(body.get("source"), element["code"], element.get("display"), body.get("sourceVersion"))
        for target in element.get("target", ()):
            way = _mapping(target, body)
            forwards.setdefault(here.code, []).append(way)
            if way.to is not None and way.equivalence not in NO_MATCH:
                back = REVERSED.get(way.equivalence, way.equivalence)
                backwards.setdefault(way.to.code, []).append(Way(back, here, way.product, way.depends_on))
    found = body.get("unmapped")
    unmapped = None if found is None else Unmapped(found["mode"], *map(found.get, ("code", "display", "url")))
    return Group(body.get("source"), body.get("target"), forwards, backwards, unmapped, body.get("targetVersion"))


def _mapping(target: Json, group: Json) -> Way:
    code = target.get("code")
    to = None if code is None else Concept(group.get("target"), code, target.get("display"), group.get("targetVersion"))
    return Way(
        target.get("equivalence", "equivalent"),
        to,
        tuple(map(_depending, target.get("dependsOn", ()))),
        tuple(map(_depending, target.get("product", ()))),
    )


def _depending(found: Json) -> Depending:
    return Depending(found["property"], Concept(found.get("system"), found["value"], found.get("display")))


def mapped(
    found: Iterable[Group], concept: Concept, other: str | None, given: Sequence[Depending], *, reverse: bool
) -> Iterator[Way]:
    """The mappings of a concept to the code system `other` (None: any) whose dependencies are among those `given`."""
    for group in found:
        here, there = (group.target, group.source) if reverse else (group.source, group.target)
        if (concept.system or here) != here or (other or there) != there:
            continue
        ways = (group.backwards if reverse else group.forwards).get(concept.code, ())
        yield from (way for way in ways if all(_is_met(one, given) for one in way.depends_on))


def is_listed(group: Group, concept: Concept) -> bool:
    """Whether a group has the concept on its side of the source."""
    return concept.code in group.forwards


def _is_met(wanted: Depending, given: Sequence[Depending]) -> bool:
    return any(
        one.element == wanted.element
        and one.concept.code == wanted.concept.code
        and wanted.concept.system in (None, one.concept.system)
        for one in given
    )


def closest_first(found: Iterable[tuple[Way, str]]) -> list[tuple[Way, str]]:
    """Mappings with what they come from, in the order of how close their sides are; each once."""
    return sorted(dict.fromkeys(found), key=lambda pair: ORDER.index(pair[0].equivalence))
