"""Composite parameters: all parts match in the same element."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from tests.support.resources import UCUM, observation
from tests.support.search import Clinic

LOINC = "http://loinc.org"
pytestmark = pytest.mark.spec("FHIR R4 search.html#composite")


def _code(code: str, system: str | None = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} if system else {"code": code}]}


def _mmhg(value: int) -> dict[str, Any]:
    return {"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}


def _pressure(id_: str, systolic: int, diastolic: int) -> dict[str, Any]:
    return observation(
        "Patient/p",
        id=id_,
        code=_code("85354-9"),
        valueQuantity=None,
        component=[
            {"code": _code("8480-6"), "valueQuantity": _mmhg(systolic)},
            {"code": _code("8462-4"), "valueQuantity": _mmhg(diastolic)},
        ],
    )


def _put(clinic: Clinic, *resources: dict[str, Any]) -> None:
    clinic.put(*({key: value for key, value in resource.items() if value is not None} for resource in resources))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("component-code-value-quantity=8480-6$gt130", "high"),
        ("component-code-value-quantity=8480-6$80", ""),  # the value is of the other component
        ("component-code-value-quantity=8462-4$80", "high low"),
        (f"component-code-value-quantity={LOINC}|8480-6$lt20|{UCUM}|kPa", "high low"),
        (f"component-code-value-quantity={LOINC}|8480-6$lt16|{UCUM}|kPa", "low"),
        ("component-code-value-quantity=urn:x|8480-6$gt130", ""),
        ("component-code-value-quantity=|8480-6$gt130", ""),
        ("component-code-value-quantity=8480-6$gt130||mmHg,8480-6$lt130||mmHg", "high low"),
        ("combo-code-value-quantity=8480-6$gt130,weight$70", "high weight"),
        ("code-value-quantity=weight$70", "weight"),
        ("code-value-quantity=|weight$ge70", "weight"),
        (f"code-value-quantity={LOINC}|weight$70", ""),
        (f"code-value-quantity=weight$70000|{UCUM}|g", "weight"),
        ("code-value-concept=color$red", "color"),
        ("code-value-concept=color$green", ""),
        ("component-code-value-concept=left$green", "color"),
        ("component-code-value-concept=left$blue", ""),
        ("component-code-value-concept=urn:side|left$urn:color|green", "color"),
        ("component-code-value-concept=urn:side|left$urn:color|", "color"),
        ("combo-code-value-concept=color$red,left$blue", "color"),
        ("code-value-string=note$rem", "note"),
        ("code-value-string=note$mark", ""),
        ("code-value-date=seen$2024-05", "seen"),
        ("code-value-date=note$2024-05", ""),
        (r"code-value-string=note$remark\,%20a\$b", "note"),
    ],
)
def test_observations_are_found_by_parts_of_one_element(clinic: Clinic, query: str, expected: str) -> None:
    """The code and the value of the same component, or of the observation itself."""
    colored = {
        "component": [
            {"code": _code("left", "urn:side"), "valueCodeableConcept": _code("green", "urn:color")},
            {"code": _code("right", "urn:side"), "valueCodeableConcept": _code("blue", "urn:color")},
        ]
    }
    weight = {"value": 70, "unit": "kg", "system": UCUM, "code": "kg"}
    plain = {"valueQuantity": None}
    _put(
        clinic,
        _pressure("high", 140, 80),
        _pressure("low", 118, 80),
        observation("Patient/p", id="weight", code=_code("weight", None), valueQuantity=weight),
        observation(
            "Patient/p", id="color", code=_code("color"), **plain, valueCodeableConcept=_code("red", None), **colored
        ),
        observation("Patient/p", id="note", code=_code("note"), **plain, valueString="Remark, a$b"),
        observation("Patient/p", id="seen", code=_code("seen"), **plain, valueDateTime="2024-05-06"),
    )
    assert sorted(clinic.ids(f"Observation?{query}")) == expected.split()


def test_a_reference_and_a_token_are_of_one_relation(clinic: Clinic) -> None:
    """`relationship` is the target and the kind of the same `relatesTo`, although R4 has its expressions crossed."""
    relations = [
        {"code": "replaces", "target": {"reference": "DocumentReference/a"}},
        {"code": "appends", "target": {"reference": "DocumentReference/b"}},
    ]
    content = [{"attachment": {"url": "http://x.test/doc"}}]
    clinic.put(
        {
            "resourceType": "DocumentReference",
            "id": "d",
            "status": "current",
            "content": content,
            "relatesTo": relations,
        }
    )
    for query, expected in {
        "DocumentReference/a$replaces": ["d"],
        "a$replaces": ["d"],
        "DocumentReference/b$replaces": [],
        "b$http://hl7.org/fhir/document-relationship-type|appends": ["d"],
    }.items():
        assert clinic.ids(f"DocumentReference?relationship={query}") == expected


def test_two_numbers_are_of_one_variant(clinic: Clinic) -> None:
    """The start and the end of the same variant, on the sequence's chromosome."""
    clinic.put(
        {
            "resourceType": "MolecularSequence",
            "id": "s",
            "coordinateSystem": 0,
            "referenceSeq": {"chromosome": _code("1", "urn:c"), "windowStart": 10, "windowEnd": 99},
            "variant": [{"start": 10, "end": 10}, {"start": 30, "end": 40}],
        }
    )
    for query, expected in {
        "chromosome-variant-coordinate=1$10$10": ["s"],
        "chromosome-variant-coordinate=1$10$40": [],
        "chromosome-variant-coordinate=1$gt20$lt50": ["s"],
        "chromosome-variant-coordinate=2$10$10": [],
        "chromosome-window-coordinate=1$ge10$lt100": ["s"],
        "chromosome-window-coordinate=1$ge11$lt100": [],
    }.items():
        assert clinic.ids(f"MolecularSequence?{query}") == expected


def test_a_context_of_use_has_a_kind_and_a_value(clinic: Clinic) -> None:
    """The same `useContext`: as a token, a quantity or a range."""
    contexts = [
        {"code": {"code": "age"}, "valueRange": {"low": {"value": 18, "unit": "years"}}},
        {"code": {"code": "gender"}, "valueCodeableConcept": _code("female", "urn:g")},
    ]
    clinic.put({"resourceType": "Library", "id": "l", "status": "draft", "type": {"text": "x"}, "useContext": contexts})
    for query, expected in {
        "context-type-quantity=age$ge20": ["l"],
        "context-type-quantity=age$lt18": [],
        "context-type-quantity=gender$ge20": [],
        "context-type-value=gender$female": ["l"],
        "context-type-value=age$female": [],
    }.items():
        assert clinic.ids(f"Library?{query}") == expected


@pytest.mark.parametrize(
    "query",
    [
        "code-value-quantity=a", "code-value-quantity=a$", "code-value-quantity=$5", "code-value-quantity=a$b",
        "code-value-quantity=urn:x|$5", "code-value-quantity=a$5$6", "code-value-quantity:exact=a$5",
        "component-code-value-concept=a$b|c|d", "code-value-date=a$b",
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_read_is_refused(clinic: Clinic, query: str) -> None:
    """Too few parts or too many, empty ones, and parts that their own parameters refuse."""
    with pytest.raises(HealixError, match=query.partition("=")[0].partition(":")[0]):
        clinic.ids(f"Observation?{query}")
