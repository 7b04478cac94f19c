"""The distilled definitions, against numbers and facts restated from the specification."""

from __future__ import annotations

import pytest

from healix_fhir.model.definitions import (
    PATIENT_COMPARTMENT,
    TYPE_ID,
    TYPE_NAME,
    TYPES,
    children,
    compartment,
    elements,
    search_parameters,
)
from healix_fhir.model.distill_search import arms
from healix_fhir.model.elements import fhir_type, is_structure, required_codes
from healix_fhir.model.primitives import PRIMITIVES


@pytest.mark.spec("FHIR R4 resourcelist.html")
def test_resource_types() -> None:
    """The 146 concrete types of 4.0.1, each with a number that never changes."""
    assert len(TYPES) == 146
    assert list(TYPES) == sorted(TYPE_ID)
    assert {TYPE_ID[name] for name in ("Account", "Observation", "Patient", "VisionPrescription")} == {1, 96, 103, 146}
    assert all(TYPE_NAME[TYPE_ID[name]] == name for name in TYPES)


def test_every_type_name_leads_to_a_table() -> None:
    """No element is typed by a name without table or primitive check."""
    seen: set[str] = set()
    waiting = list(TYPES)
    while waiting:
        structure = waiting.pop()
        if structure in seen:
            continue
        seen.add(structure)
        for element in elements(structure).values():
            for type_name in element.types:
                assert type_name in PRIMITIVES or is_structure(type_name), (structure, element.name, type_name)
                if type_name not in PRIMITIVES:
                    waiting.append(type_name)
    assert len(seen) > 600


def test_element_facts() -> None:
    """Cardinality, types, targets, flags and bindings of known elements."""
    patient = elements("Patient")
    assert (patient["name"].min, patient["name"].max, patient["name"].types) == (0, None, ("HumanName",))
    assert patient["managingOrganization"].targets == ("Organization",)
    assert patient["deceased"].choice
    assert patient["active"].modifier
    assert patient["active"].summary
    assert not patient["photo"].summary
    assert elements("Observation")["status"].min == 1
    assert patient["id"].types == ("id",)
    assert elements("HumanName")["id"].types == ("string",)
    assert elements("SimpleQuantity")["comparator"].max == 0
    assert "modifierExtension" in elements("Patient.contact")
    assert "modifierExtension" not in elements("Timing.repeat")
    assert required_codes(patient["gender"].binding) == {
        "http://hl7.org/fhir/administrative-gender": ("male", "female", "other", "unknown")
    }


def test_children() -> None:
    """JSON properties of an element: one, one per type of a choice, or none."""
    assert children("Patient", "contact") == (("contact", "Patient.contact", "BackboneElement", True),)
    assert children("Patient", "deceased") == (
        ("deceasedBoolean", "boolean", "boolean", False),
        ("deceasedDateTime", "dateTime", "dateTime", False),
    )
    assert children("Patient", "deceased[x]") == children("Patient", "deceased")
    assert len(children("Extension", "value[x]")) == 50
    assert children("Patient", "nonsense") == ()
    assert children("Dosage.doseAndRate", "dose")[1] == ("doseQuantity", "SimpleQuantity", "Quantity", False)
    assert fhir_type("Observation.component") == "BackboneElement"


@pytest.mark.spec("FHIR R4 searchparameter-registry.html")
def test_search_parameters() -> None:
    """Known parameters, cut to their type; common ones for every type; ids unique."""
    observation = search_parameters("Observation")
    assert observation["date"].expression == "Observation.effective"
    assert observation["patient"].targets == ("Patient",)
    assert observation["_id"].expression == "Resource.id"
    assert [part.code for part in observation["code-value-quantity"].components] == ["code", "value-quantity"]
    assert search_parameters("InsurancePlan")["name"].expression == "InsurancePlan.name | InsurancePlan.alias"
    ids = [parameter.id for name in TYPES for parameter in search_parameters(name).values()]
    assert len(ids) == len(set(ids)) == 2575
    assert all(parameter.expression for name in TYPES for parameter in search_parameters(name).values())
    with pytest.raises(KeyError):
        search_parameters("Nonsense")


def test_parameter_ids_are_fixed() -> None:
    """Ids stand in stored index rows: these never change."""
    assert search_parameters("Account")["identifier"].id == 100
    assert search_parameters("Observation")["date"].id == 9620
    assert search_parameters("Observation")["_id"].id == 9690
    assert search_parameters("VisionPrescription")["_tag"].id == 14695


def test_union_arms() -> None:
    """A union is cut at its top level only."""
    union = "(A.b | A.c).d | AB.e | (A.f as X) | B.where(x = 'A.y | z')"
    assert arms(union, "A") == "(A.b | A.c).d | (A.f as X)"
    assert arms("b | C.d", "A") == "A.b"


@pytest.mark.spec("FHIR R4 compartmentdefinition-patient.html")
def test_patient_compartment() -> None:
    """The official compartment with our additions, every code a reference parameter of its type."""
    assert PATIENT_COMPARTMENT["Patient"] == ("{def}",)
    assert PATIENT_COMPARTMENT["Observation"] == ("subject", "performer")
    assert PATIENT_COMPARTMENT["Device"] == PATIENT_COMPARTMENT["Task"] == ("patient",)
    assert "Practitioner" not in PATIENT_COMPARTMENT
    assert len(compartment("Patient")) == 66
    for name, codes in PATIENT_COMPARTMENT.items():
        for code in codes if name not in ("Patient", "Binary") else ():
            assert search_parameters(name)[code].type == "reference"


@pytest.mark.parametrize(
    ("structure", "name"),
    [
        ("Meta", "project"),
        ("Meta", "account"),
        ("DeviceDefinition", "classification"),
        ("EvidenceVariable.characteristic", "linkId"),
        ("ResearchStudy", "comparisonGroup"),
        ("ResearchStudy", "studyDesign"),
    ],
)
def test_elements_of_others_are_not_r4(structure: str, name: str) -> None:
    """What our source of the definitions has added to R4, from later versions or of its own, is unknown here."""
    assert name not in elements(structure)
