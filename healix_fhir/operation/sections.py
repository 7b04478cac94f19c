"""The sections of an International Patient Summary: what belongs in each, and how it is told.

Each row names the section's LOINC code and what is looked for: a search of the patient's resources. Three sections are
in every summary, without entries too; the others only where there is something to tell.

Spec: HL7 International Patient Summary 1.1, hl7.org/fhir/uv/ips/STU1.1/StructureDefinition-Composition-uv-ips.html
"""

from __future__ import annotations

import msgspec

INACTIVE = "inactive,remission,resolved"


class Wanted(msgspec.Struct, frozen=True):
    """A search for entries: `newest` takes only the newest of each code."""

    type: str
    params: tuple[tuple[str, str], ...] = ()
    newest: bool = False


class Section(msgspec.Struct, frozen=True):
    """A section: its LOINC code, title, what is searched for, and whether it is always there."""

    code: str
    title: str
    wanted: tuple[Wanted, ...]
    required: bool = False


def _observations(*params: tuple[str, str]) -> Wanted:
    return Wanted("Observation", (*params, ("status:not", "entered-in-error,cancelled")), newest=True)


CURRENT = ("status:not", "entered-in-error,cancelled,stopped,draft,completed,not-taken")
VALID = ("verification-status:not", "entered-in-error,refuted")
SECTIONS = (
    Section(
        "48765-2",
        "Allergies and Intolerances",
        (Wanted("AllergyIntolerance", (VALID, ("clinical-status:not", "inactive,resolved"))),),
        required=True,
    ),
    Section(
        "10160-0",
        "Medication Summary",
        (Wanted("MedicationStatement", (CURRENT,)), Wanted("MedicationRequest", (CURRENT,))),
        required=True,
    ),
    Section(
        "11450-4", "Problem List", (Wanted("Condition", (VALID, ("clinical-status:not", INACTIVE))),), required=True
    ),
    Section("11369-6", "Immunizations", (Wanted("Immunization", (("status", "completed"),)),)),
    Section(
        "30954-2",
        "Results",
        (
            _observations(("category", "laboratory,imaging")),
            Wanted("DiagnosticReport", (("status:not", "entered-in-error,cancelled"),)),
        ),
    ),
    Section("47519-4", "History of Procedures", (Wanted("Procedure", (("status:not", "entered-in-error,not-done"),)),)),
    Section("46264-8", "Medical Devices", (Wanted("DeviceUseStatement"),)),
    Section("8716-3", "Vital Signs", (_observations(("category", "vital-signs")),)),
    Section("29762-2", "Social History", (_observations(("category", "social-history")),)),
    Section("11348-0", "History of Past Illness", (Wanted("Condition", (VALID, ("clinical-status", INACTIVE))),)),
    Section(
        "10162-6",
        "History of Pregnancy",
        (_observations(("code", "http://loinc.org|82810-3,http://loinc.org|11778-8")),),
    ),
    Section("18776-5", "Plan of Care", (Wanted("CarePlan", (("status", "active,on-hold"),)),)),
    Section("42348-3", "Advance Directives", (Wanted("Consent", (("scope", "adr"), ("status", "active"))),)),
)
"""In the order of the guide."""
