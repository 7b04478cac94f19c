"""`healix worklist`: what modalities are to do, beside what FHIR orders ask for."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Any

import typer

from healix_fhir.kernel.clock import now
from healix_fhir.kernel.database import Work, transaction
from healix_fhir.kernel.errors import invalid, not_found
from healix_fhir.server.cli.console import DataDir, answer, database, recorded

app = typer.Typer(help="What modalities are to do.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """What modalities are to do."""


@app.command("add")
def add_command(
    modality: Annotated[str, typer.Option(help="As DICOM calls it: CT, MR, US, …")],
    patient: Annotated[
        str | None, typer.Option(help="Logical id of the FHIR Patient; else its number and name.")
    ] = None,
    patient_id: Annotated[str | None, typer.Option(help="PatientID.")] = None,
    issuer: Annotated[str | None, typer.Option(help="Who issued the PatientID.")] = None,
    name: Annotated[str | None, typer.Option(help="Name as DICOM writes it: Family^Given.")] = None,
    birth_date: Annotated[str | None, typer.Option(help="YYYY-MM-DD")] = None,
    sex: Annotated[str | None, typer.Option(help="M, F or O")] = None,
    at: Annotated[str | None, typer.Option(help="When, on the clock of the station: YYYY-MM-DD[THH:MM]; now.")] = None,
    station: Annotated[
        list[str] | None, typer.Option(help="AE title of the station; any without it. May be repeated.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What is to be done.")] = None,
    physician: Annotated[str | None, typer.Option(help="Who performs it: Family^Given.")] = None,
    accession: Annotated[str | None, typer.Option(help="Accession number; made without it.")] = None,
    study: Annotated[str | None, typer.Option(help="Study Instance UID; made without it.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Put a procedure step on the worklist; answers with the identifiers that the images will carry."""
    from dicomweb.procedure.scheduled.operate import add
    from dicomweb.routing.priors import put_by_hand

    moment = _moment(at)
    attributes: dict[str, Any] = {
        "PatientID": patient_id,
        "IssuerOfPatientID": issuer,
        "PatientName": name,
        "PatientBirthDate": (birth_date or "").replace("-", ""),
        "PatientSex": sex,
        "AccessionNumber": accession,
        "StudyInstanceUID": study,
        "RequestedProcedureDescription": description,
    }
    step = {
        "ScheduledStationAETitle": station or [],
        "ScheduledProcedureStepStartDate": moment.strftime("%Y%m%d"),
        "ScheduledProcedureStepStartTime": moment.strftime("%H%M%S"),
        "Modality": modality,
        "ScheduledPerformingPhysicianName": physician,
        "ScheduledProcedureStepDescription": description,
        "ScheduledStationName": None,
        "ScheduledProcedureStepLocation": None,
    }

    def put() -> Work[Any]:
        whose = yield from _patient(patient, attributes)
        put_there = yield from add(attributes, step, whose)
        yield from put_by_hand(put_there.step)
        return put_there

    with database(data_dir) as (_, pool):
        listed = transaction(pool, put)
        answer(dataclasses.asdict(listed))


def _moment(written: str | None) -> datetime:
    if written is None:
        return now().astimezone()
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        raise invalid("--at must be YYYY-MM-DD or YYYY-MM-DDTHH:MM", code="value") from None


def _patient(id_: str | None, attributes: dict[str, Any]) -> Work[str | None]:
    """The logical id of whom a step is for; what is not given of that patient is taken from the Patient."""
    from healix_fhir.imaging.scheduling.item import patient_attributes
    from healix_fhir.imaging.workitems import find_patient
    from healix_fhir.kernel.database import Statement
    from healix_fhir.model.definitions import TYPE_ID
    from healix_fhir.model.json import decode

    if id_ is None:
        if not attributes["PatientID"]:
            raise invalid("a step needs --patient, or --patient-id and --name", code="required")
        return (yield from find_patient(attributes["PatientID"], attributes["IssuerOfPatientID"] or ""))
    rows = yield Statement(
        "SELECT body FROM resource WHERE type = %s AND id = %s AND NOT deleted", (TYPE_ID["Patient"], id_)
    )
    if not rows:
        raise not_found(f"there is no Patient/{id_[:64]}")
    known = patient_attributes(decode(bytes(rows[0][0])))
    attributes |= {keyword: value for keyword, value in known.items() if not attributes.get(keyword)}
    return id_


@app.command("list")
def list_command(data_dir: DataDir = None) -> None:
    """List what is to be done, and what is under way."""
    from dicomweb.procedure.scheduled.operate import every

    with database(data_dir) as (_, pool):
        found = transaction(pool, every)
        recorded(pool, "R", "worklist list")
        answer({"steps": [dataclasses.asdict(one) for one in found]})


@app.command("remove")
def remove_command(
    step: Annotated[str, typer.Argument(help="The Scheduled Procedure Step ID.")], data_dir: DataDir = None
) -> None:
    """Take a step off the list that was put there by hand; one that was ordered leaves with its ServiceRequest."""
    from dicomweb.procedure.scheduled.operate import remove

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: remove(step))
        answer({"step": step, "removed": True})
