"""The FHIR Procedure of a performed procedure step; pure.

Spec: FHIR R4, hl7.org/fhir/R4/procedure.html; PS3.3 C.4.13 to C.4.15 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from dicomweb.dicomjson.reading import DataSet
from dicomweb.index import moments as m
from dicomweb.procedure.content import items, name_of, text, values
from dicomweb.procedure.performed.attributes import DISCONTINUATION, SERIES
from dicomweb.procedure.performed.requirements import State
from healix_fhir.imaging.described import coding
from healix_fhir.imaging.elements import UID_SYSTEM, date_time, display_name
from healix_fhir.imaging.elements import text as clean
from healix_fhir.imaging.imaging_study import KEPT_META, OPERATOR, PERFORMER, procedure_id
from healix_fhir.imaging.scheduling.item import AE_TITLE

Json = dict[str, Any]

STATUS = {State.IN_PROGRESS: "in-progress", State.COMPLETED: "completed", State.DISCONTINUED: "stopped"}
DIAGNOSTIC = {"coding": [{"system": "http://snomed.info/sct", "code": "103693007", "display": "Diagnostic procedure"}]}
TIMEZONE = "00080201"
START, END = ("00400244", "00400245"), ("00400250", "00400251")


def procedure(
    uid: str,
    dataset: DataSet,
    patient: str,
    orders: Sequence[Mapping[str, Any]],
    existing: Mapping[str, Any] | None = None,
    zone: tzinfo | None = None,
) -> Json:
    """The resource, for the Patient of logical id `patient`; `orders` are the ServiceRequests that it performs, `zone`
    is where the modality's clock is, if the step does not say so.

    What others have added to the `existing` one stays; the elements below always follow the step.
    """
    encounters = [order["encounter"] for order in orders if "encounter" in order]
    ours: Json = {
        "resourceType": "Procedure",
        "id": procedure_id(uid),
        "identifier": [{"system": UID_SYSTEM, "value": f"urn:oid:{uid}"}],
        "basedOn": [{"reference": f"ServiceRequest/{order['id']}"} for order in orders],
        "status": STATUS[State(text(dataset, "00400252"))],
        "statusReason": _concept(dataset, DISCONTINUATION, ""),
        "category": DIAGNOSTIC,
        "code": _concept(dataset, "00081032", text(dataset, "00400254")) or _ordered(orders),
        "subject": {"reference": f"Patient/{patient}"},
        "encounter": encounters[0] if encounters else None,
        "performedPeriod": _present({"start": _moment(dataset, START, zone), "end": _moment(dataset, END, zone)}),
        "performer": [*_people(dataset), *_station(dataset)],
        "location": _shown(text(dataset, "00400243")),
        "note": [{"text": note}] if (note := clean(text(dataset, "00400280"))) else None,
    }
    kept = {key: value for key, value in (existing or {}).items() if key not in ours and key != "meta"}
    if meta := {key: value for key, value in (existing or {}).get("meta", {}).items() if key in KEPT_META}:
        kept["meta"] = meta
    return _present(ours) | kept


def _concept(dataset: DataSet, tag: str, meaning: str) -> Json | None:
    found = [one for item in items(dataset, tag) if (one := coding(item)) is not None]
    said = clean(meaning) or next((one["display"] for one in found if "display" in one), None)
    return _present({"coding": found, "text": said}) or None


def _ordered(orders: Sequence[Mapping[str, Any]]) -> Any:
    return next((order["code"] for order in orders if "code" in order), None)


def _moment(dataset: DataSet, tags: tuple[str, str], zone: tzinfo | None) -> str | None:
    day, clock = (text(dataset, tag) for tag in tags)
    return date_time(day, clock, text(dataset, TIMEZONE) or _offset(day, clock, zone))


def _offset(day: str, clock: str, zone: tzinfo | None) -> str | None:
    """What clocks of a zone differ from UTC at a moment."""
    try:
        local = datetime.combine(m.dates(day).low or m.MIDNIGHT, (m.times(clock).low or m.MIDNIGHT).time(), zone)
    except m.MalformedError:
        return None
    return local.strftime("%z")[:5] or None


def _people(dataset: DataSet) -> list[Json]:
    found = {}
    for series in items(dataset, SERIES):
        for function, tag in ((PERFORMER, "00081050"), (OPERATOR, "00081070")):
            if values(series, tag) and (name := display_name(name_of(series, tag))):
                found[function["code"], name] = {"function": {"coding": [function]}, "actor": {"display": name}}
    return list(found.values())


def _station(dataset: DataSet) -> list[Json]:
    title, name = text(dataset, "00400241"), clean(text(dataset, "00400242"))
    actor = {"type": "Device", "identifier": {"system": AE_TITLE, "value": title}, "display": name}
    return [{"actor": _present(actor)}]


def _shown(value: str) -> Json | None:
    return {"display": shown} if (shown := clean(value)) else None


def _present(element: Mapping[str, Any]) -> Json:
    return {key: value for key, value in element.items() if value is not None and value not in ([], {})}
