"""Element tables and required code lists from StructureDefinitions, for healix_fhir/model/distill.

A table is `[base, [element, ...]]` for each resource type, data type and backbone element (named by its path, as in
`Patient.contact`); an element is `[name, min, max, types, targets, flags, binding]` without its empty tail. `max` 0
means unbounded; `types` are joined by `|`, `*` for every data type; a backbone element and a contentReference are
typed by their path. Elements that come from the base are left to the base.

Spec: FHIR R4, hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from healix_fhir.model.elements import MODIFIER, SUMMARY

CORE = "http://hl7.org/fhir/StructureDefinition/"
ALL_DATA_TYPES = 50  # Extension.value[x] and its like list every data type
RESTRICTED = ("SimpleQuantity", "MoneyQuantity")  # profiles on Quantity that the base specification uses like types
# element ids are typed by the internal string of FHIRPath in the definitions; resource ids are FHIR ids
INTERNAL = {"Resource.id": "id", "Extension.url": "uri"}

Json = dict[str, Any]


def structures(definitions: Iterable[Json], terminology: Iterable[Json]) -> tuple[Json, Json]:
    """The element tables, and the code lists of the required bindings they name."""
    tables: Json = {}
    bound: set[str] = set()
    for definition in definitions:
        if definition["kind"] in ("complex-type", "resource"):
            for path, table in _tables(definition).items():
                tables[path] = table
                bound.update(element[6] for element in table[1] if len(element) > 6)
    return dict(sorted(tables.items())), _code_lists(sorted(bound), terminology)


def _tables(definition: Json) -> Json:
    name = definition["name"] if definition["name"] in RESTRICTED else definition["type"]
    elements = definition["snapshot"]["element"]
    if name in RESTRICTED:
        return {name: ["Quantity", [_element(e) for e in elements if e["max"] == "0"]]}
    base = definition.get("baseDefinition", "").removeprefix(CORE)
    tables: Json = {name: [base, []]}
    parents = {element["path"].rpartition(".")[0] for element in elements}
    for element in elements[1:]:
        path = element["path"]
        if path in parents:
            tables[path] = [element["type"][0]["code"], []]
        if element["base"]["path"] == path:
            tables[path.rpartition(".")[0]][1].append(_element(element, nested=path in parents))
    return tables


def _element(element: Json, *, nested: bool = False) -> list[Any]:
    path: str = element["path"]
    types = element.get("type", [])
    targets = {url.removeprefix(CORE) for t in types for url in t.get("targetProfile", ())} - {"Resource"}
    if nested:
        names = path
    elif "contentReference" in element:
        names = element["contentReference"].removeprefix("#")
    else:
        names = "*" if len(types) >= ALL_DATA_TYPES else "|".join(_type(path, t) for t in types)
    binding = element.get("binding", {})
    row = [
        path.rpartition(".")[2],
        element["min"],
        {"*": 0, "1": 1, "0": -1}[element["max"]],
        names,
        "|".join(sorted(targets)),
        SUMMARY * bool(element.get("isSummary")) + MODIFIER * bool(element.get("isModifier")),
        binding["valueSet"].partition("|")[0] if binding.get("strength") == "required" else "",
    ]
    while not row[-1]:
        row.pop()
    return row


def _type(path: str, entry: Json) -> str:
    code: str = entry["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        return INTERNAL.get(path, "string")
    for profile in entry.get("profile", ()):
        if profile.removeprefix(CORE) in RESTRICTED:
            return str(profile.removeprefix(CORE))
    return code


def _code_lists(urls: Sequence[str], terminology: Iterable[Json]) -> Json:
    """For each value set that can be listed: `{system: [code, ...]}`.

    Value sets over systems that are not enumerated here (MIME types, currencies, UCUM) are left out.
    """
    known = {resource["url"]: resource for resource in terminology if "url" in resource}
    lists: Json = {}
    for url in urls:
        includes = known.get(url, {}).get("compose", {}).get("include", [])
        listed = [(include["system"], _codes(include, known)) for include in includes]
        if listed and all(codes for _, codes in listed):
            lists[url] = {}
            for system, codes in listed:
                lists[url].setdefault(system, []).extend(codes)
    return lists


def _codes(include: Json, known: Json) -> list[str]:
    if "concept" in include:
        return [concept["code"] for concept in include["concept"]]
    return list(_flatten(known.get(include["system"], {}).get("concept", [])))


def _flatten(concepts: Iterable[Json]) -> Iterable[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _flatten(concept.get("concept", []))
