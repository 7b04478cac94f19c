"""Scopes in words that a patient understands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from smart_auth.scope import OTHER_SCOPES, Context, Permission, Scope, parse

OTHER = {
    "openid": "Know that it is you",
    "fhirUser": "Know who you are in this record",
    "profile": "Know your user name and role",
    "online_access": "Keep this access while you are signed in",
    "offline_access": "Keep this access also when you are away, until you take it back",
    "launch": "Know which patient you have open",
    "launch/patient": "Know which patient this is about",
    "launch/encounter": "Know which visit this is about",
}
"""Scopes that open no data."""

THINGS = {
    "*": "everything",
    "AllergyIntolerance": "allergies",
    "Appointment": "appointments",
    "Binary": "attached files",
    "CarePlan": "care plans",
    "CareTeam": "care team",
    "Claim": "bills",
    "Communication": "messages",
    "Condition": "conditions and diagnoses",
    "Consent": "consents",
    "Coverage": "insurance",
    "Device": "devices",
    "DiagnosticReport": "reports of laboratory and imaging",
    "DocumentReference": "documents",
    "Encounter": "visits and stays",
    "FamilyMemberHistory": "illnesses in the family",
    "Goal": "goals",
    "ImagingStudy": "images (such as X-ray, CT, MRI)",
    "Immunization": "vaccinations",
    "Location": "places of care",
    "MedicationAdministration": "medicines given",
    "MedicationDispense": "medicines handed out",
    "MedicationRequest": "prescriptions",
    "MedicationStatement": "medicines taken",
    "Observation": "measurements and test results (such as blood pressure, glucose)",
    "Organization": "clinics and organizations",
    "Patient": "name, date of birth, address and contacts",
    "Practitioner": "names of doctors and staff",
    "PractitionerRole": "roles of doctors and staff",
    "Procedure": "treatments and operations",
    "QuestionnaireResponse": "answers to questionnaires",
    "RelatedPerson": "family and contacts",
    "ServiceRequest": "referrals and orders",
    "Specimen": "samples",
}
"""Resource types as people call them; others are named by their words."""

LOOK = frozenset({Permission.READ, Permission.SEARCH})
VERBS = ((Permission.CREATE, "add"), (Permission.UPDATE, "change"), (Permission.DELETE, "delete"))


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the consent page: the scope, what it means, and whether it lets the app change anything."""

    scope: str
    text: str
    changes: bool = False


def choices(scopes: Iterable[str]) -> tuple[list[Choice], list[Choice]]:
    """The lines about a record, and those about the person and the app."""
    lines = [choice(scope) for scope in scopes]
    return [one for one in lines if one.scope not in OTHER_SCOPES], [one for one in lines if one.scope in OTHER_SCOPES]


def choice(scope: str) -> Choice:
    """One scope in words."""
    if scope in OTHER:
        return Choice(scope, OTHER[scope])
    clinical = next(iter(parse(scope)))
    return Choice(scope, sentence(clinical), bool(clinical.permissions - LOOK))


def sentence(scope: Scope) -> str:
    """A clinical scope in words, e.g. "See and add: allergies"."""
    verbs = ["see"] if scope.permissions & LOOK else []
    verbs += [verb for permission, verb in VERBS if permission in scope.permissions]
    named = verbs[0] if len(verbs) == 1 else f"{', '.join(verbs[:-1])} and {verbs[-1]}"
    whose = ", of all patients in your care" if scope.context is Context.USER else ""
    return f"{named.capitalize()}: {thing(scope.type)}{whose}"


def thing(type_name: str) -> str:
    """What people call a resource type."""
    return THINGS.get(type_name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type_name).lower()
