"""Lines and columns of FHIRPath locations in JSON texts."""

from __future__ import annotations

import pytest

from healix_fhir.model.json import decode, encode
from healix_fhir.model.places import places, pointer
from tests.support.resources import observation, patient

TEXT = """{
  "resourceType": "Patient",
  "name": [
    {"family": "A", "given": ["B", "C"]},
    {"family": "a \\"quoted\\" {[,:]} word",
     "given": [null], "_given": [{"extension": [{"url": "urn:x", "valueCode": "1"}]}]}
  ],
  "deceasedBoolean": true,
  "birthDate": "2000", "_birthDate": {"extension": [
    {"url": "urn:y"}]}
}"""


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("Patient", (1, 1)),
        ("Patient.name", (4, 5)),
        ("Patient.name[0].given[1]", (4, 36)),
        ("Patient.name[1]", (5, 5)),
        ("Patient.name[1].family", (5, 6)),
        ("Patient.name[1].given[0].extension[0].value", (6, 66)),
        ("Patient.deceased", (8, 3)),
        ("Patient.birthDate", (9, 3)),
        ("Patient.birthDate.extension[0]", (10, 5)),
        ("Patient.name[1].suffix", (5, 5)),
        ("Patient.name[7]", (3, 3)),
        ("Patient.photo[0].title", (1, 1)),
    ],
)
def test_places(location: str, place: tuple[int, int]) -> None:
    """A member is where its key is; what is missing is where the element around it is."""
    found = places(TEXT, decode(TEXT.encode()), [location])
    assert found == {location: place}


def test_a_resource_within_the_body() -> None:
    """The pointer says where in the body the resource is."""
    text = '{"parameter": [\n{"resource":\n {"resourceType": "Patient", "active": 1}}]}'
    resource = {"resourceType": "Patient", "active": 1}
    start = ("parameter", 0, "resource")
    assert places(text, resource, ["Patient.active", "Patient"], start) == {
        "Patient.active": (3, 30),
        "Patient": (2, 2),
    }


def test_every_pointer_is_found() -> None:
    """Whatever the resource, each of its elements has a place."""
    for resource in (patient(), observation()):
        text = encode(resource).decode()
        name = resource["resourceType"]
        locations = [f"{name}.{key}" for key in resource if key != "resourceType"]
        assert places(text, resource, locations).keys() == set(locations)


def test_choices_are_not_confused() -> None:
    """`value` is not `valueSet` of another element, and `values` is no choice."""
    assert pointer({"values": 1, "valueQuantity": {"unit": "x"}}, "X.value.unit") == ("valueQuantity", "unit")
