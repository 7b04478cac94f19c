"""StructureDefinitions, ValueSets and CodeSystems without their prose, for healix_fhir/model/distill.

Of a StructureDefinition the differential is kept, from which healix_fhir/model/profile/snapshot makes the snapshot; of
a CodeSystem the codes and their hierarchy; of a ValueSet the composition. A concept is its code, or
`[code, [child, ...]]`, children by property `child` among them; inside a value set it is its code.

Where a profile of R4 writes a choice by one of its types (`valueQuantity`), its published snapshot closes the choice to
that type, which the differential does not say; it is added there.

Spec: FHIR R4, hl7.org/fhir/R4/structuredefinition.html, hl7.org/fhir/R4/valueset.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from healix_fhir.model.profile.compact import STRUCTURE, element, value_set
from healix_fhir.model.profile.element_tree import ElementNode, flatten
from healix_fhir.model.profile.snapshot import generate

Json = dict[str, Any]

CODES = "http://hl7.org/fhir/ValueSet"
CORRECTIONS: Json = {
    "ResearchStudy.status": {"strength": "required", "valueSet": f"{CODES}/research-study-status|4.0.1"},
    "ResearchStudy.primaryPurposeType": {
        "strength": "extensible",
        "valueSet": f"{CODES}/research-study-prim-purp-type",
    },
    "ResearchStudy.studyDesign": None,
}
"""Bindings where our source has those of R5, and an element that R4 lacks.

Spec: FHIR R4, hl7.org/fhir/R4/researchstudy.html
"""

FHIR = "4.0.1"
SYSTEM = ("url", "content", "caseSensitive", "supplements")


def distilled(definitions: Iterable[Json]) -> Json:
    """The StructureDefinitions by url."""
    return {
        definition["url"]: {
            **{name: definition[name] for name in ("url", *STRUCTURE) if name in definition},
            "differential": {"element": [element(one) for one in _with_closed_choices(definition)]},
        }
        for definition in definitions
        if definition["resourceType"] == "StructureDefinition"
    }


def corrected(definition: Json) -> Json:
    """The StructureDefinition as R4 has it."""
    elements = [
        element | {"binding": CORRECTIONS[element["id"]]} if element["id"] in CORRECTIONS else element
        for element in definition["differential"]["element"]
        if CORRECTIONS.get(element["id"], True)
    ]
    return definition | {"differential": {"element": elements}}


def with_snapshots(definitions: Sequence[Json]) -> list[Json]:
    """The StructureDefinitions with snapshots made anew.

    Those that come with our source hold elements of later versions of FHIR and of the project that packed it.
    """
    by_url = {definition["url"]: definition for definition in definitions}

    @cache
    def tree(url: str) -> ElementNode:
        return generate(by_url[url], tree)

    return [definition | {"snapshot": {"element": flatten(tree(definition["url"]))}} for definition in definitions]


def terminology(definitions: Iterable[Json]) -> Json:
    """The ValueSets and CodeSystems by url."""
    found: Json = {}
    for definition in definitions:
        if definition["resourceType"] == "ValueSet" and "url" in definition:
            found[definition["url"]] = _value_set(definition)
        elif definition["resourceType"] == "CodeSystem" and "url" in definition:
            found[definition["url"]] = _code_system(definition)
    return dict(sorted(found.items()))


def _with_closed_choices(definition: Json) -> Iterable[Json]:
    written: list[Json] = definition["differential"]["element"]
    if definition.get("derivation") != "constraint":
        return written
    known = {element["id"] for element in written}
    closed = [
        {name: element[name] for name in ("id", "path", "slicing", "type")}
        for element in definition["snapshot"]["element"]
        if element["id"].endswith("[x]")
        and element.get("slicing", {}).get("rules") == "closed"
        and element["id"] not in known
    ]
    return [written[0], *closed, *written[1:]]


def _value_set(definition: Json) -> Json:
    return {"resourceType": "ValueSet", "url": definition["url"], **_version(definition), **value_set(definition)}


def _code_system(definition: Json) -> Json:
    kept = {
        "resourceType": "CodeSystem",
        **_version(definition),
        **{name: definition[name] for name in SYSTEM if name in definition},
    }
    if "concept" in definition:
        kept["concept"] = [_concept(concept) for concept in definition["concept"]]
    return kept


def _concept(concept: Json) -> Any:
    children = [_concept(child) for child in concept.get("concept", ())]
    children += [entry["valueCode"] for entry in concept.get("property", ()) if entry["code"] == "child"]
    return [concept["code"], children] if children else concept["code"]


def _version(definition: Json) -> Json:
    """The version where it is not that of FHIR."""
    version = definition.get("version", FHIR)
    return {} if version == FHIR else {"version": version}
