"""The orders that studies were made on: ServiceRequests of the same patient that carry the accession number, to which
the modality worklist gave the study's UID or number, or of which a performed step has made the study.

Spec: FHIR R4, hl7.org/fhir/R4/imagingstudy-definitions.html#ImagingStudy.basedOn; servicerequest.html#ids
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dicomweb.events import study_changed
from healix_fhir.imaging.elements import text
from healix_fhir.imaging.imaging_study import accession_identifier, procedure_id, study_identifier
from healix_fhir.imaging.studies import Study
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event, publish
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode
from healix_fhir.search import tokens

Json = dict[str, Any]

MOST = 10
"""Orders of one study that are named."""


def orders(patients: Mapping[str, str], found: Sequence[Study]) -> Work[dict[str, list[dict[str, Any]]]]:
    """References to the orders by study; `patients` are the logical ids of whose the studies are. One statement, none
    where no study has an accession number.
    """
    numbers = {study.uid: number for study in found if (number := text(study.accession))}
    if not numbers:
        return {}
    identifier = search_parameters("ServiceRequest")["identifier"].id
    rows = yield Statement(
        """SELECT r.id, r.body FROM resource r WHERE r.type = %s AND NOT r.deleted
           AND r.pk IN (SELECT t.pk FROM index_token t WHERE t.h = ANY(%s)) ORDER BY r.id""",
        (
            TYPE_ID["ServiceRequest"],
            sorted({tokens.any_system(identifier, number) for number in numbers.values()}),
        ),
        prepare=False,
    )
    bodies = {id_: decode(bytes(body)) for id_, body in rows}
    ordered: dict[str, list[dict[str, Any]]] = {}
    for study in found:
        number = numbers.get(study.uid)
        fitting = [
            id_ for id_, body in bodies.items() if number and _fits(body, number, f"Patient/{patients[study.uid]}")
        ]
        if number and fitting:
            by = accession_identifier(number, study.described.accession_issuer)
            ordered[study.uid] = [{"reference": f"ServiceRequest/{id_}", "identifier": by} for id_ in fitting[:MOST]]
    return ordered


@dataclass(frozen=True, slots=True)
class Performed:
    """What procedure steps say of a study: references to the orders, and to the first Procedure that made it."""

    orders: tuple[Json, ...] = ()
    procedure: Json | None = None


_STEPS = """
WITH x AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS x (uid, accession, patient)),
     done AS (
       SELECT x.uid, x.patient, p.pk, p.uid AS step, p.pat, p.steps FROM x
       JOIN performed_step p ON p.study_uids @> ARRAY[x.uid COLLATE "C"]),
     ordered AS (
       SELECT x.uid, x.patient, s.request, s.pat FROM x JOIN scheduled_step s ON s.study_uid = x.uid COLLATE "C"
       UNION SELECT x.uid, x.patient, s.request, s.pat FROM x
       JOIN scheduled_step s ON s.accession = x.accession COLLATE "C" AND x.accession <> ''
       UNION SELECT d.uid, d.patient, s.request, s.pat FROM done d JOIN scheduled_step s ON s.pk = ANY(d.steps))
SELECT o.uid, TRUE, o.request, 0 FROM ordered o JOIN patient_key k ON k.pat = o.pat AND k.id = o.patient
JOIN resource r ON r.type = %s AND r.id = o.request COLLATE "C" AND NOT r.deleted
UNION ALL
SELECT d.uid, FALSE, d.step, d.pk FROM done d JOIN patient_key k ON k.pat = d.pat AND k.id = d.patient
ORDER BY 1, 2, 4, 3"""


def performed(patients: Mapping[str, str], found: Sequence[Study]) -> Work[dict[str, Performed]]:
    """What procedure steps of the same patient say of studies; one statement, none where there are no studies."""
    if not found:
        return {}
    rows = yield Statement(
        _STEPS,
        (
            [study.uid for study in found],
            [text(study.accession) or "" for study in found],
            [patients[study.uid] for study in found],
            TYPE_ID["ServiceRequest"],
        ),
    )
    known: dict[str, Performed] = {}
    for uid, is_order, id_, _ in rows:
        one = known.get(uid, Performed())
        if is_order:
            order = {"reference": f"ServiceRequest/{id_}", "identifier": study_identifier(uid)}
            known[uid] = replace(one, orders=(*one.orders, order)[:MOST])
        elif one.procedure is None:
            known[uid] = replace(one, procedure={"reference": f"Procedure/{procedure_id(id_)}"})
    return known


def merged(by_number: Sequence[Json], by_step: Sequence[Json]) -> list[Json]:
    """References to the orders of a study, each once."""
    known = {one["reference"] for one in by_number}
    return [*by_number, *(one for one in by_step if one["reference"] not in known)]


def _fits(order: Mapping[str, Any], number: str, subject: str) -> bool:
    carries = any(one.get("value") == number for one in order.get("identifier", ()))
    return carries and order.get("subject", {}).get("reference") == subject


_AFFECTED = """
SELECT DISTINCT s.study_uid FROM study s WHERE s.accession_number IN (
  SELECT i ->> 'value' FROM resource r, json_array_elements(convert_from(r.body, 'UTF8')::json -> 'identifier') i
  WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted)"""


def service_requests(events: Sequence[Event]) -> Work[None]:
    """The consumer of resource events: an order came or changed that stored studies may have been made on."""
    ids = sorted({event.payload["id"] for event in events if event.payload["type"] == "ServiceRequest"})
    if not ids:
        return
    rows = yield Statement(_AFFECTED, (TYPE_ID["ServiceRequest"], ids))
    if rows:
        yield publish(study_changed(uid for (uid,) in rows))
