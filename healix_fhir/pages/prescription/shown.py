"""Prescriptions and medicines as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from healix_fhir.kernel.language.catalogue import Words, say
from healix_fhir.operation.prescription.dosage import amount, in_words
from healix_fhir.operation.prescription.drug import NAMELESS, drug_of
from healix_fhir.operation.prescription.repeats import Repeats
from healix_fhir.operation.told import concept_text

Json = Mapping[str, Any]
STATUSES = Words(
    {
        "active": "in use",
        "on-hold": "paused",
        "stopped": "stopped",
        "cancelled": "withdrawn",
        "completed": "finished",
        "draft": "draft, not signed",
        "entered-in-error": "entered by mistake",
        "unknown": "not known",
        "intended": "planned",
        "not-taken": "not taken",
    }
)
DAY = len("2000-01-31")


class Line(msgspec.Struct, frozen=True):
    """One prescription or medicine. `doses` are in words, `repeats` None where nothing is dispensed by it."""

    id: str
    patient: str
    name: str
    doses: tuple[str, ...]
    status: str
    said: str
    reason: str
    by: str
    since: str
    until: str
    note: str
    repeats: Repeats | None = None
    quantity: str = ""
    waiting: bool = False
    based: str = ""


def line(
    resource: Json, medications: Mapping[str, Json], repeats: Repeats | None = None, waiting: bool = False
) -> Line:
    """A MedicationRequest or MedicationStatement as a line; `waiting`: a further one has been asked for."""
    status = str(resource.get("status", "unknown"))
    request = resource.get("dispenseRequest") or {}
    drug = drug_of(resource, medications)
    period = resource.get("effectivePeriod") or request.get("validityPeriod") or {}
    since = resource.get("authoredOn") or period.get("start") or resource.get("effectiveDateTime") or ""
    return Line(
        str(resource["id"]),
        patient_of(resource),
        drug.name if drug.name != NAMELESS else say("Name not recorded"),
        tuple(filter(None, map(in_words, (*resource.get("dosageInstruction", ()), *resource.get("dosage", ()))))),
        status,
        STATUSES.get(status, status),
        _reason(resource.get("statusReason")),
        _name(resource.get("requester") or resource.get("informationSource") or {}),
        str(since)[:DAY],
        str(period.get("end", ""))[:DAY],
        " ".join(str(one.get("text", "")) for one in resource.get("note", ())),
        repeats,
        amount(request.get("quantity") or {}),
        waiting,
        based_on(resource),
    )


def patient_of(resource: Json) -> str:
    """The id of the patient whom a resource is about, of whichever version."""
    return str(resource.get("subject", {}).get("reference", "")).rpartition("Patient/")[2].partition("/_history/")[0]


def based_on(resource: Json) -> str:
    """The id of the order that a request for a refill is about."""
    for one in resource.get("basedOn", ()):
        head, found, id_ = str(one.get("reference", "")).rpartition("MedicationRequest/")
        if found and not head:
            return id_
    return ""


def _reason(told: Any) -> str:
    """MedicationRequest.statusReason is one, MedicationStatement.statusReason several."""
    return ", ".join(filter(None, map(concept_text, told if isinstance(told, list) else [told or {}])))


def _name(reference: Json) -> str:
    return str(reference.get("display") or "")
