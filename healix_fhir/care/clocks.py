"""By whose clock it is day or night: that of the patient (extension `timezone`), else the clinic's.

Spec: FHIR extensions, hl7.org/fhir/extensions/StructureDefinition-timezone.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.goal.zone import TIMEZONE, zone_of

Home = tuple[str, tzinfo]
"""The id of a patient, and the zone."""


def homes(pats: Iterable[int], clinic: tzinfo) -> Work[dict[int, Home]]:
    """Ids and zones of patients by their keys, with one statement."""
    rows = yield _told("k.pat = ANY(%s::bigint[])", arrays.int8(sorted(set(pats))))
    return {pat: (patient, _zone(body, clinic)) for pat, patient, body in rows}


def zones(patients: Iterable[str], clinic: tzinfo) -> Work[dict[str, tzinfo]]:
    """Zones of patients by their ids."""
    named = sorted(set(patients))
    rows = (yield _told("k.id = ANY(%s::text[])", arrays.text(named))) if named else []
    told = {patient: _zone(body, clinic) for _, patient, body in rows}
    return {one: told.get(one, clinic) for one in named}


def _told(condition: str, value: object) -> Statement:
    """Key and id of patients, with the Patient where it tells a time zone."""
    return Statement(
        f"""SELECT k.pat, k.id, r.body FROM patient_key k
            LEFT JOIN LATERAL (SELECT body FROM resource WHERE type = %s AND id = k.id AND NOT deleted OFFSET 0) AS r
              ON position(%s::bytea IN r.body) > 0
            WHERE {condition}""",
        (TYPE_ID["Patient"], TIMEZONE.encode(), value),
        prepare=False,
    )


def _zone(patient: bytes | None, clinic: tzinfo) -> tzinfo:
    return clinic if patient is None else zone_of(decode_stored(bytes(patient)), clinic)
