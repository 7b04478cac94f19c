"""A prescription as a document to print: who prescribes what to whom, in words, with a line to sign on.

Spec: FHIR R4, hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.care.reports.document import (
    Block,
    Column,
    Document,
    Fact,
    Facts,
    Heading,
    Notice,
    Paragraph,
    Signature,
    Table,
)
from healix_fhir.care.reports.words import words
from healix_fhir.care.reports.written import Written
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.operation.prescription.dosage import amount, in_words
from healix_fhir.operation.prescription.drug import NAMELESS, drug_of
from healix_fhir.operation.prescription.kept import is_signed
from healix_fhir.operation.prescription.repeats import Repeats
from healix_fhir.operation.told import concept_text

Json = Mapping[str, Any]
TOPIC = "prescription"


class Printed(msgspec.Struct, frozen=True):
    """What a prescription is printed of: the order, its patient and its prescriber, Medications by `Type/id`."""

    order: Json
    patient: Json
    prescriber: Json
    medications: Mapping[str, Json]
    repeats: Repeats
    names: tuple[str, str]
    """What people call the patient and the prescriber; empty where that is not known."""


def document(one: Printed, written: Written, made: datetime) -> Document:
    """The document, made at a moment, in the language that `written` is of. What a prescriber wrote stands as it is."""
    with speaking(written.language):
        return _document(one, written, made)


def _document(one: Printed, written: Written, made: datetime) -> Document:
    say = words(TOPIC, written.language)
    order, patient, prescriber = one.order, *(name or say["unknown"] for name in one.names)
    born = written.date(one.patient.get("birthDate"))
    day = written.date(order.get("authoredOn"))
    blocks: list[Block] = [
        *_warning(order, written, say),
        Facts(
            (
                Fact(say["patient"], patient),
                Fact(say["born"], born or say["unknown"]),
                Fact(say["number"], _number(one.patient) or say["unknown"]),
                Fact(say["address"], _address(one.patient) or say["unknown"]),
            ),
            framed=True,
        ),
        Heading(say["medication"]),
        _items(one, written, say),
        *_reasons(order, say),
        Heading(say["prescriber"]),
        Facts(
            (
                Fact(say["name"], prescriber),
                Fact(say["qualification"], _qualification(one.prescriber) or say["unknown"]),
                Fact(say["number"], _number(one.prescriber) or say["unknown"]),
                Fact(say["contact"], _telecom(one.prescriber) or say["unknown"]),
            )
        ),
        Signature(f"{prescriber}, {day}" if day else prescriber),
        Paragraph(_origin(order, prescriber, day or say["unknown"], say), soft=True),
    ]
    head = f"{patient} · {born}" if born else patient
    foot = say["printed"].format(moment=written.moment(made))
    return Document(say["title"], written.language, head, made, tuple(blocks), foot, subtitle=day)


def _origin(order: Json, prescriber: str, day: str, say: Mapping[str, str]) -> str:
    """Where it comes from: only what was signed here is said to be signed. The record is named with its version."""
    version = order.get("meta", {}).get("versionId")
    id_ = f"{order['id']}/_history/{version}" if version else str(order["id"])
    return say["signed" if is_signed(order) else "ordered"].format(prescriber=prescriber, day=day, id=id_)


def _warning(order: Json, written: Written, say: Mapping[str, str]) -> list[Block]:
    """What is not in use is no prescription to dispense by."""
    status = order.get("status")
    if status == "active":
        return []
    reason = concept_text(order.get("statusReason") or {})
    return [Notice(say["not active"].format(status=written.status(status)), reason, urgent=True)]


def _items(one: Printed, written: Written, say: Mapping[str, str]) -> Table:
    request = one.order.get("dispenseRequest") or {}
    drug = drug_of(one.order, one.medications)
    name = drug.name if drug.name != NAMELESS else say["unknown"]
    doses = "\n".join(filter(None, (in_words(dose) for dose in one.order.get("dosageInstruction", ()))))
    until = written.date((request.get("validityPeriod") or {}).get("end"))
    columns = (
        Column(say["what"], 2.2),
        Column(say["how"], 3.0),
        Column(say["quantity"], 1.2),
        Column(say["repeats"], 1.0, numbers=True),
    )
    row = (
        name,
        doses or say["unknown"],
        amount(request["quantity"]) if request.get("quantity") else say["unknown"],
        str(one.repeats.allowed - 1),
    )
    caption = say["until"].format(day=until) if until else ""
    return Table(columns, (row,), caption, strong=())


def _reasons(order: Json, say: Mapping[str, str]) -> list[Block]:
    reasons = ", ".join(filter(None, map(concept_text, order.get("reasonCode", ()))))
    notes = [str(note.get("text", "")) for note in order.get("note", ())]
    told: list[Block] = [Paragraph(say["for"].format(reason=reasons))] if reasons else []
    return [*told, *(Paragraph(note) for note in notes if note)]


def _number(person: Json) -> str:
    numbers = sorted(person.get("identifier", ()), key=lambda one: one.get("use") != "usual")
    return next((str(one["value"]) for one in numbers if one.get("value")), "")


def _address(person: Json) -> str:
    for one in person.get("address", ()):
        parts = (*one.get("line", ()), one.get("postalCode"), one.get("city"), one.get("state"), one.get("country"))
        return str(one.get("text") or ", ".join(str(part) for part in parts if part))
    return ""


def _qualification(person: Json) -> str:
    return ", ".join(filter(None, (concept_text(one.get("code") or {}) for one in person.get("qualification", ()))))


def _telecom(person: Json) -> str:
    return ", ".join(str(one["value"]) for one in person.get("telecom", ()) if one.get("value"))
