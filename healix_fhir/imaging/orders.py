"""The orders that studies were made on: ServiceRequests of the same patient that carry the accession number.

Spec: FHIR R4, hl7.org/fhir/R4/imagingstudy-definitions.html#ImagingStudy.basedOn; servicerequest.html#ids
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dicomweb.events import study_changed
from healix_fhir.imaging.elements import text
from healix_fhir.imaging.imaging_study import accession_identifier
from healix_fhir.imaging.studies import Study
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event, publish
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode
from healix_fhir.search import tokens

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
