"""The sections of a record: what is looked for in each, and what of it belongs to a period.

Problems, allergies, medication and goals that still stand are in a record whatever its period; what is over is in it if
it was not over before the period began. Measurements, appointments and reports are those of the period.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.kernel.clock import instant
from healix_fhir.operation.measurement.metrics import LOINC, METRICS

Json = dict[str, Any]
MOST = 300
"""Entries of a section, the newest."""
MOST_VALUES = 10_000
"""Measurements, the newest."""
HEAVIEST, HEAVIEST_VALUE = 64 << 10, 8 << 10
"""Bytes of an entry, and of a measurement; larger ones are counted and left out."""
STRIP = f"{LOINC}|{METRICS['ecg'].loinc[0]}"
MOST_STRIPS, HEAVIEST_STRIP = 3, 512 << 10
"""ECG strips, the newest, and the bytes of one: a minute of a thousand samples a second."""


class Wanted(msgspec.Struct, frozen=True):
    """A search of the patient's resources of a type; `dated` if only those of the period are meant. `newest`: nobody
    misses older ones than the `most`.
    """

    type: str
    params: tuple[tuple[str, str], ...] = ()
    dated: str = ""
    most: int = MOST
    heaviest: int = HEAVIEST
    newest: bool = False


RIGHT = ("status:not", "entered-in-error")
VERIFIED = ("verification-status:not", "entered-in-error,refuted")
SECTIONS: dict[str, tuple[Wanted, ...]] = {
    "problems": (Wanted("Condition", (VERIFIED,)),),
    "medication": (
        Wanted("MedicationRequest", (("status:not", "entered-in-error,draft"),)),
        Wanted("MedicationStatement", (RIGHT,)),
    ),
    "allergies": (Wanted("AllergyIntolerance", (VERIFIED,)),),
    "vitals": (
        Wanted(
            "Observation",
            (("category", "vital-signs,activity"), ("status:not", "entered-in-error,cancelled")),
            dated="date",
            most=MOST_VALUES,
            heaviest=HEAVIEST_VALUE,
        ),
        Wanted(
            "Observation",
            (("code", STRIP), ("status:not", "entered-in-error,cancelled")),
            dated="date",
            most=MOST_STRIPS,
            heaviest=HEAVIEST_STRIP,
            newest=True,
        ),
    ),
    "goals": (Wanted("Goal", (("lifecycle-status:not", "entered-in-error,rejected"),)),),
    "appointments": (Wanted("Appointment", (RIGHT,), dated="date"),),
    "reports": (Wanted("DiagnosticReport", (("status:not", "entered-in-error,cancelled"),), dated="date"),),
}
"""In the order of the document."""


OVER = ("completed", "stopped", "cancelled")


class Period(msgspec.Struct, frozen=True):
    """From a moment up to another, both in UTC."""

    start: datetime
    end: datetime


def conditions_of(wanted: Wanted, patient: str, period: Period) -> list[tuple[str, str]]:
    """The parameters of the search of a section."""
    dated = ((wanted.dated, f"ge{instant(period.start)}"), (wanted.dated, f"lt{instant(period.end)}"))
    return [("patient", f"Patient/{patient}"), *wanted.params, *(dated if wanted.dated else ())]


def belongs(resource: Json, period: Period) -> bool:
    """Whether what is found without a date belongs to the period: it began before the period's end, and was not over
    before its begin. What says nothing of its times belongs to every period.
    """
    begin, end = _begin(resource), _end(resource)
    started = instant(period.start)[:10]
    return begin < instant(period.end) and (not end or end[:10] >= started[: len(end)])


def _begin(resource: Json) -> str:
    """When what a resource tells of began, as it is written there: years, months and days compare as texts."""
    periods = (resource.get(name, {}).get("start") for name in ("onsetPeriod", "effectivePeriod"))
    dates = (resource.get(name) for name in ("onsetDateTime", "effectiveDateTime", "authoredOn", "startDate"))
    return str(next(filter(None, (*dates, *periods)), ""))


def _end(resource: Json) -> str:
    """When it was over, if it is."""
    periods = (resource.get(name, {}).get("end") for name in ("abatementPeriod", "effectivePeriod"))
    found = next(filter(None, (resource.get("abatementDateTime"), *periods)), "")
    if not found and resource.get("status") in OVER:
        found = _begin(resource)
    if not found and resource.get("lifecycleStatus") in OVER:
        found = resource.get("statusDate", "")
    return str(found)
