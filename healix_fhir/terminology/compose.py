"""ValueSet.compose read as an algebra (`sets`), with the canonicals of other value sets still to be resolved.

A value set without a composition is what its expansion lists. What cannot be read is refused by its place.

Spec: FHIR R4, hl7.org/fhir/R4/valueset.html#compositions, #filters
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.terminology.patterns import check_pattern
from healix_fhir.terminology.sets import (
    EMPTY,
    Active,
    Codes,
    Filter,
    Listed,
    Named,
    Operator,
    Selected,
    Set,
    Supplemented,
    Without,
    both,
    either,
)

Json = Mapping[str, Any]

PARTS = 1000
"""Includes and excludes of one value set."""
LISTED = 100_000
"""Concepts that one value set lists."""
SUPPLEMENT = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"
"""The extension that names a supplement without which a value set is not to be used."""
SUPPLEMENTS = 20
"""Supplements of one value set."""
FILTERS = 20
"""Filters of one include."""


@dataclass(frozen=True, slots=True)
class Composition:
    """What a ValueSet says of its members; `contained` are the value sets it holds itself, by `#id`."""

    url: str
    version: str
    members: Set
    contained: Mapping[str, Json]


def composition(body: Json) -> Composition:
    """The composition of a ValueSet. Raises Invalid with the place of what cannot be read."""
    url = str(body.get("url") or "")
    compose = body.get("compose")
    members = _composed(compose) if compose else _expanded(body.get("expansion") or {})
    if named := _supplements(body):
        members = Supplemented(members, named)
    contained = {
        f"#{item['id']}": item
        for item in body.get("contained", ())
        if isinstance(item, dict) and item.get("resourceType") == "ValueSet" and "id" in item
    }
    return Composition(url, str(body.get("version") or ""), members, contained)


def _supplements(body: Json) -> tuple[str, ...]:
    extensions = [one for one in body.get("extension", ()) if one.get("url") == SUPPLEMENT]
    named = tuple(str(one.get("valueCanonical", "")) for one in extensions)
    if "" in named:
        raise invalid(f"{SUPPLEMENT} has no valueCanonical", code="required", expression=("ValueSet.extension",))
    if len(named) > SUPPLEMENTS:
        raise _costly(f"a value set names at most {SUPPLEMENTS} supplements", "ValueSet.extension")
    return named


def _composed(compose: Json) -> Set:
    parts = [(side, n, part) for side in ("include", "exclude") for n, part in enumerate(compose.get(side, ()))]
    if len(parts) > PARTS:
        raise _costly(f"a value set has at most {PARTS} includes and excludes", "ValueSet.compose")
    if sum(len(part.get("concept", ())) for _, _, part in parts) > LISTED:
        raise _costly(f"a value set lists at most {LISTED} concepts", "ValueSet.compose")
    included = [_part(part, f"ValueSet.compose.include[{n}]") for side, n, part in parts if side == "include"]
    excluded = [_part(part, f"ValueSet.compose.exclude[{n}]") for side, n, part in parts if side == "exclude"]
    found = either(included)
    if excluded:
        found = Without(found, either(excluded))
    return Active(found) if compose.get("inactive") is False else found


def _part(part: Json, place: str) -> Set:
    """An include or exclude: what is in its system and in every one of its value sets."""
    found: list[Set] = [Named(str(canonical)) for canonical in part.get("valueSet", ())]
    if "system" in part:
        found.insert(0, _of_system(part, place))
    elif "concept" in part or "filter" in part:
        raise invalid(f"{place} selects concepts and names no system", code="required", expression=(f"{place}.system",))
    if not found:
        raise invalid(f"{place} names neither a system nor a value set", code="required", expression=(place,))
    return both(found)


def _of_system(part: Json, place: str) -> Set:
    system, version = str(part["system"]), part.get("version")
    if "concept" in part:
        if "filter" in part:
            raise invalid(f"{place} has concepts and filters", expression=(place,))
        return Codes(system, version, _once(_listed(concept) for concept in part["concept"]))
    filters = part.get("filter", ())
    if len(filters) > FILTERS:
        raise _costly(f"an include has at most {FILTERS} filters", place)
    return Selected(system, version, tuple(_filter(one, f"{place}.filter[{n}]") for n, one in enumerate(filters)))


def _filter(found: Json, place: str) -> Filter:
    try:
        operator = Operator(str(found.get("op")))
    except ValueError as error:
        raise invalid(
            f"{place}: '{found.get('op')}' is no filter operator", code="value", expression=(place,)
        ) from error
    value = str(found.get("value", ""))
    if operator is Operator.REGEX:
        check_pattern(value, place)
    if operator is Operator.EXISTS and value not in ("true", "false"):
        raise invalid(f"{place}: exists takes true or false", code="value", expression=(place,))
    return Filter(str(found.get("property", "")), operator, value)


def _listed(concept: Json) -> Listed:
    return Listed(str(concept["code"]), concept.get("display"), tuple(concept.get("designation", ())))


def _once(concepts: Iterable[Listed]) -> tuple[Listed, ...]:
    found: dict[str, Listed] = {}
    for concept in concepts:
        found.setdefault(concept.code, concept)
    return tuple(found.values())


def _expanded(expansion: Json) -> Set:
    """The members that an expansion lists; one that leaves some out says nothing of membership."""
    by_system: dict[tuple[str, str | None], list[Listed]] = {}
    open_ = [*reversed(expansion.get("contains", ()))]
    count = 0
    while open_:
        entry = open_.pop()
        open_ += reversed(entry.get("contains", ()))
        if "code" not in entry or "system" not in entry or entry.get("abstract"):
            continue
        count += 1
        if count > LISTED:
            raise _costly(f"an expansion lists at most {LISTED} concepts", "ValueSet.expansion")
        by_system.setdefault((entry["system"], entry.get("version")), []).append(_listed(entry))
    if expansion.get("offset") or expansion.get("total", count) > count:
        raise invalid(
            "the value set has no composition, and its expansion is not whole",
            code="incomplete",
            expression=("ValueSet.expansion",),
        )
    found: list[Set] = [Codes(system, version, _once(codes)) for (system, version), codes in by_system.items()]
    return either(found) if found else EMPTY


def _costly(message: str, place: str) -> HealixError:
    return invalid(message, code="too-costly", expression=(place,))
