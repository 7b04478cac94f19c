"""The judgement as a whole: R4's own rules, claims, unknown profiles, resources within resources."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.model.profile.definition import Definition, Package, precedence
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library, NotLoadedError
from tests.support.profiles import EXAMPLE, URL, Json, errors, library, profile
from tests.support.resources import condition, observation, patient

VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/vitalsigns"


def issues(resource: Json, *definitions: Json, **extent: Any) -> list[tuple[str, str, str]]:
    """Severity, code and place of everything that is found."""
    found = judge(resource, resource["resourceType"], Extent(**extent), library(*definitions))
    return [(issue.severity, issue.code, place) for issue in found for place in issue.expression]


def grave(resource: Json, *definitions: Json, **extent: Any) -> list[tuple[str, str, str]]:
    """Those of severity error."""
    return [issue for issue in issues(resource, *definitions, **extent) if issue[0] == "error"]


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (observation(dataAbsentReason={"text": "x"}), "Observation"),  # obs-6
        (observation(component=[{"code": observation()["code"]}]), "Observation"),  # obs-7
        (patient(contact=[{"gender": "male"}]), "Patient.contact[0]"),  # pat-1
        (patient(name=[{"period": {"start": "2020", "end": "2019"}}]), "Patient.name[0].period"),  # per-1
        (observation(valueQuantity={"value": 1, "code": "kg"}), "Observation.value"),  # qty-3
        (observation(referenceRange=[{"appliesTo": [{"text": "x"}]}]), "Observation.referenceRange[0]"),  # obs-3
        (
            {"resourceType": "Questionnaire", "status": "draft", "item": [{"linkId": "1", "type": "group", "item": [
                {"linkId": "2", "type": "display", "required": True}]}]},
            "Questionnaire.item[0].item[0]",
        ),  # que-6, through a contentReference
        (
            {"resourceType": "Bundle", "type": "collection", "entry": [
                {"resource": observation(dataAbsentReason={"text": "x"})}]},
            "Bundle.entry[0].resource",
        ),
        (
            patient(contained=[{**observation(dataAbsentReason={"text": "x"}), "id": "o"}],
                    extension=[{"url": "urn:x", "valueReference": {"reference": "#o"}}]),
            "Patient.contained[0]",
        ),
    ],
)  # fmt: skip
@pytest.mark.spec("FHIR R4 validation.html")
def test_invariants_of_r4(resource: Json, place: str) -> None:
    """R4's own invariants hold for resources, data types and what is within."""
    assert grave(resource) == errors(("invariant", place))


def when(**condition: Any) -> Json:
    """A Questionnaire whose second item depends on the first."""
    shown = {"linkId": "2", "type": "string", "enableWhen": [{"question": "1", **condition}]}
    first = {"linkId": "1", "type": "boolean"}
    return {"resourceType": "Questionnaire", "name": "Q", "status": "draft", "item": [first, shown]}


@pytest.mark.spec("FHIR R4 questionnaire.html#invs")
@pytest.mark.parametrize(
    ("condition", "places"),
    [
        ({"operator": "exists", "answerBoolean": True}, []),
        ({"operator": "exists", "answerBoolean": False}, []),
        ({"operator": "exists", "answerString": "x"}, ["Questionnaire.item[1].enableWhen[0]"]),
        ({"operator": "exists", "answerInteger": 1}, ["Questionnaire.item[1].enableWhen[0]"]),
        ({"operator": "=", "answerString": "x"}, []),
    ],
)
def test_exists_compares_with_a_boolean(condition: Json, places: list[str]) -> None:
    """que-7 means the boolean of FHIR; as 4.0.1 writes it, nothing could ever meet it."""
    assert grave(when(**condition)) == [("error", "invariant", place) for place in places]


def test_bindings_of_r4() -> None:
    """An extensible binding of R4 is a warning, in data types too."""
    given = patient(maritalStatus={"coding": [{"system": "urn:x", "code": "y"}]}, identifier=[
        {"value": "1", "type": {"coding": [{"system": "urn:x", "code": "y"}]}}])  # fmt: skip
    assert issues(given) == [
        ("warning", "code-invalid", "Patient.identifier[0].type"),
        ("warning", "code-invalid", "Patient.maritalStatus"),
    ]


def test_structure_is_told_with_the_rest() -> None:
    """All issues at once, the gravest first."""
    found = issues(observation(status="x", dataAbsentReason={"text": "x"}, category=[{}]))
    assert [issue[:2] for issue in found] == [
        ("error", "code-invalid"),
        ("error", "structure"),
        ("error", "invariant"),
        ("warning", "invariant"),
    ]


def test_claims() -> None:
    """What `meta.profile` claims is judged, within the resource too, unless it is not asked for."""
    named = profile("Patient", {"id": "Patient.photo", "min": 1})
    given = patient(meta={"profile": [URL]})
    assert grave(given, named) == errors(("required", "Patient.photo"))
    assert grave(given, named, claims=False) == []
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": given}]}
    assert grave(bundle, named) == errors(("required", "Bundle.entry[0].resource.photo"))


@pytest.mark.parametrize(
    ("claimed", "code"),
    [
        ("http://example.org/none", "not-found"),
        (f"{URL}|2.0", "not-found"),
        (VITAL_SIGNS, "value"),
        (f"{EXAMPLE}/broken", "processing"),
        ("http://hl7.org/fhir/ValueSet/marital-status", "not-found"),
    ],
)
@pytest.mark.spec("FHIR R4 resource-operation-validate.html")
def test_profiles_that_cannot_be_used(claimed: str, code: str) -> None:
    """An unknown profile, one about another type and one that is broken are errors that name it."""
    broken = profile("Patient", {"id": "Patient.shoes"}, name="broken")
    found = judge(patient(meta={"profile": [claimed]}), "Patient", Extent(), library(profile("Patient"), broken))
    assert [(i.code, i.expression) for i in found if i.severity == "error"] == [(code, ("Patient.meta.profile[0]",))]
    assert claimed in found[0].message


def test_vital_signs() -> None:
    """R4's own profiles are always there."""
    assert grave(observation(), profiles=(VITAL_SIGNS,)) == []
    assert grave(observation(category=[{"text": "x"}]), profiles=(VITAL_SIGNS,)) == errors(
        ("required", "Observation.category")
    )


def test_an_issue_stands_once() -> None:
    """What several profiles say alike is told once, with the first of them."""
    first = profile("Patient", {"id": "Patient.photo", "min": 1})
    second = profile("Patient", {"id": "Patient.photo", "min": 1}, name="second")
    assert grave(patient(), first, second, profiles=(URL, f"{EXAMPLE}/second")) == errors(("required", "Patient.photo"))


def test_what_the_structure_tells_is_not_told_again() -> None:
    """A code that R4's binding refuses is one issue, though the profile's binding refuses it too."""
    named = profile("Patient", {"id": "Patient.gender", "binding": {
        "strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/name-use"}})  # fmt: skip
    assert grave(patient(gender="odd"), named, profiles=(URL,)) == errors(("code-invalid", "Patient.gender"))


def test_what_cannot_be_checked_is_one_issue() -> None:
    """One value set that is not at hand is told of once, with the places."""
    given = condition(bodySite=[{"coding": [{"system": "http://snomed.info/sct", "code": c}]} for c in "12"])
    named = profile("Condition", {"id": "Condition.bodySite", "binding": {
        "strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/body-site"}})  # fmt: skip
    found = judge(given, "Condition", Extent((URL,), base=False), library(named))
    assert [issue.expression for issue in found] == [("Condition.bodySite[0]", "Condition.bodySite[1]")]


def test_what_has_to_be_loaded_is_named() -> None:
    """An open library says what it lacks, all of it at once."""
    given = patient(meta={"profile": ["urn:p"]}, extension=[{"url": "urn:x:e", "valueCode": "a"}])
    with pytest.raises(NotLoadedError) as missing:
        judge(given, "Patient", Extent(), Library())
    assert missing.value.urls == {"urn:p", "urn:x:e"}


@pytest.mark.parametrize(
    ("versions", "latest"),
    [
        ("1.9.0 1.10.0", "1.10.0"),
        ("2.0.0-ballot 2.0.0", "2.0.0"),
        ("2020-01 2019-12", "2020-01"),
        ("1.0 1.0.1", "1.0.1"),
    ],
)
def test_the_latest_version(versions: str, latest: str) -> None:
    """Numbers go by size, a release comes after its previews."""
    assert max(versions.split(), key=precedence) == latest


@pytest.mark.spec("FHIR R4 references.html#canonical")
def test_which_definition_is_meant() -> None:
    """The package of who refers, its dependencies, the latest package, R4's own, what was written over REST."""
    old, new, other = Package("a", "1"), Package("a", "2"), Package("b", "1", (("a", "1"),))
    system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    written = Definition(system, "9", {"resourceType": "CodeSystem"})
    made = [Definition(system, p.version, {"resourceType": "CodeSystem"}, p) for p in (old, new)]
    known = Library(closed=True)
    known.put({system: [written, *made]})
    home = {p.name + p.version: Definition("urn:x", "", {}, p) for p in (old, new, other)}
    for near, version in (("a1", "1"), ("a2", "2"), ("b1", "1")):
        found = known.find(system, home[near])
        assert found is not None
        assert found.version == version
    latest, exact = known.find(system), known.find(f"{system}|9")
    assert latest is made[1]
    assert exact is written
    known.put({system: [written]})
    own = known.find(system)
    assert own is not None
    assert own.official


def test_r4_cannot_be_replaced() -> None:
    """A definition under R4's own url counts for nothing, unless its version is asked for."""
    url = "http://hl7.org/fhir/StructureDefinition/Patient"
    fake = Definition(url, "9.0.0", {"resourceType": "StructureDefinition"}, Package("a", "1"))
    known = Library(closed=True)
    known.put({url: [fake]})
    assert known.structure(url).official
    assert known.structure(f"{url}|9.0.0") is fake
