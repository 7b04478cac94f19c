"""Contents of CodeSystem resources."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.terminology.content import Designation, Entry, Property
from healix_fhir.terminology.resource import contents

Json = dict[str, Any]


def entries(*concepts: Json, **elements: Any) -> dict[str, Entry]:
    """The entries of a code system with these concepts, by code."""
    body = {"resourceType": "CodeSystem", "url": "urn:x", "status": "active", "content": "complete"}
    return {entry.code: entry for entry in contents({**body, **elements, "concept": list(concepts)}).entries}


@pytest.mark.spec("FHIR R4 codesystem.html#hierarchy")
@pytest.mark.parametrize(
    "concepts",
    [
        [{"code": "a", "concept": [{"code": "b"}]}],
        [{"code": "b", "property": [{"code": "parent", "valueCode": "a"}]}, {"code": "a"}],
        [{"code": "b", "property": [{"code": "subsumedBy", "valueCode": "a"}]}, {"code": "a"}],
        [{"code": "b"}, {"code": "a", "property": [{"code": "child", "valueCode": "b"}]}],
    ],
)
def test_a_place_in_the_hierarchy(concepts: list[Json]) -> None:
    """Nested concepts and the properties parent, child and subsumedBy tell the same, and are no further properties."""
    found = entries(*concepts)
    assert found["b"].parents == ("a",)
    assert (found["a"].parents, found["a"].properties, found["b"].properties) == ((), (), ())


def test_a_code_that_is_listed_twice_is_one_concept() -> None:
    """A concept below two others has both as parents."""
    found = entries(
        {"code": "a", "concept": [{"code": "c", "display": "C"}]}, {"code": "b", "concept": [{"code": "c"}]}
    )
    assert list(found) == ["a", "c", "b"]
    assert (found["c"].parents, found["c"].display) == (("a", "b"), "C")


def test_codes_without_case() -> None:
    """Where case does not matter, codes that differ in case are one."""
    found = entries(
        {"code": "A"}, {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]}, caseSensitive=False
    )
    assert found["b"].parents == ("A",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueCode": "x"}, Property("p", "code", "x")),
        ({"valueString": "x"}, Property("p", "string", "x")),
        ({"valueBoolean": True}, Property("p", "boolean", "true")),
        ({"valueInteger": 3}, Property("p", "integer", "3")),
        ({"valueDateTime": "2020"}, Property("p", "dateTime", "2020")),
        ({"valueCoding": {"system": "s", "code": "c", "display": "D"}}, Property("p", "Coding", "c", "s", "D")),
    ],
)
def test_properties_of_every_type(value: Json, expected: Property) -> None:
    """A property keeps its type, and its value as text."""
    assert entries({"code": "a", "property": [{"code": "p", **value}]})["a"].properties == (expected,)


@pytest.mark.spec("FHIR R4 codesystem.html#defined-props")
@pytest.mark.parametrize(
    ("properties", "inactive", "abstract"),
    [
        ([], False, False),
        ([{"code": "inactive", "valueBoolean": True}], True, False),
        ([{"code": "inactive", "valueBoolean": False}], False, False),
        ([{"code": "status", "valueCode": "retired"}], True, False),
        ([{"code": "status", "valueCode": "deprecated"}], False, False),
        ([{"code": "notSelectable", "valueBoolean": True}], False, True),
        ([{"code": "off", "valueBoolean": True}], True, False),
    ],
)
def test_what_is_inactive_or_abstract(properties: list[Json], inactive: bool, abstract: bool) -> None:
    """FHIR's own properties say so, by their code or by the uri that the code system gives to one of its own."""
    declared = [{"code": "off", "uri": "http://hl7.org/fhir/concept-properties#inactive", "type": "boolean"}]
    found = entries({"code": "a", "property": properties}, property=declared)["a"]
    assert (found.inactive, found.abstract) == (inactive, abstract)


def test_words_of_a_concept() -> None:
    """A concept is found by the words of its code, its display and its designations, without case and accents."""
    entry = Entry("I21.9", "Infarctus", designations=(Designation("Crise cardiaque aiguë"),))
    assert entry.words == "9 aigue cardiaque crise i21 infarctus"
