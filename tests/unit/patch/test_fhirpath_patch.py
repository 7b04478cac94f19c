"""FHIRPath Patch beyond the official suite: primitives' extensions, choices, backbone elements, and every refusal."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.patch.fhirpath_patch import apply
from tests.support.resources import Json

EXTENSION = {"url": "urn:x", "valueString": "y"}


def operation(type_: str, path: str, **parts: Any) -> Json:
    """One operation; a part that is a dict is written as it is, a number is a valueInteger."""
    written = [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if isinstance(value, dict):
            written.append({"name": name, **value})
        else:
            written.append({"name": name, ("valueInteger" if isinstance(value, int) else "valueString"): value})
    return {"name": "operation", "part": written}


def patch(*operations: Json) -> Json:
    """The Parameters of a patch."""
    return {"resourceType": "Parameters", "parameter": list(operations)}


PATIENT: Json = {
    "resourceType": "Patient",
    "name": [{"family": "Byron", "given": ["Ada", None, "Augusta"], "_given": [None, {"id": "two"}, None]}],
    "birthDate": "1815-12-10",
    "_birthDate": {"extension": [{"url": "urn:time", "valueString": "noon"}]},
    "deceasedBoolean": True,
    "contained": [{"resourceType": "Organization", "id": "o"}],
    "contact": [{"gender": "male"}],
}


def patched(*operations: Json) -> Json:
    """PATIENT after the operations; the resource and the patch are left as they were."""
    before, parameters = copy.deepcopy(PATIENT), patch(*operations)
    written = copy.deepcopy(parameters)
    result = apply(PATIENT, parameters)
    assert before == PATIENT
    assert written == parameters
    return result


@pytest.mark.spec("FHIR R4 fhirpatch.html#operations")
@pytest.mark.parametrize(
    ("done", "changes"),
    [
        (
            operation("add", "Patient.name[0]", name="given", value={"valueString": "King"}),
            {
                "name": [
                    {
                        "family": "Byron",
                        "given": ["Ada", None, "Augusta", "King"],
                        "_given": [None, {"id": "two"}, None, None],
                    }
                ]
            },
        ),
        (
            operation("insert", "Patient.name[0].given", index=1, value={"_valueString": {"extension": [EXTENSION]}}),
            {
                "name": [
                    {
                        "family": "Byron",
                        "given": ["Ada", None, None, "Augusta"],
                        "_given": [None, {"extension": [EXTENSION]}, {"id": "two"}, None],
                    }
                ]
            },
        ),
        (
            operation("delete", "Patient.name[0].given[1]"),
            {"name": [{"family": "Byron", "given": ["Ada", "Augusta"]}]},
        ),
        (
            operation("move", "Patient.name[0].given", source=0, destination=2),
            {"name": [{"family": "Byron", "given": [None, "Augusta", "Ada"], "_given": [{"id": "two"}, None, None]}]},
        ),
        (
            operation("replace", "Patient.birthDate", value={"valueDate": "1816"}),
            {"birthDate": "1816", "_birthDate": None},
        ),
        (
            operation("replace", "Patient.deceased", value={"valueDateTime": "1852"}),
            {"deceasedBoolean": None, "deceasedDateTime": "1852"},
        ),
        (
            operation("add", "Patient", name="multipleBirth", value={"valueInteger": 2}),
            {"multipleBirthInteger": 2},
        ),
        (
            operation("add", "Patient", name="multipleBirth[x]", value={"valueBoolean": False}),
            {"multipleBirthBoolean": False},
        ),
        (
            operation("add", "Patient.deceased", name="id", value={"valueString": "d"}),
            {"_deceasedBoolean": {"id": "d"}},
        ),
        (
            operation("delete", "Patient.birthDate.extension[0]"),
            {"_birthDate": None},
        ),
        (
            operation("delete", "Patient.birthDate.extension.where(url = 'urn:time').value"),
            {"_birthDate": {"extension": [{"url": "urn:time"}]}},
        ),
        (operation("delete", "Patient.contact.gender"), {"contact": None}),
        (operation("delete", "Patient.photo"), {}),
        (
            operation("add", "Patient", name="contained", value={"resource": {"resourceType": "Basic", "id": "b"}}),
            {"contained": [{"resourceType": "Organization", "id": "o"}, {"resourceType": "Basic", "id": "b"}]},
        ),
        (
            operation("add", "Patient.contained[0]", name="name", value={"valueString": "Clinic"}),
            {"contained": [{"resourceType": "Organization", "id": "o", "name": "Clinic"}]},
        ),
        (
            operation("insert", "Patient.photo", index=0, value={"valueAttachment": {"title": "Ada"}}),
            {"photo": [{"title": "Ada"}]},
        ),
        (
            operation("replace", "Patient.contact[0]", value={"part": [{"name": "gender", "valueCode": "other"}]}),
            {"contact": [{"gender": "other"}]},
        ),
        (
            operation(
                "add",
                "Patient",
                name="contact",
                value={
                    "part": [
                        {"name": "relationship", "valueCodeableConcept": {"text": "a"}},
                        {"name": "relationship", "valueCodeableConcept": {"text": "b"}},
                        {"name": "gender", "_valueCode": {"id": "g"}},
                    ]
                },
            ),
            {
                "contact": [
                    {"gender": "male"},
                    {"relationship": [{"text": "a"}, {"text": "b"}], "_gender": {"id": "g"}},
                ]
            },
        ),
    ],
)
def test_operations(done: Json, changes: Json) -> None:
    """An operation changes its element, with what JSON holds beside it, and nothing else."""
    expected = {key: value for key, value in (PATIENT | changes).items() if value is not None}
    assert patched(done) == expected


@pytest.mark.spec("FHIR R4 fhirpatch.html#operations")
@pytest.mark.parametrize(
    ("done", "reason"),
    [
        (
            operation("add", "Patient.photo", name="title", value={"valueString": "x"}),
            "No content found at Patient.photo",
        ),
        (operation("replace", "Patient.gender", value={"valueCode": "male"}), "No content found at Patient.gender"),
        (operation("insert", "Patient.photo.extension", index=0, value={"valueString": "x"}), "No content found"),
        (operation("delete", "Patient.name.given"), "finds 3 elements"),
        (operation("replace", "Patient.name.given", value={"valueString": "x"}), "finds 3 elements"),
        (operation("add", "Patient", name="birthDate", value={"valueDate": "1900"}), "there already"),
        (operation("add", "Patient", name="deceased", value={"valueDateTime": "1900"}), "there already"),
        (operation("add", "Patient", name="gender", value={"valueDate": "1900"}), "of type code, not date"),
        (operation("add", "Patient", name="name", value={"valueString": "x"}), "of type HumanName, not string"),
        (operation("add", "Patient", name="contact", value={"valueHumanName": {"text": "x"}}), "not HumanName"),
        (operation("add", "Patient", name="name", value={"part": [{"name": "text", "valueString": "x"}]}), "value[x]"),
        (operation("add", "Patient", name="contact", value={"part": [{"name": "x", "valueString": "x"}]}), "'x' in"),
        (operation("add", "Patient", name="contact", value={"part": []}), "has parts"),
        (operation("add", "Patient", name="contact", value={"part": [1]}), "no element"),
        (
            operation(
                "add",
                "Patient",
                name="contact",
                value={"part": [{"name": "gender", "valueCode": "male"}, {"name": "gender", "valueCode": "male"}]},
            ),
            "does not repeat",
        ),
        (operation("add", "Patient", name="gender", value={"resource": {"resourceType": "Basic"}}), "no resource"),
        (operation("add", "Patient", name="gender", value={}), "one value"),
        (operation("add", "Patient", name="gender", value={"valueCode": "x", "valueString": "x"}), "one value"),
        (operation("add", "Patient", name="birthdate", value={"valueDate": "1900"}), "'birthdate' in Patient"),
        (operation("add", "Patient", name="deceasedDateTime", value={"valueDate": "1900"}), "no element"),
        (operation("insert", "Patient.name", index=2, value={"valueHumanName": {"text": "x"}}), "index 2 is beyond"),
        (operation("insert", "Patient.birthDate", index=0, value={"valueDate": "1900"}), "does not repeat"),
        (operation("insert", "Patient.name.first()", index=0, value={"valueDate": "1900"}), "no list"),
        (operation("move", "Patient.name", source=1, destination=0), "source 1 is beyond"),
        (operation("move", "Patient.name", source=0, destination=1), "destination 1 is beyond"),
        (operation("delete", "Patient"), "the whole resource"),
        (operation("delete", "Patient.name.count()"), "no element of the resource"),
        (operation("delete", "today()"), "no element of the resource"),
        (operation("add", "Patient.name.", name="text", value={"valueString": "x"}), "not a FHIRPath expression"),
        (operation("add", "Patient", name="text"), "needs the part value"),
        (operation("delete", "Patient.name", index=1), "does not take the part index"),
        (operation("append", "Patient.name"), "'append' is no patch operation"),
        (operation("insert", "Patient.name", index={"valueInteger": -1}, value={"valueString": "x"}), "not negative"),
        (operation("insert", "Patient.name", index={"valueString": "1"}, value={"valueString": "x"}), "valueInteger"),
        ({"name": "operation", "part": [{"name": "path", "valueString": "x"}]}, "needs the part type"),
        ({"name": "operation", "part": [{"name": "type", "valueString": "delete"}]}, "valueCode"),
        ({"name": "operation", "part": [{"valueString": "delete"}]}, "each part has a name"),
        ({"name": "operation", "part": [{"name": "type", "valueCode": "move"}] * 2}, "twice"),
        ({"name": "operation"}, "needs the part type"),
        ({"name": "other"}, "of the name 'operation'"),
    ],
)
def test_refusals(done: Json, reason: str) -> None:
    """What cannot be done is refused with the operation's place and the reason."""
    with pytest.raises(HealixError) as refusal:
        apply(PATIENT, patch(operation("delete", "Patient.photo"), done))
    assert refusal.value.category is Category.INVALID
    assert reason in refusal.value.message
    assert "Parameters.parameter[1]" in refusal.value.message


@pytest.mark.parametrize(
    "parameters", [{}, {"resourceType": "Patient"}, {"resourceType": "Parameters", "parameter": {}}]
)
def test_no_patch(parameters: Json) -> None:
    """What is no Parameters resource is no patch."""
    with pytest.raises(HealixError) as refusal:
        apply(PATIENT, parameters)
    assert refusal.value.category is Category.INVALID


def test_number_of_operations_is_bounded() -> None:
    """A patch has at most 1000 operations."""
    with pytest.raises(HealixError) as refusal:
        apply(PATIENT, patch(*[operation("delete", "Patient.photo")] * 1001))
    assert refusal.value.category is Category.TOO_LARGE


def test_operations_see_what_earlier_ones_left() -> None:
    """The operations are done one after the other."""
    result = patched(
        operation("add", "Patient", name="name", value={"valueHumanName": {"text": "x"}}),
        operation("delete", "Patient.name[0]"),
        operation("replace", "Patient.name.text", value={"valueString": "y"}),
    )
    assert result["name"] == [{"text": "y"}]
