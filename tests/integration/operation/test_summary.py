"""$summary: an International Patient Summary of what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.summary import PROFILE
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, serve
from tests.support.operation import run
from tests.support.resources import LOINC, TERMINOLOGY, condition, observation, patient

Params = Sequence[tuple[str, str]]
ALLERGIES, MEDICATIONS, PROBLEMS, VITALS, PAST = "48765-2", "10160-0", "11450-4", "8716-3", "11348-0"


def summary(url: str, id_: str | None, params: Params = (), access: AccessContext = SYSTEM) -> Any:
    """The document."""

    async def use(server: Interactions) -> Any:
        return decode(await run("summary", server, access, Invocation(tuple(params), b"", "Patient", id_)))

    return serve(url, use)


def sections(made: Any) -> dict[str, list[str]]:
    """The entries of each section by its code."""
    return {
        one["code"]["coding"][0]["code"]: [entry["reference"] for entry in one.get("entry", ())]
        for one in made["entry"][0]["resource"]["section"]
    }


def status(system: str, code: str) -> dict[str, Any]:
    """A status as a concept."""
    return {"coding": [{"system": f"{TERMINOLOGY}/{system}", "code": code}]}


@pytest.fixture
def stored(pool: Pool) -> None:
    """A patient with some of everything, and another with a condition."""
    put(pool, patient(identifier=[{"system": "urn:n", "value": "1"}]), "p")
    put(pool, patient(identifier=[{"system": "urn:n", "value": "2"}]), "q")
    put(pool, patient(identifier=[{"system": "urn:n", "value": "2"}]), "r")
    put(pool, {"resourceType": "Medication", "code": {"text": "Aspirin <100 mg>"}}, "m")
    request = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": "2024-02-03"}
    referring = {"subject": {"reference": "Patient/p"}, "medicationReference": {"reference": "Medication/m"}}
    put(pool, request | referring, "now")
    put(pool, request | referring | {"status": "stopped"}, "stopped")
    put(
        pool,
        condition("Patient/p", code={"text": "Asthma"}, clinicalStatus=status("condition-clinical", "active")),
        "c",
    )
    past = condition("Patient/p", code={"text": "Measles"}, clinicalStatus=status("condition-clinical", "resolved"))
    put(pool, past, "past")
    put(pool, condition("Patient/q"), "of-q")
    for day in (1, 2):
        put(pool, observation("Patient/p", effectiveDateTime=f"2024-01-0{day}"), f"rate-{day}")
    weight = {"coding": [{"system": LOINC, "code": "29463-7"}], "text": "Weight"}
    put(pool, observation("Patient/p", code=weight), "weight")


@pytest.mark.usefixtures("stored")
def test_the_sections_and_what_they_tell(database_url: str) -> None:
    """The required sections and those with entries; the newest of each code; medications come along and are named."""
    made = summary(database_url, "p")
    assert sections(made) == {
        ALLERGIES: [],
        MEDICATIONS: ["MedicationRequest/now"],
        PROBLEMS: ["Condition/c"],
        VITALS: ["Observation/weight", "Observation/rate-2"],
        PAST: ["Condition/past"],
    }
    told = {one["title"]: one["text"]["div"] for one in made["entry"][0]["resource"]["section"]}
    assert "Asthma" in told["Problem List"]
    assert "<td>2024-02-03</td><td>Aspirin &lt;100 mg&gt;</td>" in told["Medication Summary"]
    assert "72 beats/minute" in told["Vital Signs"]
    held = [entry["resource"]["resourceType"] for entry in made["entry"]]
    assert held[:3] == ["Composition", "Patient", "Device"]
    assert "Medication" in held
    assert made["entry"][0]["resource"]["section"][0]["emptyReason"]["coding"][0]["code"] == "unavailable"


@pytest.mark.usefixtures("stored")
def test_it_is_a_document(database_url: str) -> None:
    """By R4's rules: structure, invariants of Bundle, Composition and narratives."""
    issues = judge(summary(database_url, "p", [("profile", PROFILE)]), "Bundle", Extent(()), Library(closed=True))
    wrong = [issue.message for issue in issues if issue.severity == "error" and "uv/ips" not in issue.message]
    assert wrong == []


@pytest.mark.usefixtures("stored")
def test_what_the_caller_does_not_see(database_url: str, pool: Pool) -> None:
    """Another patient is not there; an identifier names one that is seen."""
    bound = of_patient(pool, "q")
    assert sections(summary(database_url, None, [("identifier", "urn:n|2")], access=bound))[PROBLEMS] == [
        "Condition/of-q"
    ]
    for id_, params in (("p", []), (None, [("identifier", "urn:n|1")])):
        with pytest.raises(HealixError) as refused:
            summary(database_url, id_, params, access=bound)
        assert refused.value.category is Category.NOT_FOUND


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("id_", "params", "category"),
    [
        (None, [], Category.INVALID),
        (None, [("identifier", "urn:n|none")], Category.NOT_FOUND),
        (None, [("identifier", "urn:n|2")], Category.PRECONDITION_FAILED),
        ("p", [("graph", "urn:x")], Category.UNSUPPORTED),
        ("p", [("profile", "urn:x")], Category.UNSUPPORTED),
        ("none", [], Category.NOT_FOUND),
    ],
)
def test_refusals(database_url: str, id_: str | None, params: Params, category: Category) -> None:
    """What names no one patient, or another document, is refused."""
    with pytest.raises(HealixError) as refused:
        summary(database_url, id_, params)
    assert refused.value.category is category
