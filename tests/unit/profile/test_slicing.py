"""Slicing: which values are in which slice, how many, in which order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.profiles import EXAMPLE, NAMED, SETS, Found, Json, concept, errors, found, profile
from tests.support.resources import observation, patient


def slicing(*discriminators: tuple[str, str], rules: str = "open", **more: Any) -> Json:
    """ElementDefinition.slicing."""
    return {"discriminator": [{"type": t, "path": p} for t, p in discriminators], "rules": rules, **more}


A = {"id": "Observation.component:a", "min": 1, "max": "1"}
A_CODE = {"id": "Observation.component:a.code", "patternCodeableConcept": concept("red")}
B_CODE = {"id": "Observation.component:b.code", "patternCodeableConcept": concept("blue")}
A_VALUE = {"id": "Observation.component:a.value[x]", "min": 1}


def components(*codes: str, **more: Any) -> Json:
    """An observation with a component for each colour."""
    return observation(component=[{"code": concept(code), **more} for code in codes])


def sliced(given: Json, *elements: Json) -> Json:
    """A profile whose components are sliced."""
    return profile("Observation", {"id": "Observation.component", "slicing": given}, *elements)


@pytest.mark.parametrize(
    ("given", "codes", "expected"),
    [
        (slicing(("pattern", "code")), "red blue", []),
        (slicing(("value", "code")), "red blue", []),
        (slicing(("pattern", "code")), "blue", errors(("required", "Observation.component"))),
        (slicing(("pattern", "code")), "red red", errors(("structure", "Observation.component[1]"))),
        (slicing(("pattern", "code")), "red green", []),
        (slicing(("pattern", "code"), rules="closed"), "red green", errors(("structure", "Observation.component[1]"))),
        (slicing(("pattern", "code"), rules="openAtEnd"), "red blue green", []),
        (
            slicing(("pattern", "code"), rules="openAtEnd"),
            "red green blue",
            errors(("structure", "Observation.component[2]")),
        ),
        (slicing(("pattern", "code"), ordered=True), "red blue", []),
        (slicing(("pattern", "code"), ordered=True), "blue red", errors(("structure", "Observation.component[1]"))),
        (slicing(("pattern", "code"), ordered=False), "blue red", []),
    ],
)
@pytest.mark.spec("FHIR R4 profiling.html#slicing")
def test_slicing(given: Json, codes: str, expected: Found) -> None:
    """How many values a slice has, which may be in none, and in which order they stand."""
    definition = sliced(given, A, A_CODE, {"id": "Observation.component:b"}, B_CODE)
    assert found(components(*codes.split()), definition) == expected


def test_the_rules_of_a_slice() -> None:
    """They hold for the values of the slice, not for others."""
    definition = sliced(slicing(("pattern", "code")), A, A_CODE, A_VALUE)
    assert found(components("blue", "red"), definition) == errors(("required", "Observation.component[1].value"))


def _identifiers(*elements: Json, given: Json) -> Json:
    return profile("Patient", {"id": "Patient.identifier", "slicing": given}, *elements)


def test_exists_discriminator() -> None:
    """A slice for the values that have an element, and one for those that do not."""
    definition = _identifiers(
        {"id": "Patient.identifier:with"},
        {"id": "Patient.identifier:with.period", "min": 1},
        {"id": "Patient.identifier:with.use", "fixedCode": "old"},
        {"id": "Patient.identifier:without"},
        {"id": "Patient.identifier:without.period", "max": "0"},
        {"id": "Patient.identifier:without.use", "fixedCode": "usual"},
        given=slicing(("exists", "period")),
    )
    dated = {"value": "1", "use": "usual", "period": {"start": "2020"}}
    undated = {"value": "1", "use": "old"}
    assert found(patient(identifier=[dated, undated]), definition) == errors(
        ("value", "Patient.identifier[0].use"), ("value", "Patient.identifier[1].use")
    )


def test_a_value_discriminator_looks_below() -> None:
    """What the definition says below the path tells slices apart; what need not be there may be absent."""
    definition = sliced(
        slicing(("value", "code")),
        {"id": "Observation.component:a", "max": "0"},
        {"id": "Observation.component:a.code.text", "min": 1, "fixedString": "a"},
        {"id": "Observation.component:a.code.coding.system", "fixedUri": "urn:a"},
    )
    inside = [{"text": "a"}, {"text": "a", "coding": [{"system": "urn:a"}]}]
    outside = [{"text": "b"}, {"coding": [{"system": "urn:a"}]}, {"text": "a", "coding": [{"system": "urn:b"}]}]
    for code in inside + outside:
        given = observation(component=[{"code": code}])
        expected = errors(("structure", "Observation.component[0]")) if code in inside else []
        assert found(given, definition) == expected


def test_type_discriminator() -> None:
    """A type slice is for the values of its type; the rules of others do not touch them."""
    definition = profile("Observation", {"id": "Observation.valueQuantity.unit", "fixedString": "bpm"})
    assert found(observation(), definition) == errors(("value", "Observation.value.unit"))
    assert found({**observation(), "valueString": "x"} | {"valueQuantity": None}, definition)[0][1] == "structure"
    other = observation(valueString="x")
    del other["valueQuantity"]
    assert found(other, definition) == []


def test_type_discriminator_on_what_is_referred_to() -> None:
    """`resolve()` tells slices apart by the type of the target."""
    core = "http://hl7.org/fhir/StructureDefinition"
    definition = profile(
        "Observation",
        {"id": "Observation.performer", "slicing": slicing(("type", "resolve()"))},
        {"id": "Observation.performer:person", "max": "1",
         "type": [{"code": "Reference", "targetProfile": [f"{core}/Practitioner"]}]},
        {"id": "Observation.performer:person.display", "min": 1},
    )  # fmt: skip
    performers = [{"reference": "Organization/1"}, {"reference": "Practitioner/1"}, {"reference": "Practitioner/2"}]
    assert found(observation(performer=performers), definition) == errors(
        ("structure", "Observation.performer[2]"),
        ("required", "Observation.performer[1].display"),
        ("required", "Observation.performer[2].display"),
    )


def test_profile_discriminator() -> None:
    """`resolve()` tells slices apart by the profile of a contained target; elsewhere it cannot be told."""
    definition = profile(
        "Observation",
        {"id": "Observation.performer", "slicing": slicing(("profile", "resolve()"))},
        {"id": "Observation.performer:named",
         "type": [{"code": "Reference", "targetProfile": [f"{EXAMPLE}/named"]}]},
        {"id": "Observation.performer:named.display", "min": 1},
    )  # fmt: skip
    named = {"resourceType": "Practitioner", "id": "n", "name": [{"family": "N"}]}
    nameless = {"resourceType": "Practitioner", "id": "o"}
    performers = [{"reference": "#o"}, {"reference": "#n"}, {"reference": "Practitioner/9"}]
    assert found(observation(contained=[named, nameless], performer=performers), definition, NAMED) == [
        ("error", "required", "Observation.performer[1].display"),
        ("information", "not-supported", "Observation.performer[2]"),
    ]


def test_extension_discriminator() -> None:
    """`extension(...)` steps to the value of an extension."""
    url = "http://example.org/kind"
    definition = _identifiers(
        {"id": "Patient.identifier:a", "min": 1},
        {"id": "Patient.identifier:a.extension:kind", "min": 1,
         "type": [{"code": "Extension", "profile": [url]}]},
        {"id": "Patient.identifier:a.extension:kind.valueCode", "type": [{"code": "code"}], "fixedCode": "a"},
        {"id": "Patient.identifier:a.system", "min": 1},
        given=slicing(("value", f"extension('{url}').value")),
    )  # fmt: skip
    kind = profile("Extension", {"id": "Extension.url", "fixedUri": url}, url=url)
    marked = [{"value": "1", "extension": [{"url": url, "valueCode": code}]} for code in "ab"]
    assert found(patient(identifier=marked), definition, kind) == errors(("required", "Patient.identifier[0].system"))
    assert found(patient(), definition, kind) == errors(("required", "Patient.identifier"))


def test_default_slice() -> None:
    """The rules of @default are for what is in no other slice."""
    definition = sliced(
        slicing(("pattern", "code")), A, A_CODE, {"id": "Observation.component:@default", "max": "1"},
        {"id": "Observation.component:@default.value[x]", "min": 1},
    )  # fmt: skip
    assert found(components("red", "green", "pink"), definition) == errors(
        ("structure", "Observation.component[2]"),
        ("required", "Observation.component[1].value"),
        ("required", "Observation.component[2].value"),
    )


def test_slices_of_slices() -> None:
    """A re-slice divides the values of its slice."""
    by_use = slicing(("value", "use"), rules="closed")
    definition = _identifiers(
        {"id": "Patient.identifier:a", "slicing": by_use},
        {"id": "Patient.identifier:a.system", "min": 1, "fixedUri": "urn:a"},
        {"id": "Patient.identifier:a/old", "max": "1"},
        {"id": "Patient.identifier:a/old.use", "min": 1, "fixedCode": "old"},
        given=slicing(("value", "system")),
    )
    given = [{"system": "urn:a", "use": use} for use in ("old", "old", "usual")] + [{"system": "urn:b", "use": "usual"}]
    assert found(patient(identifier=given), definition) == errors(
        ("structure", "Patient.identifier[1]"), ("structure", "Patient.identifier[2]")
    )


def test_slices_by_a_required_binding() -> None:
    """The members of a value set may tell a slice apart."""
    definition = profile(
        "Observation",
        {"id": "Observation.category", "slicing": slicing(("value", "$this"))},
        {"id": "Observation.category:red", "max": "1",
         "binding": {"strength": "required", "valueSet": f"{EXAMPLE}/red"}},
    )  # fmt: skip
    given = [concept("scarlet"), concept("blue"), concept("crimson")]
    assert found(observation(category=given), definition, *SETS) == errors(("structure", "Observation.category[2]"))


@pytest.mark.parametrize("path", ["name[0]", "name.where(true)", "a b"])
def test_a_discriminator_that_cannot_be(path: str) -> None:
    """The profile cannot be used, and the issue names it."""
    definition = _identifiers({"id": "Patient.identifier:a"}, given=slicing(("value", path)))
    assert found(patient(), definition) == errors(("processing", "Patient"))
