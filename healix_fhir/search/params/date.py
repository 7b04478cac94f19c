"""Date parameters: intervals by precision, and the main clinical date of each type.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#date
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.search.dates import INTERVAL_OF
from healix_fhir.search.params.collector import Collector, Emit

MAIN_DATE: Mapping[str, str] = {
    "AdverseEvent": "date",
    "AllergyIntolerance": "date",
    "Appointment": "date",
    "AuditEvent": "date",
    "Basic": "created",
    "Bundle": "timestamp",
    "CarePlan": "date",
    "CareTeam": "date",
    "ChargeItem": "occurrence",
    "Claim": "created",
    "ClaimResponse": "created",
    "ClinicalImpression": "date",
    "Communication": "sent",
    "CommunicationRequest": "authored",
    "Composition": "date",
    "Condition": "onset-date",
    "Consent": "date",
    "Contract": "issued",
    "CoverageEligibilityRequest": "created",
    "CoverageEligibilityResponse": "created",
    "DetectedIssue": "identified",
    "DeviceRequest": "authored-on",
    "DiagnosticReport": "date",
    "DocumentManifest": "created",
    "DocumentReference": "date",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "ExplanationOfBenefit": "created",
    "FamilyMemberHistory": "date",
    "Flag": "date",
    "Goal": "start-date",
    "ImagingStudy": "started",
    "Immunization": "date",
    "ImmunizationEvaluation": "date",
    "ImmunizationRecommendation": "date",
    "Invoice": "date",
    "List": "date",
    "MeasureReport": "date",
    "Media": "created",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "NutritionOrder": "datetime",
    "Observation": "date",
    "PaymentNotice": "created",
    "PaymentReconciliation": "created",
    "Procedure": "date",
    "Provenance": "recorded",
    "QuestionnaireResponse": "authored",
    "RequestGroup": "authored",
    "ResearchStudy": "date",
    "ResearchSubject": "date",
    "RiskAssessment": "date",
    "Schedule": "date",
    "ServiceRequest": "authored",
    "Slot": "start",
    "Specimen": "collected",
    "SupplyRequest": "date",
    "Task": "authored-on",
    "VisionPrescription": "datewritten",
}
"""The parameter, by resource type, whose interval every row of the resource carries as `d` and `d_hi`.

It says when the thing happened or, of an order or a document, was made; its element does not repeat. Its interval
stands in no `index_date` row. Types not named have no main date: what a Patient's birth date says is not when
something happened to the record.
"""


def is_main(type_name: str, code: str) -> bool:
    """Whether `code` is the parameter of the main clinical date of `type_name`."""
    return MAIN_DATE.get(type_name) == code


def emitter(param_id: int, fhir_type: str) -> Emit | None:
    """What adds the intervals of values of `fhir_type`; None for a type that is no date (Age, Range, string)."""
    interval_of = INTERVAL_OF.get(fhir_type)
    if interval_of is None:
        return None

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            interval = interval_of(value)
            if interval is not None:
                rows.dates.append((param_id, *interval))

    return emit


def main_emitter(fhir_type: str) -> Emit | None:
    """What sets the main clinical date from a value of `fhir_type`."""
    interval_of = INTERVAL_OF.get(fhir_type)
    if interval_of is None:
        return None

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            rows.main = rows.main or interval_of(value)

    return emit
