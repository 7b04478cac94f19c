"""Extraction is total: every element of every type filled in, and every real resource at hand."""

from __future__ import annotations

import tarfile
from functools import cache
from typing import Any

import pytest

from healix_fhir.model.definitions import TYPES, search_parameters
from healix_fhir.model.elements import PRIMITIVES, children, elements, is_structure
from healix_fhir.model.fhirpath.path import compile_path
from healix_fhir.model.json import decode
from healix_fhir.search.extract import extract
from healix_fhir.search.params.indexed import is_indexed
from tests.support.resources import shared_data, synthea_resources

DEPTH = 4
EXAMPLES: dict[str, Any] = {
    "boolean": True, "integer": 1, "positiveInt": 1, "unsignedInt": 1, "decimal": 1, "date": "2013-01",
    "time": "10:00:00", "dateTime": "2013-01-14T10:00:00Z", "instant": "2013-01-14T10:00:00Z", "code": "phone",
    "uri": "urn:x",
}  # fmt: skip
CONDITIONAL = ("where(", "[0]")
"""Marks of expressions whose criteria a resource filled with the same example everywhere does not meet."""


@cache
def filled(structure: str, depth: int = 0) -> dict[str, Any]:
    """A structure with every element, a choice in all of its types at once; not valid, but more than any valid one."""
    found: dict[str, Any] = {}
    for name, element in elements(structure).items():
        if element.max == 0:
            continue  # forbidden
        for child in children(structure, name):
            if child.type in PRIMITIVES:
                value = EXAMPLES.get(child.type, "x")
            elif depth < DEPTH and is_structure(child.structure) and child.structure != "Extension":
                value = filled(child.structure, depth + 1)
            else:
                continue
            found[child.key] = [value, value] if element.repeats else value
    return found


@pytest.mark.parametrize("type_name", TYPES)
def test_every_element_filled(type_name: str) -> None:
    """A resource of any type with every element has rows, and every unconditional parameter reaches a value."""
    resource = {**filled(type_name), "resourceType": type_name, "id": "x"}
    found = extract(resource, type_name, ())
    assert found.toks
    for parameter in search_parameters(type_name).values():
        if is_indexed(parameter) and not any(mark in parameter.expression for mark in CONDITIONAL):
            assert compile_path(parameter.expression, type_name)(resource), parameter.code


@pytest.mark.parametrize("type_name", TYPES)
def test_empty(type_name: str) -> None:
    """A resource of any type without an element is extracted too."""
    assert extract({"resourceType": type_name}, type_name, ()).patients == ()


def test_nulls_among_primitives() -> None:
    """A null in an array of primitives, which stands for one with only extensions, is passed over."""
    name = {"given": [None, "A"], "_given": [{"id": "1"}, None]}
    assert {row[2] for row in extract({"name": [name]}, "Patient", ()).strings} == {"A"}
    definition = {"library": [None, "urn:l"]}
    assert {row[2] for row in extract(definition, "ActivityDefinition", ()).references} == {"urn:l"}


def test_synthea() -> None:
    """Every resource of the Synthea bundles has index rows."""
    for resource in synthea_resources():
        assert extract(resource, resource["resourceType"], ()).toks


def test_us_core_examples() -> None:
    """Every example resource of US Core 6.1 is extracted."""
    with tarfile.open(shared_data("fhir/us-core/us_core_610.tgz")) as package:
        examples = [
            decode(file.read())
            for member in package
            if "/example/" in member.name and member.name.endswith(".json") and (file := package.extractfile(member))
        ]
    resources = [example for example in examples if example.get("resourceType") in TYPES]
    assert len(resources) > 100
    for resource in resources:
        extract(resource, resource["resourceType"], ())
