"""Extensions: known ones are judged by their definition and by where they stand."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.model.profile.judge import Extent, judge
from tests.support.profiles import Json, library, profile
from tests.support.resources import observation, patient

KIND = "http://example.org/kind"


def extension(*contexts: tuple[str, str], url: str = KIND, modifies: bool = False, **more: Any) -> Json:
    """The definition of an extension with a code."""
    return profile(
        "Extension",
        {"id": "Extension", "isModifier": modifies},
        {"id": "Extension.extension", "max": "0"},
        {"id": "Extension.url", "fixedUri": url},
        {"id": "Extension.value[x]", "min": 1, "type": [{"code": "code"}]},
        url=url,
        kind="complex-type",
        context=[{"type": kind, "expression": text} for kind, text in contexts],
        **more,
    )


def found(resource: Json, *definitions: Json) -> list[tuple[str, str, str]]:
    """Severity, code and place of the issues that the extensions of a resource have."""
    issues = judge(resource, resource["resourceType"], Extent(claims=False, base=False), library(*definitions))
    return [(issue.severity, issue.code, place) for issue in issues for place in issue.expression]


GOOD = {"url": KIND, "valueCode": "a"}
ANYWHERE = extension(("element", "Element"))
NAME = patient(name=[{"family": "B", "_family": {"extension": [GOOD]}}])
PLACE = "Patient.name[0].family.extension[0]"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GOOD, []),
        ({"url": KIND, "valueString": "a"}, [("error", "structure", "Patient.extension[0].value")]),
        (
            {"url": KIND, "extension": [GOOD]},
            [
                ("error", "required", "Patient.extension[0].value"),
                ("error", "structure", "Patient.extension[0].extension[0]"),
            ],
        ),
        (GOOD | {"url": "urn:unknown"}, [("information", "not-supported", "Patient.extension[0]")]),
        (GOOD | {"url": "kind"}, [("error", "extension", "Patient.extension[0]")]),
    ],
)
@pytest.mark.spec("FHIR R4 extensibility.html#extension")
def test_content(content: Json, expected: list[tuple[str, str, str]]) -> None:
    """The definition rules the content; an unknown extension is said not to be checked."""
    assert sorted(found(patient(extension=[content]), ANYWHERE)) == sorted(expected)


@pytest.mark.parametrize(
    ("contexts", "resource", "place"),
    [
        ([("element", "Patient")], patient(extension=[GOOD]), ""),
        ([("element", "Resource")], patient(extension=[GOOD]), ""),
        ([("element", "Observation")], patient(extension=[GOOD]), "Patient.extension[0]"),
        ([("element", "Observation"), ("element", "Patient")], patient(extension=[GOOD]), ""),
        ([("element", "Patient.name.family")], NAME, ""),
        ([("element", "HumanName.family")], NAME, ""),
        ([("element", "string")], NAME, ""),
        ([("element", "Element")], NAME, ""),
        ([("element", "HumanName")], NAME, PLACE),
        ([("element", "Observation.value[x]")], observation(valueQuantity={"extension": [GOOD]}), ""),
        ([("element", "Quantity")], observation(valueQuantity={"extension": [GOOD]}), ""),
        ([("fhirpath", "Patient.name.family")], NAME, ""),
        ([("fhirpath", "Patient.name.given")], NAME, PLACE),
        ([("fhirpath", "Patient.active")], NAME, ""),
        ([("extension", "http://example.org/other")], patient(extension=[GOOD]), "Patient.extension[0]"),
        (
            [("element", "Practitioner")],
            patient(contained=[{"resourceType": "Practitioner", "id": "p", "extension": [GOOD]}],
                    generalPractitioner=[{"reference": "#p"}]),
            "",
        ),
    ],
)  # fmt: skip
@pytest.mark.spec("FHIR R4 defining-extensions.html#context")
def test_context(contexts: list[tuple[str, str]], resource: Json, place: str) -> None:
    """An extension stands only where its definition lets it."""
    assert found(resource, extension(*contexts)) == ([("error", "extension", place)] if place else [])


def test_extensions_within_extensions() -> None:
    """A context may be the extension around; parts with relative urls belong to their definition."""
    inner = extension(("extension", "http://example.org/outer"))
    outer = profile("Extension", {"id": "Extension.url", "fixedUri": "http://example.org/outer"},
                    {"id": "Extension.extension:part", "min": 1, "max": "1"},
                    {"id": "Extension.extension:part.url", "fixedUri": "part"},
                    url="http://example.org/outer", kind="complex-type")  # fmt: skip
    part = {"url": "part", "valueString": "x"}
    good = patient(extension=[{"url": "http://example.org/outer", "extension": [part, GOOD]}])
    assert found(good, outer, inner) == []
    bad = patient(extension=[{"url": "http://example.org/outer", "extension": [GOOD]}])
    assert found(bad, outer, inner) == [("error", "required", "Patient.extension[0].extension")]


@pytest.mark.spec("FHIR R4 extensibility.html#modifierExtension")
def test_modifiers() -> None:
    """What modifies stands in modifierExtension, and only that; an unknown one there is a warning."""
    modifier = extension(("element", "Element"), modifies=True)
    assert found(patient(modifierExtension=[GOOD]), modifier) == []
    assert found(patient(extension=[GOOD]), modifier) == [("error", "extension", "Patient.extension[0]")]
    assert found(patient(modifierExtension=[GOOD]), ANYWHERE) == [
        ("error", "extension", "Patient.modifierExtension[0]")
    ]
    assert found(patient(modifierExtension=[GOOD])) == [("warning", "not-supported", "Patient.modifierExtension[0]")]


def test_context_invariants() -> None:
    """The element that carries the extension must meet them."""
    rule = extension(("element", "Patient"), contextInvariant=["gender = 'female' and %extension.value = 'a'"])
    assert found(patient(extension=[GOOD]), rule) == []
    assert found(patient(extension=[GOOD], gender="male"), rule) == [("error", "invariant", "Patient.extension[0]")]
    broken = extension(("element", "Patient"), contextInvariant=["gender ++"])
    assert found(patient(extension=[GOOD]), broken) == [("information", "not-supported", "Patient.extension[0]")]


def test_the_extensions_of_r4_are_known() -> None:
    """Those of the specification need no package."""
    url = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
    assert found(patient(extension=[{"url": url, "valueAddress": {"city": "London"}}])) == []
    assert found(patient(extension=[{"url": url, "valueString": "London"}])) == [
        ("error", "structure", "Patient.extension[0].value")
    ]
    assert found(observation(extension=[{"url": url, "valueAddress": {"city": "London"}}])) == [
        ("error", "extension", "Observation.extension[0]")
    ]
