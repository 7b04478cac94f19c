"""The difference of two resources is the patch that makes one of the other."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.model.patch.difference import difference
from healix_fhir.model.patch.fhirpath_patch import apply
from healix_fhir.model.validate import validate
from tests.support.resources import Json, observation, patient

EXTENSION = {"url": "urn:x", "valueString": "y"}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Another</p></div>'
PATIENT = patient()


def without(resource: Json, *names: str) -> Json:
    """A resource without some elements."""
    return {key: value for key, value in resource.items() if key not in names}


PAIRS: list[tuple[Json, Json]] = [
    (PATIENT, PATIENT),
    (PATIENT, patient(active=False, birthDate="1815")),
    (PATIENT, without(PATIENT, "birthDate", "contact", "name")),
    (PATIENT, patient(name=[{"family": "King"}, *PATIENT["name"]])),
    (PATIENT, patient(name=[{"use": "old", "family": "Byron", "given": ["Ada"], "prefix": ["Lady"]}])),
    (PATIENT, patient(text={"status": "empty", "div": DIV})),
    (without(PATIENT, "text"), PATIENT),
    (PATIENT, patient(contact=[{"telecom": [{"value": "1"}]}])),
    (PATIENT, patient(contact=[{"gender": "male"}, {"name": {"family": "King"}, "period": {"start": "2020"}}])),
    (PATIENT, patient(extension=[EXTENSION, {"url": "urn:z", "extension": [EXTENSION]}])),
    (patient(extension=[EXTENSION]), patient(extension=[{"url": "urn:x", "valueInteger": 4}])),
    (PATIENT, patient(_birthDate={"extension": [EXTENSION]})),
    (PATIENT, without(patient(_gender={"extension": [EXTENSION]}), "gender")),
    (PATIENT, patient(deceasedBoolean=True)),
    (patient(deceasedBoolean=True), patient(deceasedDateTime="2020-01-01")),
    (patient(multipleBirthInteger=2), PATIENT),
    (PATIENT, patient(contained=[{"resourceType": "Organization", "id": "o", "name": "x"}])),
    (
        patient(contained=[{"resourceType": "Organization", "id": "o", "name": "x"}]),
        patient(contained=[{"resourceType": "Organization", "id": "o", "name": "y", "active": True}]),
    ),
    (
        patient(contained=[{"resourceType": "Organization", "id": "o", "name": "x"}]),
        patient(contained=[{"resourceType": "Practitioner", "id": "o"}]),
    ),
    (PATIENT, patient(name=[{"given": ["A", "B"], "_given": [None, {"extension": [EXTENSION]}]}])),
    (PATIENT, patient(meta={"tag": [{"code": "a"}]})),
    (patient(meta={"tag": [{"code": "a"}, {"code": "b"}]}), patient(meta={"tag": [{"code": "b"}]})),
    (observation(), observation(component=[{"code": {"text": "x"}, "valueQuantity": {"value": 1}}])),
    (observation(), without(observation(valueString="high", status="amended"), "valueQuantity")),
    (
        observation(component=[{"code": {"text": text}} for text in "abcde"]),
        observation(component=[{"code": {"text": text}} for text in "axyzde"]),
    ),
    (
        observation(component=[{"code": {"text": text}, "valueInteger": 1} for text in "abcde"]),
        observation(component=[{"code": {"text": text}, "valueString": "1"} for text in "ae"]),
    ),
    (
        observation(referenceRange=[{"low": {"value": 1}, "text": "a"}]),
        observation(referenceRange=[{"high": {"value": 1}}]),
    ),
]


@pytest.mark.spec("FHIR R4 fhirpatch.html")
@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
@pytest.mark.parametrize("backward", [False, True])
def test_the_patch_makes_the_second_of_the_first(pair: tuple[Json, Json], backward: bool) -> None:
    """Applied to one resource, the difference gives the other; it is a valid Parameters resource."""
    before, after = pair[::-1] if backward else pair
    patch = difference(before, after)
    assert validate(patch, "Parameters") == ()
    assert apply(before, patch) == after
    assert ("parameter" in patch) is (before != after)


def test_what_the_server_sets_is_no_difference() -> None:
    """Ids, versions and times of change are left out; what else meta holds is not."""
    before = patient(id="a", meta={"versionId": "1", "lastUpdated": "2020-01-01T00:00:00Z"})
    assert difference(before, patient(id="b", meta={"versionId": "2"})) == {"resourceType": "Parameters"}
    (step,) = difference(before, patient(id="b", meta={"versionId": "2", "profile": ["urn:p"]}))["parameter"]
    parts: dict[str, Any] = {part["name"]: part for part in step["part"]}
    assert (parts["type"]["valueCode"], parts["path"]["valueString"]) == ("add", "Patient")


def test_steps_are_as_small_as_what_changed() -> None:
    """A name within a name is replaced by itself, and an item put into a list leaves the others alone."""
    changed = patient(name=[{"use": "official", "family": "King", "given": ["Ada", "Augusta"]}])
    (step,) = difference(PATIENT, changed)["parameter"]
    assert {"name": "path", "valueString": "Patient.name[0].family"} in step["part"]
    inserted = patient(telecom=[{"value": "1"}, *PATIENT["telecom"]])
    (step,) = difference(PATIENT, inserted)["parameter"]
    assert {"name": "index", "valueInteger": 0} in step["part"]
