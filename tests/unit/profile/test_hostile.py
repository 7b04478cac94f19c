"""Definitions that callers may have written to do harm: each ends in an issue or a refusal, soon."""

from __future__ import annotations

import time
from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.profile import judge as judging
from healix_fhir.model.profile.definition import Definition
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library
from healix_fhir.model.profile.value_set import value_set
from tests.support.profiles import COLOURS, EXAMPLE, SHADES, URL, Json, concept, found, library, profile
from tests.support.resources import observation, patient

PATIENT_PROFILE = Extent((URL,), claims=False, base=False, extensions=False)


def code_of(definition: Json, *others: Json, resource: Json | None = None) -> set[str]:
    """The codes of the issues that a profile gives."""
    return {code for _, code, _ in found(resource or patient(), definition, *others)}


def test_deep_paths() -> None:
    """A path of a thousand steps is refused."""
    deep = {"id": "Patient" + ".extension" * 1000, "min": 1}
    assert code_of(profile("Patient", deep)) == {"processing"}


def test_wide_differentials() -> None:
    """Ten thousand slices of a backbone element would grow a giant; it is refused."""
    slices = [{"id": f"Patient.contact:s{n}"} for n in range(10_000)]
    assert code_of(profile("Patient", {"id": "Patient.contact.name.given", "min": 1}, *slices)) == {"processing"}


def test_long_chains() -> None:
    """A hundred profiles, each based on the next, are refused."""
    chain = [
        profile("Patient", name=f"p{n}", baseDefinition=f"{EXAMPLE}/p{n + 1}") for n in range(100)
    ]  # fmt: skip
    first = profile("Patient", baseDefinition=f"{EXAMPLE}/p0")
    assert code_of(first, *chain) == {"processing"}


def test_profiles_that_lead_to_themselves() -> None:
    """A data type's profile on itself, and a slice told apart by itself, come to an end."""
    kind = [{"code": "Identifier", "profile": [f"{EXAMPLE}/id"]}]
    slicing = {"discriminator": [{"type": "profile", "path": "$this"}], "rules": "open"}
    inner = profile(
        "Identifier",
        {"id": "Identifier.assigner.identifier", "type": kind},
        {"id": "Identifier.system", "min": 1},
        name="id",
        kind="complex-type",
    )
    outer = profile("Patient", {"id": "Patient.identifier", "slicing": slicing},
                    {"id": "Patient.identifier:a", "type": kind})  # fmt: skip
    assert code_of(outer, inner) == set()


def test_value_sets_that_lead_to_themselves() -> None:
    """Value sets that include each other, each in many ways, are not known, at once."""
    names = [f"{EXAMPLE}/v{n}" for n in range(60)]
    include = [{"valueSet": [name]} for name in names]
    sets = [{"resourceType": "ValueSet", "url": name, "compose": {"include": include}} for name in names]
    started = time.process_time()
    members = value_set(names[0], library(*sets))
    assert members is not None
    assert members.contains("urn:x", "y") is None
    assert time.process_time() - started < 20


def test_patterns_that_run_for_ever() -> None:
    """The expression of a filter takes time by the text only; one that is none is not known."""
    for pattern, answer in (("(a+)+b", False), ("(", None), ("cri.*", True)):
        chosen = {"resourceType": "ValueSet", "url": "urn:v", "compose": {"include": [
            {"system": COLOURS, "filter": [{"property": "code", "op": "regex", "value": pattern}]}]}}  # fmt: skip
        tree = {**SHADES, "concept": [*SHADES["concept"], {"code": "a" * 60}]}
        members = value_set("urn:v", library(chosen, tree))
        assert members is not None
        assert members.contains(COLOURS, "crimson" if answer else "a" * 60) is answer


def test_a_judgement_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that take too long together are ended with a refusal that says so."""
    monkeypatch.setattr(judging, "SECONDS", 0.2)
    slow = {"key": "x", "severity": "error", "human": "h",
            "expression": "(1 | 2).repeat($this + 1).count() > 0"}  # fmt: skip
    rules = [slow | {"key": f"x-{n}"} for n in range(50)]
    named = profile("Patient", {"id": "Patient.contact", "constraint": rules})
    started = time.process_time()
    with pytest.raises(HealixError) as error:
        judge(patient(contact=[{"name": {"text": "x"}}] * 50), "Patient", PATIENT_PROFILE, library(named))
    assert error.value.issues[0].code == "too-costly"
    assert time.process_time() - started < 60


@pytest.mark.parametrize(
    "element",
    [
        {"id": "Patient.identifier", "slicing": {"rules": "open"}},
        {"id": "Patient.identifier:a"},
        {"id": "Patient.name", "contentReference": "#Patient.nothing"},
        {"id": "Patient.gender", "binding": {"strength": "required"}},
        {"id": "Patient.gender", "binding": {"strength": "required", "valueSet": "#none"}},
        {"id": "Patient.name", "type": []},
        {"id": "Patient.name", "type": [{"code": "Patient"}]},
        {"id": "Patient.name", "max": "many"},
        {"id": "Patient.name.family", "fixedString": {"a": 1}},
        {"id": "Patient.birthDate", "minValueDate": {"x": 1}},
        {"id": "Patient.managingOrganization", "type": [{"code": "Reference", "targetProfile": ["|", "#", ""]}]},
    ],
)
def test_odd_elements(element: Json) -> None:
    """What makes no sense is an issue, or says nothing; it is never an error of ours."""
    given = patient(managingOrganization={"reference": "Organization/1"})
    codes = {code for _, code, _ in found(given, profile("Patient", element))}
    assert codes <= {"processing", "not-supported", "value", "structure"}


@pytest.mark.parametrize(
    "about", [{"type": "Nothing"}, {"type": "Patient", "baseDefinition": None}, {"type": "Patient", "derivation": "x"}]
)
def test_odd_profiles(about: dict[str, Any]) -> None:
    """A profile about no type, or without a base, is told to be unusable."""
    named = profile("Patient", {"id": "Patient.photo", "min": 1}, **about)
    issues = judge(patient(), "Patient", PATIENT_PROFILE, library(named))
    assert all(issue.code in ("processing", "value", "required") for issue in issues)


def test_a_broken_package_does_not_spoil_others() -> None:
    """A definition that cannot be used is an issue of the resources that claim it only."""
    known = Library(closed=True)
    known.put({URL: [Definition(URL, "", profile("Patient", {"id": "Patient.shoes"}))]})
    given = patient(meta={"profile": [URL]})
    assert [i.code for i in judge(given, "Patient", Extent(), known) if i.severity == "error"] == ["processing"]
    assert [
        i for i in judge(observation(code=concept("x")), "Observation", Extent(), known) if i.severity == "error"
    ] == []
