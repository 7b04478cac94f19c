"""Scopes in words that a patient understands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

from healix_fhir.kernel.language.catalogue import Words, say
from smart_auth.oauth.authorize.scopes import finer
from smart_auth.scope import OTHER_SCOPES, Context, Permission, Scope, parse_one

OTHER = Words(
    {
        "openid": "Know that it is you",
        "fhirUser": "Know who you are in this record",
        "profile": "Know your user name and role",
        "online_access": "Keep this access while you are signed in",
        "offline_access": "Keep this access also when you are away, until you take it back",
        "launch": "Know which patient you have open",
        "launch/patient": "Know which patient this is about",
        "launch/encounter": "Know which visit this is about",
    }
)
"""Scopes that open no data."""

THINGS = Words(
    {
        "*": "everything",
        "Account": "accounts of costs",
        "AdverseEvent": "unwanted events of treatment",
        "AllergyIntolerance": "allergies",
        "Appointment": "appointments",
        "AppointmentResponse": "answers to appointments",
        "AuditEvent": "the list of who looked at it",
        "Basic": "further entries",
        "Binary": "attached files",
        "BodyStructure": "parts of the body",
        "CarePlan": "care plans",
        "CareTeam": "care team",
        "ChargeItem": "costs of single services",
        "Claim": "bills",
        "ClaimResponse": "answers to bills",
        "ClinicalImpression": "assessments by clinicians",
        "Communication": "messages",
        "CommunicationRequest": "messages to be sent",
        "Composition": "summaries and letters",
        "Condition": "conditions and diagnoses",
        "Consent": "consents",
        "Coverage": "insurance",
        "CoverageEligibilityRequest": "questions to the insurance",
        "CoverageEligibilityResponse": "answers of the insurance",
        "DetectedIssue": "safety warnings",
        "Device": "devices",
        "DeviceMetric": "what devices measure",
        "DeviceRequest": "orders of devices",
        "DeviceUseStatement": "use of devices",
        "DiagnosticReport": "reports of laboratory and imaging",
        "DocumentManifest": "sets of documents",
        "DocumentReference": "documents",
        "Encounter": "visits and stays",
        "EnrollmentRequest": "enrollment in an insurance",
        "EpisodeOfCare": "periods of care",
        "ExplanationOfBenefit": "statements of the insurance",
        "FamilyMemberHistory": "illnesses in the family",
        "Flag": "warnings in the record",
        "Goal": "goals",
        "Group": "groups of people",
        "GuidanceResponse": "advice of decision support",
        "ImagingStudy": "images (such as X-ray, CT, MRI)",
        "Immunization": "vaccinations",
        "ImmunizationEvaluation": "assessments of vaccinations",
        "ImmunizationRecommendation": "vaccinations that are due",
        "Invoice": "invoices",
        "List": "lists",
        "Location": "places of care",
        "MeasureReport": "reports on quality",
        "Media": "photos and recordings",
        "MedicationAdministration": "medicines given",
        "MedicationDispense": "medicines handed out",
        "MedicationRequest": "prescriptions",
        "MedicationStatement": "medicines taken",
        "MolecularSequence": "genetic data",
        "NutritionOrder": "diets",
        "Observation": "measurements and test results (such as blood pressure, glucose)",
        "Organization": "clinics and organizations",
        "Patient": "name, date of birth, address and contacts",
        "Person": "persons",
        "Practitioner": "names of doctors and staff",
        "PractitionerRole": "roles of doctors and staff",
        "Procedure": "treatments and operations",
        "Provenance": "where entries come from",
        "QuestionnaireResponse": "answers to questionnaires",
        "RelatedPerson": "family and contacts",
        "RequestGroup": "groups of orders",
        "ResearchSubject": "part in studies",
        "RiskAssessment": "assessments of risk",
        "Schedule": "calendars",
        "ServiceRequest": "referrals and orders",
        "Slot": "times for appointments",
        "Specimen": "samples",
        "Subscription": "notifications",
        "SupplyDelivery": "deliveries",
        "SupplyRequest": "orders of supplies",
        "Task": "tasks",
        "VisionPrescription": "prescriptions of glasses",
    }
)
"""Resource types as people call them; others are named by their words."""

_OBSERVATIONS = "http://terminology.hl7.org/CodeSystem/observation-category"
_CONDITIONS = "http://terminology.hl7.org/CodeSystem/condition-category"
KINDS = Words(
    {
        f"{_CONDITIONS}|problem-list-item": "problems on the problem list",
        f"{_CONDITIONS}|encounter-diagnosis": "diagnoses made at a visit",
        "http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern": "health concerns",
        f"{_OBSERVATIONS}|laboratory": "laboratory results",
        f"{_OBSERVATIONS}|vital-signs": "vital signs (such as blood pressure, pulse, weight)",
        f"{_OBSERVATIONS}|imaging": "results of imaging",
        f"{_OBSERVATIONS}|social-history": "way of life (such as smoking, work)",
        f"{_OBSERVATIONS}|survey": "answers to health questionnaires",
        f"{_OBSERVATIONS}|exam": "findings of examinations",
        f"{_OBSERVATIONS}|procedure": "results of procedures",
        f"{_OBSERVATIONS}|therapy": "results of therapies",
        f"{_OBSERVATIONS}|activity": "activity (such as steps, sleep)",
    }
)
"""Categories of observations and conditions as people call them."""

LOOK = frozenset({Permission.READ, Permission.SEARCH})


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the consent page: the scope, what it means, and whether it lets the app change anything.

    `finer` are the choices instead of it, each a part of what it opens.
    """

    scope: str
    text: str
    changes: bool = False
    finer: tuple[Choice, ...] = ()


def choices(scopes: Iterable[str]) -> tuple[list[Choice], list[Choice]]:
    """The lines about a record, and those about the person and the app."""
    lines = [choice(scope) for scope in scopes]
    return [one for one in lines if one.scope not in OTHER_SCOPES], [one for one in lines if one.scope in OTHER_SCOPES]


def choice(scope: str) -> Choice:
    """One scope in words."""
    if scope in OTHER:
        return Choice(scope, OTHER[scope])
    clinical = parse_one(scope)
    parts = tuple(Choice(one, thing(parse_one(one))) for one in finer(scope))
    return Choice(scope, sentence(clinical), bool(clinical.permissions - LOOK), parts)


def sentence(scope: Scope) -> str:
    """A clinical scope in words, e.g. "See and add: allergies"."""
    verbs = [say("see")] if scope.permissions & LOOK else []
    verbs += [verb for permission, verb in _changes() if permission in scope.permissions]
    first = ", ".join(verbs[:-1])
    named = say("{first} and {last}", first=first, last=verbs[-1]) if first else verbs[0]
    told = f"{named[:1].upper()}{named[1:]}: {thing(scope)}"
    return say("{what}, of everyone whose record you can see", what=told) if scope.context is Context.USER else told


def _changes() -> Iterator[tuple[Permission, str]]:
    yield Permission.CREATE, say("add")
    yield Permission.UPDATE, say("change")
    yield Permission.DELETE, say("delete")


def _joined(parts: list[str]) -> str:
    return reduce(lambda first, last: say("{first} and {last}", first=first, last=last), parts) if parts else ""


def thing(scope: Scope) -> str:
    """What people call the resources of a scope."""
    if scope.query and all(name == "category" and value in KINDS for name, value in scope.query):
        return _joined([KINDS[value] for _, value in scope.query])
    either = f" {say('or')} "
    only = _joined([f"{name} {value.replace(',', either)}" for name, value in scope.query])
    return say("{what}, only with {only}", what=kind(scope.type), only=only) if only else kind(scope.type)


def kind(type_name: str) -> str:
    """What people call resources of a type."""
    return THINGS.get(type_name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type_name).lower()
