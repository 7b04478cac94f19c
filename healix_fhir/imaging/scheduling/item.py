"""The worklist item that an order is: a ServiceRequest with what it refers to, and what refers to it; pure.

| of the worklist item | from |
|---|---|
| patient | `subject` |
| when | `Appointment.start`, `Task.restriction` or `executionPeriod`, `occurrence`, `authoredOn`; the first there is |
| station | AE titles (identifiers of `AE_TITLE`) of who performs: `performer`, `locationReference`, owners and actors |
| performing physician | a Practitioner among these |
| accession number | the identifier of type ACSN, else FILL, if it has 16 characters at most |
| requested procedure ID | the identifier of type FILL, else PLAC |
| study | the identifier of the system `urn:dicom:uid` |

Spec: FHIR R4, hl7.org/fhir/R4/servicerequest.html; PS3.3 C.2, C.3, C.4.10 to C.4.12 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.content import made
from dicomweb.procedure.scheduled.states import State
from dicomweb.uid import is_uid
from healix_fhir.imaging.elements import UID_SYSTEM, calendar_date, text
from healix_fhir.imaging.scheduling.kinds import UNKNOWN, modality, of_order
from healix_fhir.imaging.scheduling.people import patient_id, practitioner_of
from healix_fhir.imaging.scheduling.values import (
    SEX,
    Moment,
    code_item,
    codings,
    cut,
    fitting,
    moment,
    of_types,
    person_name,
    said,
)
from healix_fhir.imaging.whose import of_one_patient
from healix_fhir.kernel.clock import instant, now

Json = Mapping[str, Any]

AE_TITLE = "urn:healix:dicom:ae-title"
"""The system of identifiers that are AE titles, of a Device, Location or HealthcareService."""
IS_TITLE = re.compile(r"[ -\[\]-~]{1,16}", re.ASCII)
"""Spec: PS3.5 6.2, VR AE (2024d)"""
PRIORITY = {"stat": "STAT", "asap": "HIGH", "urgent": "HIGH", "routine": "ROUTINE"}
"""Spec: PS3.3 C.4.11, Requested Procedure Priority (2024d)"""
INTENTS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
STATES = {"active": State.SCHEDULED, "completed": State.COMPLETED, "draft": State.WAITING, "on-hold": State.WAITING,
          "unknown": State.WAITING}  # fmt: skip
ENDED = frozenset({"cancelled", "rejected", "failed", "entered-in-error", "noshow", "completed"})
"""Statuses in which a Task or an Appointment says nothing of what is to come."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its surroundings: `tasks` and `appointments` refer to it; `known` are resources by `Type/id`.

    What is of another patient says nothing of it.
    """

    body: Json
    tasks: Sequence[Json] = ()
    appointments: Sequence[Json] = ()
    known: Mapping[str, Json] = field(default_factory=dict)

    def resource(self, reference: Json | None) -> Json:
        """What a reference means, as far as it is known."""
        return self.known.get((reference or {}).get("reference", ""), {})

    @property
    def plans(self) -> list[Json]:
        """The Appointments and Tasks of its patient."""
        return [one for one in (*self.appointments, *self.tasks) if of_one_patient(self.body, one)]

    @property
    def coming(self) -> list[Json]:
        """Those that plan it still."""
        return [one for one in self.plans if one.get("status") not in ENDED]

    @property
    def visit(self) -> Json:
        """The Encounter that it is made in."""
        found = self.resource(self.body.get("encounter"))
        return found if of_one_patient(self.body, found) else {}

    def performers(self) -> Iterator[Json]:
        """References to who and what performs it, the nearest in time first."""
        for one in self.coming:
            yield from (participant["actor"] for participant in one.get("participant", ()) if "actor" in participant)
            yield from (one[name] for name in ("owner", "location") if name in one)
        yield from self.body.get("performer", ())
        yield from self.body.get("locationReference", ())


def state(order: Order) -> State:
    """How the order's step stands."""
    body = order.body
    if body.get("intent") not in INTENTS or body.get("doNotPerform") is True:
        return State.CANCELED
    found = STATES.get(body.get("status", ""), State.CANCELED)
    if found is not State.SCHEDULED:
        return found
    statuses = {one.get("status") for one in order.plans}
    if "ready" in statuses:
        return State.READY
    visiting = order.visit.get("status") in ("arrived", "triaged", "in-progress")
    return State.ARRIVED if visiting or statuses & {"arrived", "checked-in"} else State.SCHEDULED


def item(order: Order, zone: tzinfo | None = None) -> DataSet:
    """The data set of the order's worklist item; times are on the clocks of `zone`, else as they are written."""
    body = order.body
    when = starts(order, zone)
    procedure = said(body.get("code"))
    attributes = {
        **_patient(order),
        **_visit(order.visit),
        **_request(order),
        "RequestedProcedureDescription": cut(procedure, 64),
        "RequestedProcedureCodeSequence": _codes(body.get("code"))[:1],
        "RequestedProcedurePriority": PRIORITY.get(body.get("priority", "routine")),
        "RequestedProcedureComments": "\n".join(str(note.get("text", "")) for note in body.get("note", ()))[
            :10240
        ].strip(),
        "ReasonForTheRequestedProcedure": cut(", ".join(filter(None, map(said, body.get("reasonCode", ())))), 64),
        "ReasonForRequestedProcedureCodeSequence": _codes(*body.get("reasonCode", ())),
        "PatientTransportArrangements": None,
        "ReferencedStudySequence": None,
        "ScheduledProcedureStepSequence": [made(_step(order, when, procedure))],
    }
    if when.zone:
        attributes["TimezoneOffsetFromUTC"] = when.zone
    return made(attributes)


def starts(order: Order, zone: tzinfo | None) -> Moment:
    """When the step is to begin, by the nearest that says so."""
    body = order.body
    timing = body.get("occurrenceTiming", {})
    written = (
        *sorted(one["start"] for one in order.coming if one.get("start")),
        *(one.get("restriction", {}).get("period", {}).get("start") for one in order.coming),
        *(one.get("executionPeriod", {}).get("start") for one in order.coming),
        body.get("occurrenceDateTime"),
        body.get("occurrencePeriod", {}).get("start"),
        *timing.get("event", ()),
        timing.get("repeat", {}).get("boundsPeriod", {}).get("start"),
        body.get("authoredOn"),
        body.get("meta", {}).get("lastUpdated"),
    )
    found = next((one for value in written if (one := moment(value, zone)) is not None and one.date), None)
    return found or moment(instant(now()), zone) or Moment("")


def _step(order: Order, when: Moment, procedure: str) -> dict[str, Any]:
    resources = [(reference, order.resource(reference)) for reference in order.performers()]
    titles = dict.fromkeys(title for reference, one in resources for title in _titles(reference, one))
    places = [one.get("name") for reference, one in resources if one.get("resourceType") == "Location"]
    devices = [one for _, one in resources if one.get("resourceType") == "Device"]
    performers = (practitioner_of(reference, order.known) for reference, _ in resources)
    details = order.body.get("orderDetail", ())
    return {
        "ScheduledStationAETitle": list(titles),
        "ScheduledProcedureStepStartDate": when.date,
        "ScheduledProcedureStepStartTime": when.time,
        "Modality": of_order(order.body) or modality(codings(*(one.get("type") for one in devices))) or UNKNOWN,
        "ScheduledPerformingPhysicianName": next(filter(None, performers), None),
        "ScheduledProcedureStepDescription": cut(next(filter(None, map(said, details)), procedure), 64),
        "ScheduledProtocolCodeSequence": _codes(*details) or _codes(order.body.get("code")),
        "ScheduledStationName": cut(next((_device_name(one) for one in devices), ""), 16),
        "ScheduledProcedureStepLocation": cut(next(filter(None, places), ""), 16),
        "CommentsOnTheScheduledProcedureStep": str(order.body.get("patientInstruction", ""))[:10240].strip(),
        "PreMedication": None,
        "RequestedContrastAgent": None,
    }


def _titles(reference: Json, resource: Json) -> Iterator[str]:
    for one in (reference.get("identifier", {}), *_listed(resource.get("identifier"))):
        title = str(one.get("value", "")).strip()
        if one.get("system") == AE_TITLE and IS_TITLE.fullmatch(title):
            yield title


def _listed(value: Any) -> Sequence[Json]:
    return value if isinstance(value, list) else []


def _device_name(device: Json) -> str:
    return str(next((one.get("name") for one in device.get("deviceName", ()) if one.get("name")), ""))


def _patient(order: Order) -> dict[str, Any]:
    subject = order.body.get("subject", {})
    return patient_attributes(order.resource(subject), str(subject.get("display", ""))) | {
        **dict.fromkeys(("PatientWeight", "PatientSize", "PatientState", "PregnancyStatus", "MedicalAlerts")),
        **dict.fromkeys(("Allergies", "SpecialNeeds", "ConfidentialityConstraintOnPatientDataDescription")),
        "ReferencedPatientSequence": None,
    }


def patient_attributes(patient: Json, display: str = "") -> dict[str, Any]:
    """The attributes that identify a Patient, by keyword; `display` is what it is called where it has no name."""
    number, issuer = patient_id(patient)
    return {
        "PatientName": person_name(patient.get("name", ())) or cut(display, 64) or number,
        "PatientID": number,
        "IssuerOfPatientID": issuer,
        "PatientBirthDate": str(patient.get("birthDate", "")).replace("-", "") if _is_day(patient) else None,
        "PatientSex": SEX.get(patient.get("gender", "")),
    }


def _is_day(patient: Json) -> bool:
    return calendar_date(str(patient.get("birthDate", "")).replace("-", "")) is not None


def _visit(encounter: Json) -> dict[str, Any]:
    identifiers = encounter.get("identifier", ())
    number = of_types(identifiers, "VN", "AN") or next((one.get("value") for one in identifiers), "")
    places = (one.get("location", {}).get("display") for one in encounter.get("location", ()))
    return {"AdmissionID": fitting(number, 64), "CurrentPatientLocation": cut(next(filter(None, places), ""), 64)}


def _request(order: Order) -> dict[str, Any]:
    body = order.body
    identifiers = body.get("identifier", ())
    filler, placer = of_types(identifiers, "FILL"), of_types(identifiers, "PLAC")
    physician = practitioner_of(body.get("requester"), order.known)
    service = order.resource(body.get("requester"))
    given = {
        "AccessionNumber": fitting(of_types(identifiers, "ACSN"), 16) or fitting(filler, 16),
        "RequestedProcedureID": fitting(filler, 16) or fitting(placer, 16),
        "StudyInstanceUID": study_uid(body),
    }
    return {name: value for name, value in given.items() if value} | {
        "PlacerOrderNumberImagingServiceRequest": fitting(placer, 64),
        "FillerOrderNumberImagingServiceRequest": fitting(filler, 64),
        "RequestingPhysician": physician,
        "ReferringPhysicianName": physician,
        "RequestingService": cut(service.get("name"), 64) if service.get("resourceType") == "Organization" else None,
        **_accession_issuer(identifiers),
    }


def study_uid(order: Json) -> str:
    """The Study Instance UID that an order names; empty where it names none."""
    for one in order.get("identifier", ()):
        uid = str(one.get("value", "")).removeprefix("urn:oid:")
        if one.get("system") == UID_SYSTEM and is_uid(uid):
            return uid
    return ""


def _accession_issuer(identifiers: Sequence[Json]) -> dict[str, Any]:
    """Spec: PS3.3 10.14 (2024d)"""
    for one in identifiers:
        system = text(one.get("system")) or ""
        if any(coding.get("code") == "ACSN" for coding in codings(one.get("type"))) and system:
            oid = system.removeprefix("urn:oid:")
            kind = "ISO" if oid != system and is_uid(oid) else "URI"
            issuer = {"UniversalEntityID": oid if kind == "ISO" else system, "UniversalEntityIDType": kind}
            return {"IssuerOfAccessionNumberSequence": [made(issuer)]}
    return {}


def _codes(*concepts: Json | None) -> list[DataSet]:
    found = (code_item(coding, said(concept)) for concept in concepts for coding in codings(concept))
    return [made(one) for one in found if one is not None]
