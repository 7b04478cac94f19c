"""Definitions without what validation does not read: prose, displays, narratives. A tenth of the memory.

Spec: FHIR R4, hl7.org/fhir/R4/structuredefinition.html, hl7.org/fhir/R4/valueset.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

ABOUT = ("resourceType", "id", "url", "version", "status")
STRUCTURE = (
    "name", "kind", "abstract", "type", "baseDefinition", "derivation", "context", "contextInvariant",
)  # fmt: skip
PROSE = frozenset(
    {
        "short", "definition", "comment", "requirements", "alias", "mapping", "example", "isModifierReason",
        "meaningWhenMissing", "orderMeaning", "label", "code", "condition", "extension", "representation",
    }
)  # fmt: skip
CONSTRAINT = ("key", "severity", "human", "expression")
BINDING = ("strength", "valueSet")
MAXIMUM = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
INCLUDE = ("system", "version", "filter", "valueSet")
EXPANSION = ("total", "offset", "extension")


def compact(body: Json) -> Json:
    """A StructureDefinition, ValueSet or CodeSystem as validation needs it."""
    kept = {name: body[name] for name in ABOUT if name in body}
    contained = [compact(item) for item in body.get("contained", ()) if isinstance(item, dict)]
    if contained:
        kept["contained"] = contained
    kind = body.get("resourceType")
    if kind == "StructureDefinition":
        return kept | _structure(body)
    if kind == "ValueSet":
        return kept | value_set(body)
    return kept | _code_system(body)


def _structure(body: Json) -> Json:
    kept: Json = {name: body[name] for name in STRUCTURE if name in body}
    view = "snapshot" if body.get("snapshot", {}).get("element") else "differential"
    kept[view] = {"element": [element(one) for one in body.get(view, {}).get("element", ())]}
    return kept


def element(full: Json) -> Json:
    """An ElementDefinition without prose."""
    kept = {name: value for name, value in full.items() if name not in PROSE}
    if "constraint" in kept:
        kept["constraint"] = [{k: c[k] for k in CONSTRAINT if k in c} for c in kept["constraint"]]
    if "type" in kept:
        kept["type"] = [{k: v for k, v in entry.items() if k != "extension"} for entry in kept["type"]]
    if "binding" in kept:
        kept["binding"] = _binding(kept["binding"])
    if kept.get("slicing"):
        kept["slicing"] = {k: v for k, v in kept["slicing"].items() if k != "description"}
    return kept


def _binding(binding: Json) -> Json:
    kept = {name: binding[name] for name in BINDING if name in binding}
    maximum = [extension for extension in binding.get("extension", ()) if extension.get("url") == MAXIMUM]
    return kept | ({"extension": maximum} if maximum else {})


def value_set(body: Json) -> Json:
    """Composition and expansion of a ValueSet."""
    kept: Json = {}
    compose, expansion = body.get("compose"), body.get("expansion")
    if compose:
        kept["compose"] = {
            part: [_include(include) for include in compose[part]] for part in ("include", "exclude") if part in compose
        }
    if expansion:
        kept["expansion"] = {name: expansion[name] for name in EXPANSION if name in expansion}
        kept["expansion"]["contains"] = list(_contained(expansion.get("contains", ())))
    return kept


def _include(include: Json) -> Json:
    kept = {name: include[name] for name in INCLUDE if name in include}
    if "concept" in include:
        kept["concept"] = [concept["code"] for concept in include["concept"]]
    return kept


def _contained(entries: Iterable[Json]) -> Iterable[Json]:
    for entry in entries:
        kept = {name: entry[name] for name in ("system", "code", "abstract") if name in entry}
        inner = list(_contained(entry.get("contains", ())))
        yield kept | ({"contains": inner} if inner else {})


def _code_system(body: Json) -> Json:
    kept = {name: body[name] for name in ("content", "caseSensitive", "supplements") if name in body}
    return kept | {"concept": list(_concepts(body.get("concept", ())))}


def _concepts(concepts: Iterable[Json]) -> Iterable[Json]:
    for concept in concepts:
        kept = {name: concept[name] for name in ("code", "property") if name in concept}
        inner = list(_concepts(concept.get("concept", ())))
        yield kept | ({"concept": inner} if inner else {})
