"""The local rules: allergies, duplicates and interactions, by code and by name."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.operation.prescription import rules
from healix_fhir.operation.prescription.drug import Drug, drug_of
from healix_fhir.operation.prescription.finding import Finding, Indicator, Kind
from healix_fhir.operation.prescription.interactions import Interaction
from healix_fhir.operation.prescription.knowledge import Knowledge

Json = dict[str, Any]
RX = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
AMOXICILLIN, PENICILLIN, CAPSULE = (RX, "723"), (RX, "70618"), (RX, "308182")
ORDER = Drug("MedicationRequest/new", "Amoxicillin 250 MG Oral Capsule", frozenset({CAPSULE}))
KNOWN = Knowledge({CAPSULE: frozenset({CAPSULE, AMOXICILLIN})}, {AMOXICILLIN: frozenset({AMOXICILLIN, PENICILLIN})})
NOTHING = Knowledge()


def concept(code: tuple[str, str] | None = None, text: str = "") -> Json:
    """A CodeableConcept."""
    coding = {"coding": [{"system": code[0], "code": code[1]}]} if code else {}
    return coding | ({"text": text} if text else {})


def allergy(code: tuple[str, str] | None = None, text: str = "", **more: Any) -> Json:
    """An AllergyIntolerance."""
    return {"resourceType": "AllergyIntolerance", "id": "a", "code": concept(code, text)} | more


def warned(found: Any) -> list[Finding]:
    """What needs an answer."""
    return [one for one in found if one.needs_answer]


@pytest.mark.parametrize(
    ("recorded", "knowledge", "how"),
    [
        (allergy(CAPSULE), NOTHING, "codes"),  # the product itself
        (allergy(AMOXICILLIN), KNOWN, "codes"),  # its ingredient
        (allergy(PENICILLIN), KNOWN, "codes"),  # what stands above the ingredient
        (allergy(text="Amoxicillin"), NOTHING, "names"),
        (allergy(text="amoxicillin 250 mg"), NOTHING, "names"),
        (allergy(text="x", reaction=[{"substance": concept(AMOXICILLIN), "manifestation": []}]), KNOWN, "codes"),
    ],
)
@pytest.mark.spec("FHIR R4 allergyintolerance.html")
def test_an_allergy_is_met(recorded: Json, knowledge: Knowledge, how: str) -> None:
    """By the product, an ingredient, a class of the ingredient, or a name, as a whole or of one reaction."""
    (found,) = warned(rules.allergies(ORDER, [recorded], knowledge))
    assert (found.kind, found.implicated) == (Kind.ALLERGY, ("AllergyIntolerance/a",))
    assert f"Found by their {how}" in found.detail


@pytest.mark.parametrize(
    "recorded",
    [
        allergy(AMOXICILLIN),  # nobody knows that the capsule holds it
        allergy((ATC, "723")),  # the same code of another system
        allergy(text="moxi"),
        allergy(text="MG"),
        allergy(text=""),
        allergy(CAPSULE, clinicalStatus=concept(("urn:s", "resolved"))),
        allergy(CAPSULE, clinicalStatus=concept(("urn:s", "inactive"))),
        allergy(CAPSULE, verificationStatus=concept(("urn:s", "refuted"))),
        allergy(CAPSULE, verificationStatus=concept(("urn:s", "entered-in-error"))),
    ],
)
def test_what_is_no_allergy_to_it(recorded: Json) -> None:
    """Other substances, parts of words, and allergies that were refuted or are over."""
    assert warned(rules.allergies(ORDER, [recorded], NOTHING)) == []


@pytest.mark.parametrize(
    ("more", "indicator"),
    [
        ({"criticality": "high"}, Indicator.CRITICAL),
        ({"criticality": "low"}, Indicator.WARNING),
        ({}, Indicator.WARNING),
        ({"reaction": [{"severity": "severe", "manifestation": [{"text": "anaphylaxis"}]}]}, Indicator.CRITICAL),
    ],
)
def test_how_much_an_allergy_matters(more: Json, indicator: Indicator) -> None:
    """By its criticality, or a reaction that was severe, which is told."""
    (found,) = warned(rules.allergies(ORDER, [allergy(CAPSULE, **more)], NOTHING))
    assert found.indicator is indicator
    assert ("anaphylaxis" in found.detail) == ("reaction" in more)


def test_no_allergies_are_not_taken_for_none() -> None:
    """Where nobody has written anything down that is said; an allergy that was refuted is nothing either."""
    for recorded in ([], [allergy(CAPSULE, verificationStatus=concept(("urn:s", "refuted")))]):
        (found,) = rules.allergies(ORDER, recorded, NOTHING)
        assert (found.indicator, found.needs_answer) == (Indicator.INFO, False)


@pytest.mark.parametrize(
    ("other", "how"),
    [
        (Drug("MedicationRequest/o", "other name", frozenset({CAPSULE})), "the same medication"),
        (Drug("MedicationRequest/o", "amoxicillin  250 mg oral CAPSULE"), "the same medication"),
        (Drug("MedicationRequest/o", "syrup", frozenset({AMOXICILLIN})), "an ingredient in common"),
        (Drug("MedicationStatement/o", "mix", frozenset(), frozenset({AMOXICILLIN})), "an ingredient in common"),
    ],
)
def test_a_duplicate(other: Drug, how: str) -> None:
    """The same by code or name, or one that has an ingredient of it."""
    (found,) = rules.duplicates(ORDER, [other], KNOWN)
    assert (found.kind, found.implicated, found.needs_answer) == (Kind.DUPLICATE, (other.reference,), True)
    assert how in found.detail
    assert list(rules.duplicates(ORDER, [Drug("MedicationRequest/o", "else", frozenset({PENICILLIN}))], KNOWN)) == []


def test_an_interaction_is_found_either_way_round() -> None:
    """Also of a class of one with an ingredient of the other; each with who says so."""
    other = Drug("MedicationStatement/w", "warfarin", frozenset({(RX, "11289")}))
    for a, b in ((PENICILLIN, (RX, "11289")), ((RX, "11289"), PENICILLIN)):
        said = Interaction(a, b, "penicillins and warfarin", "high", "Bleeding.", "Look at the INR.", "Handbook")
        (found,) = rules.interacting(ORDER, [other], [said], KNOWN)
        assert (found.kind, found.indicator, found.source) == (Kind.INTERACTION, Indicator.CRITICAL, "Handbook")
        assert found.detail == "penicillins and warfarin. Bleeding. Look at the INR."
        assert list(rules.interacting(ORDER, [other], [said], NOTHING)) == []


def test_what_has_no_code_is_said_not_to_have_been_looked_at() -> None:
    """The order itself, and what the patient has."""
    free = Drug("MedicationRequest/f", "drops")
    assert [one.summary.partition(" has no code")[0] for one in rules.uncoded(free, [free, ORDER])] == ["drops"] * 2
    assert list(rules.uncoded(ORDER, [ORDER])) == []


def test_a_medication_is_what_it_refers_to() -> None:
    """A concept, a contained Medication, one of the catalogue with its Substances, or a name alone."""
    ingredients = [{"itemCodeableConcept": concept(AMOXICILLIN)}, {"itemReference": {"reference": "Substance/s"}}]
    medication = {"resourceType": "Medication", "id": "m", "code": concept(CAPSULE, "Amoxi"), "ingredient": ingredients}
    substance = {"resourceType": "Substance", "id": "s", "code": concept(PENICILLIN)}
    order: Json = {"resourceType": "MedicationRequest", "id": "r"}
    catalogue: dict[str, Json] = {"Medication/m": medication, "Substance/s": substance}
    whole = Drug("MedicationRequest/r", "Amoxi", frozenset({CAPSULE}), frozenset({AMOXICILLIN, PENICILLIN}))
    assert drug_of(order | {"medicationReference": {"reference": "Medication/m"}}, catalogue) == whole
    inside = order | {"medicationReference": {"reference": "#m"}, "contained": [medication]}
    assert drug_of(inside, {"Substance/s": substance}) == whole
    named = drug_of(order | {"medicationReference": {"reference": "Medication/x", "display": "Drops"}}, {})
    assert (named.name, named.substances) == ("Drops", frozenset())
    coded = drug_of(order | {"medicationCodeableConcept": concept(CAPSULE, "Amoxi")}, {})
    assert coded.codes == {CAPSULE}


def test_a_finding_keeps_its_name() -> None:
    """As long as it says the same: an answer to another one is none."""
    first = Finding(Kind.ALLERGY, Indicator.WARNING, "a", "b", ("c",))
    assert first.key == Finding(Kind.ALLERGY, Indicator.WARNING, "a", "b", ("c",)).key
    others = [
        Finding(Kind.DUPLICATE, Indicator.WARNING, "a", "b", ("c",)),
        Finding(Kind.ALLERGY, Indicator.CRITICAL, "a", "b", ("c",)),
        Finding(Kind.ALLERGY, Indicator.WARNING, "ab", "", ("c",)),
        Finding(Kind.ALLERGY, Indicator.WARNING, "a", "b", ("d",)),
        Finding(Kind.ALLERGY, Indicator.WARNING, "a", "b", ("c",), "who"),
    ]
    assert len({one.key for one in (first, *others)}) == 6
