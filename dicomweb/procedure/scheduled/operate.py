"""The worklist in an operator's hands: steps that no order asks for are put there and taken away.

Spec: PS3.3 C.4.10 to C.4.12 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dicomweb.dicomjson.reading import DataSet, checked
from dicomweb.procedure.content import items, made, name_of, text, values
from dicomweb.procedure.scheduled.attributes import ACCESSION, PATIENT_ID, STEP, STUDY_UID
from dicomweb.procedure.scheduled.rows import insert
from dicomweb.procedure.scheduled.states import Performed, State, shown
from dicomweb.procedure.tables import LISTED
from healix_fhir.kernel.audit import OPERATOR, AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid, not_found

WORD = "worklist"
MOST = 10_000
"""Steps that are listed at once."""
NEEDED = ("PatientID", "PatientName")
EMPTY = (
    "PatientBirthDate", "PatientSex", "PatientWeight", "ReferringPhysicianName", "RequestingPhysician", "AdmissionID",
    "CurrentPatientLocation", "RequestedProcedurePriority", "PatientTransportArrangements", "ReferencedStudySequence",
    "ReferencedPatientSequence", "Allergies", "MedicalAlerts", "PatientState", "PregnancyStatus", "SpecialNeeds",
    "ConfidentialityConstraintOnPatientDataDescription",
)  # fmt: skip
"""Attributes that an item has, if only without a value (return key type 2)."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A step of the worklist as it is shown to an operator."""

    step: str
    status: str
    patient_id: str
    patient_name: str
    accession: str
    study: str
    date: str
    time: str
    modality: str
    stations: list[str]
    description: str
    order: str | None


def add(attributes: Mapping[str, Any], step: Mapping[str, Any], patient: str | None) -> Work[Listed]:
    """Put a step on the list; `attributes` and those of the `step` by keyword, `patient` whose it is, if known.

    Raises Invalid for what cannot be the value of an attribute, and where the patient is not named.
    """
    for keyword in NEEDED:
        if not attributes.get(keyword):
            raise invalid(f"{keyword} must have a value", code="required")
    given = made({**dict.fromkeys(EMPTY), **attributes, "ScheduledProcedureStepSequence": [made(step)]})
    dataset = yield from insert(checked(given), patient)
    listed = _listed(dataset, State.SCHEDULED, Performed.NOTHING, None)
    yield record([AuditRow(OPERATOR, "C", WORD, patient=patient, entity=listed.step)])
    return listed


def every() -> Work[list[Listed]]:
    """The steps that are on the list, in the order in which they begin."""
    rows = yield Statement(
        "SELECT s.dataset, s.state, s.performed, s.request FROM scheduled_step s"
        f" WHERE {LISTED} ORDER BY s.starts, s.pk LIMIT {MOST}"
    )
    return [
        _listed(msgspec.json.decode(dataset), State(state), Performed(performed), request)
        for dataset, state, performed, request in rows
    ]


def remove(step_id: str) -> Work[None]:
    """Take a step off the list. Raises NotFound; Conflict for one that is of an order, which is to be revoked."""
    rows = yield Statement(
        """SELECT s.pk, s.request, k.id FROM scheduled_step s LEFT JOIN patient_key k ON k.pat = s.pat
           WHERE s.step_id = %s AND s.state <> 'CANCELED' FOR NO KEY UPDATE OF s""",
        (step_id,),
    )
    if not rows:
        raise not_found("there is no such step on the worklist")
    pk, request, patient = rows[0]
    if request is not None:
        raise HealixError(Category.CONFLICT, f"the step is that of ServiceRequest/{request}: revoke or hold that")
    yield Statement("UPDATE scheduled_step SET state = 'CANCELED', updated = now() WHERE pk = %s", (pk,))
    yield record([AuditRow(OPERATOR, "D", WORD, patient=patient, entity=step_id)])


def _listed(dataset: DataSet, state: State, performed: Performed, request: str | None) -> Listed:
    (step,) = _steps(dataset)
    return Listed(
        step=text(step, "00400009"),
        status=shown(state, performed),
        patient_id=text(dataset, PATIENT_ID),
        patient_name=name_of(dataset, "00100010"),
        accession=text(dataset, ACCESSION),
        study=text(dataset, STUDY_UID),
        date=text(step, "00400002"),
        time=text(step, "00400003"),
        modality=text(step, "00080060"),
        stations=[str(title) for title in values(step, "00400001")],
        description=text(step, "00400007"),
        order=None if request is None else f"ServiceRequest/{request}",
    )


def _steps(dataset: DataSet) -> Iterator[DataSet]:
    return items(dataset, STEP)
