"""StructureDefinitions and terminology resources without their prose, for healix_fhir/model/distill.

Of a StructureDefinition the differential is kept, from which healix_fhir/model/profile/snapshot makes the snapshot; of
CodeSystems, ValueSets and ConceptMaps what terminology services read: codes with displays, definitions and properties.

Where a profile of R4 writes a choice by one of its types (`valueQuantity`), its published snapshot closes the choice to
that type, which the differential does not say; it is added there.

Spec: FHIR R4, hl7.org/fhir/R4/structuredefinition.html, hl7.org/fhir/R4/valueset.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from healix_fhir.model.profile.compact import STRUCTURE, element
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

TERMINOLOGY = frozenset(
    {
        "resourceType", "url", "version", "name", "title", "status", "date", "copyright", "contained",
        "caseSensitive", "valueSet", "hierarchyMeaning", "compositional", "versionNeeded", "content", "supplements",
        "count", "filter", "property", "concept",
        "immutable", "compose", "expansion",
        "sourceUri", "sourceCanonical", "targetUri", "targetCanonical", "group",
    }
)  # fmt: skip
"""What of terminology resources is kept: how they are found, and what they say of codes."""


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
    """The CodeSystems, ValueSets and ConceptMaps by url, by `url|version` where a url has several versions."""
    found: Json = {
        definition["url"]: _named({name: _plain(value) for name, value in definition.items() if name in TERMINOLOGY})
        for definition in definitions
        if definition["resourceType"] in ("CodeSystem", "ValueSet", "ConceptMap") and "url" in definition
    }
    return dict(sorted(found.items()))


def _named(definition: Json) -> Json:
    """The version of some tables of HL7 v2 stands in their url, and nowhere else."""
    url, _, version = definition["url"].partition("|")
    return definition | ({"url": url, "version": version} if version else {})


def _plain(value: Any) -> Any:
    """A value without extensions, inside and beside primitives."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k != "extension" and not k.startswith("_")}
    return [_plain(one) for one in value] if isinstance(value, list) else value


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
