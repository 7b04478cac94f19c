"""Scheduled steps as rows: written by what they are ordered with, put there and taken away by an operator."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from dicomweb.dicomjson.reading import DataSet
from dicomweb.events import ANNOUNCE
from dicomweb.procedure.content import text, values
from dicomweb.procedure.scheduled.attributes import (
    ACCESSION,
    ISSUER,
    MODALITY,
    PATIENT_ID,
    START_DATE,
    START_TIME,
    STATIONS,
    STEP,
    STUDY_UID,
)
from dicomweb.procedure.scheduled.identifiers import identified, step_id
from dicomweb.procedure.scheduled.states import Performed, State, resumed
from healix_fhir.kernel.database import Row, Statement, Work
from smart_auth.patients import patient_keys


@dataclass(frozen=True, slots=True)
class Ordered:
    """A step as its order has it. `request` is the logical id of the order and `request_pk` its resource, `patient` the
    logical id of whom it is for; `sources` (`Type/id`) are all resources that it was made from.
    """

    request: str
    request_pk: int
    patient: str | None
    state: State
    dataset: DataSet
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is there of a step already."""

    pk: int
    state: State
    performed: Performed


_KNOWN = """
INSERT INTO scheduled_step AS s (request, state)
SELECT x, 'WAITING' FROM unnest(%s::text[]) AS x ORDER BY x
ON CONFLICT (request) DO UPDATE SET request = excluded.request
RETURNING s.request, s.pk, s.state, s.performed"""

_WRITE = """
UPDATE scheduled_step s
SET request_pk = x.request_pk, pat = x.pat, patient_id = x.patient_id, issuer = x.issuer, step_id = x.step_id,
    accession = x.accession, study_uid = x.study_uid, stations = x.stations, modality = x.modality, starts = x.starts,
    state = x.state, performed = x.performed, sources = x.sources, dataset = convert_to(x.dataset, 'UTF8'),
    updated = now()
FROM json_to_recordset(%s::json) AS x (
  pk bigint, request_pk bigint, pat bigint, patient_id text, issuer text, step_id text, accession text, study_uid text,
  stations text[], modality text, starts text, state text, performed text, sources text[], dataset text)
WHERE s.pk = x.pk"""


def put(ordered: Sequence[Ordered]) -> Work[None]:
    """Bring the steps of orders to what these say now. Four statements at most, however many.

    Studies that are there are announced, which may have been made on these orders.
    """
    if not ordered:
        return
    rows = yield Statement(_KNOWN, ([step.request for step in ordered],))
    known = {request: Known(pk, State(state), Performed(done)) for request, pk, state, done in rows}
    pats = yield from patient_keys([step.patient for step in ordered if step.patient is not None])
    written = [_of_order(step, known[step.request], pats) for step in ordered]
    yield Statement(_WRITE, (msgspec.json.encode(written).decode(),))
    uids, numbers = ([str(one[name]) for one in written] for name in ("study_uid", "accession"))
    yield Statement(
        ANNOUNCE.format(source="study s WHERE s.study_uid = ANY(%s) OR s.accession_number = ANY(%s)"), (uids, numbers)
    )


def _of_order(step: Ordered, known: Known, pats: Mapping[str, int]) -> dict[str, object]:
    dataset = identified(step.dataset, known.pk, f"ServiceRequest/{step.request}")
    return columns(known.pk, dataset) | {
        "request_pk": step.request_pk,
        "pat": None if step.patient is None else pats[step.patient],
        "state": step.state,
        "performed": resumed(known.state, step.state, known.performed),
        "sources": step.sources,
    }


def columns(pk: int, dataset: DataSet) -> dict[str, object]:
    """The columns that a worklist item is found by."""
    (step,) = dataset[STEP]["Value"]
    return {
        "pk": pk,
        "patient_id": text(dataset, PATIENT_ID),
        "issuer": text(dataset, ISSUER),
        "step_id": step_id(pk),
        "accession": text(dataset, ACCESSION),
        "study_uid": text(dataset, STUDY_UID),
        "stations": values(step, _inner(STATIONS)),
        "modality": text(step, _inner(MODALITY)),
        "starts": text(step, _inner(START_DATE)) + text(step, _inner(START_TIME)),
        "dataset": msgspec.json.encode(dataset).decode(),
    }


def _inner(path: str) -> str:
    return path.rpartition(".")[2]


def withdraw(requests: Collection[str]) -> Statement:
    """Take the steps of orders off the list that are there no more, or are no orders of images."""
    return Statement(
        "UPDATE scheduled_step SET state = 'CANCELED', updated = now() WHERE request = ANY(%s) AND state <> 'CANCELED'",
        (list(requests),),
    )


def made_from(sources: Collection[str]) -> Statement:
    """The logical ids of the orders whose steps were made from some of these resources."""
    return Statement(
        "SELECT s.request FROM scheduled_step s WHERE s.request IS NOT NULL AND s.sources && %s::text[]",
        (list(sources),),
        prepare=False,
    )


def insert(dataset: DataSet, patient: str | None) -> Work[DataSet]:
    """Put a step on the list that no order asks for; the item with its identifiers."""
    rows: list[Row] = yield Statement("INSERT INTO scheduled_step (state) VALUES ('SCHEDULED') RETURNING pk")
    pk = int(rows[0][0])
    whole = identified(dataset, pk, f"scheduled_step/{pk}")
    pats = yield from patient_keys([patient] if patient is not None else [])
    own = {
        "request_pk": None,
        "pat": None if patient is None else pats[patient],
        "state": State.SCHEDULED,
        "performed": Performed.NOTHING,
        "sources": (),
    }
    yield Statement(_WRITE, (msgspec.json.encode([columns(pk, whole) | own]).decode(),))
    return whole
