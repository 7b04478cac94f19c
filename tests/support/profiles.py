"""Definitions for tests: small ones of our own, and those of the US Core packages where they are at hand."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from functools import cache
from typing import Any

from healix_fhir.model.profile.definition import Definition, Package
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library
from tests.support.resources import shared_data

Json = dict[str, Any]
EXAMPLE = "http://example.org/StructureDefinition"
URL = f"{EXAMPLE}/profile"
Found = list[tuple[str, str, str]]
COLOURS = "http://example.org/colours"
SHADES: Json = {
    "resourceType": "CodeSystem",
    "url": COLOURS,
    "content": "complete",
    "concept": [{"code": "red", "concept": [{"code": "crimson"}, {"code": "scarlet"}]}, {"code": "blue"}],
}


def profile(type_name: str, *elements: Json, name: str = "profile", **more: Any) -> Json:
    """A profile on `type_name` whose differential is `elements`; an element's path is made from its id."""
    return {
        "resourceType": "StructureDefinition",
        "url": f"{EXAMPLE}/{name}",
        "name": name,
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": type_name,
        "baseDefinition": f"http://hl7.org/fhir/StructureDefinition/{type_name}",
        "derivation": "constraint",
        "differential": {"element": [_with_path(element) for element in elements]},
        **more,
    }


def _with_path(element: Json) -> Json:
    path = ".".join(step.partition(":")[0] for step in element["id"].split("."))
    name = element["id"].rpartition(".")[2].partition(":")[2]
    return {"path": path, **({"sliceName": name} if name else {}), **element}


NAMED = profile("Practitioner", {"id": "Practitioner.name", "min": 1}, name="named")
"""Practitioners that have a name."""


def library(*bodies: Json) -> Library:
    """A library that holds R4's own definitions and these."""
    made = Library(closed=True)
    made.put({body["url"]: [Definition(body["url"], body.get("version", ""), body)] for body in bodies})
    return made


def found(resource: Json, *definitions: Json) -> Found:
    """Severity, code and place of the issues by the first definition alone."""
    extent = Extent((definitions[0]["url"],), claims=False, base=False, extensions=False)
    issues = judge(resource, resource["resourceType"], extent, library(*definitions))
    return [(issue.severity, issue.code, place) for issue in issues for place in issue.expression]


def errors(*issues: tuple[str, str]) -> Found:
    """Issues of severity error."""
    return [("error", code, place) for code, place in issues]


def value_set(name: str, *includes: Json, **more: Any) -> Json:
    """A ValueSet with this url, composed of `includes`."""
    return {"resourceType": "ValueSet", "url": f"{EXAMPLE}/{name}", "compose": {"include": list(includes)}, **more}


def coding(code: str, system: str = COLOURS) -> Json:
    """A Coding."""
    return {"system": system, "code": code}


def concept(*codes: str, system: str = COLOURS) -> Json:
    """A CodeableConcept."""
    return {"coding": [coding(code, system) for code in codes]}


RED = value_set("red", {"system": COLOURS, "filter": [{"property": "concept", "op": "is-a", "value": "red"}]})
LISTED = value_set("listed", {"system": COLOURS, "concept": [{"code": "blue"}]})
FOREIGN = value_set("foreign", {"system": "http://snomed.info/sct", "filter": [
    {"property": "concept", "op": "is-a", "value": "1"}]})  # fmt: skip
BOTH = value_set("both", {"valueSet": [f"{EXAMPLE}/red"]}, {"valueSet": [f"{EXAMPLE}/listed"]})
BUT = value_set("but", {"system": COLOURS}, compose={
    "include": [{"system": COLOURS}], "exclude": [{"valueSet": [f"{EXAMPLE}/red"]}]})  # fmt: skip
EXPANDED = value_set("expanded", {"system": "http://snomed.info/sct"}, expansion={
    "contains": [{"system": "http://snomed.info/sct", "code": "1"}]})  # fmt: skip
PARTIAL = value_set("partial", {"system": "http://snomed.info/sct"}, expansion={
    "total": 9, "contains": [{"system": "http://snomed.info/sct", "code": "1"}]})  # fmt: skip
SETS = (SHADES, RED, LISTED, FOREIGN, BOTH, BUT, EXPANDED, PARTIAL)


def package_files(archive: str) -> Iterator[tuple[str, Json]]:
    """The names and contents of the JSON files of a US Core package; skips where it is absent."""
    with tarfile.open(shared_data(f"fhir/us-core/{archive}")) as package:
        for member in package:
            if member.isfile() and member.name.endswith(".json"):
                content = package.extractfile(member)
                assert content is not None
                yield member.name, json.loads(content.read())


@cache
def package_definitions(archive: str) -> tuple[Definition, ...]:
    """The definitions of a US Core package."""
    bodies = dict(package_files(archive))
    about = bodies["package/package.json"]
    origin = Package(about["name"], about["version"], tuple(about["dependencies"].items()))
    return tuple(
        Definition(body["url"], body.get("version", ""), body, origin)
        for name, body in bodies.items()
        if name.count("/") == 1 and body.get("resourceType") in ("StructureDefinition", "ValueSet", "CodeSystem")
    )


def package_library(*archives: str) -> Library:
    """A library that holds R4's own definitions and those of US Core packages."""
    found: dict[str, list[Definition]] = {}
    for archive in archives:
        for definition in package_definitions(archive):
            found.setdefault(definition.url, []).append(definition)
    made = Library(closed=True)
    made.put(found)
    return made
