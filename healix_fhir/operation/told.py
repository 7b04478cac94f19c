"""Clinical resources told to people: a row for each with when, what and how, as a narrative of a section.

Spec: FHIR R4, hl7.org/fhir/R4/narrative.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

Json = Mapping[str, Any]

WHAT = ("code", "medicationCodeableConcept", "vaccineCode", "scope", "type")
WHEN = (
    "effectiveDateTime", "effectivePeriod", "effectiveInstant", "onsetDateTime", "onsetPeriod", "occurrenceDateTime",
    "performedDateTime", "performedPeriod", "timingDateTime", "timingPeriod", "authoredOn", "recordedDate",
    "recordedOn", "period", "created", "dateTime", "dateAsserted", "issued",
)  # fmt: skip
HOW = ("valueString", "valueDateTime", "valueInteger", "valueBoolean", "criticality", "status")
CONCEPTS = ("valueCodeableConcept", "clinicalStatus", "verificationStatus")
COLUMNS = ("When", "What", "Details")


def narrative(resources: Sequence[Json], medications: Mapping[str, Json], note: str = "") -> dict[str, str]:
    """A table of the resources, or the `note` alone; `medications` are by the text that refers to them."""
    rows = "".join(_row([_when(one), _what(one, medications), "; ".join(_details(one))]) for one in resources)
    head = "".join(f"<th>{column}</th>" for column in COLUMNS)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    said = f"<p>{escape(note)}</p>" if note else ""
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{said}{table}</div>'}


def _row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def concept_text(concept: Json) -> str:
    """What people call a concept."""
    codings = [one.get("display") or one.get("code", "") for one in concept.get("coding", ())]
    return str(concept.get("text") or next(filter(None, codings), ""))


def _what(resource: Json, medications: Mapping[str, Json]) -> str:
    reference = resource.get("medicationReference") or resource.get("device") or {}
    named = medications.get(reference.get("reference", ""), {})
    for holder in (resource, named):
        for key in WHAT:
            value = holder.get(key)
            for concept in value if isinstance(value, list) else [value]:
                if isinstance(concept, Mapping) and (text := concept_text(concept)):
                    return text
    return str(resource.get("title") or reference.get("display") or resource.get("description") or "")


def _when(resource: Json) -> str:
    for key in WHEN:
        value = resource.get(key)
        if isinstance(value, Mapping):
            return " to ".join(str(value[end])[:10] for end in ("start", "end") if end in value)
        if value is not None:
            return str(value)[:10]
    return ""


def _details(resource: Json) -> Iterator[str]:
    if "valueQuantity" in resource:
        yield _quantity(resource["valueQuantity"])
    for part in resource.get("component", ()):
        if "valueQuantity" in part:
            yield f"{concept_text(part['code'])} {_quantity(part['valueQuantity'])}"
    for key in CONCEPTS:
        if key in resource:
            yield concept_text(resource[key])
    for key in HOW:
        if key in resource:
            yield str(resource[key])
    for dose in (*resource.get("dosage", ()), *resource.get("dosageInstruction", ())):
        if "text" in dose:
            yield str(dose["text"])


def _quantity(quantity: Json) -> str:
    parts = (quantity.get("comparator"), quantity.get("value"), quantity.get("unit") or quantity.get("code"))
    return " ".join(str(part) for part in parts if part is not None)
