"""Which FHIR Patient a PatientID means, and the Patient that is made when there is none.

The rule, for a PatientID with or without Issuer of Patient ID:

1. A Patient once matched stays, as long as it exists: editing identifiers does not move images between records.
2. Else the one Patient that has an identifier with this value (and, where the object names an issuer, whose system or
   assigner is that issuer).
   An object that names its issuer by qualifiers only is matched by that. Where none fits, the one Patient that has one
   of the Other Patient IDs whose issuer is named.
3. Else, also when several Patients have it, a Patient of its own is made from the object's attributes, under an id
   computed from PatientID and issuer. It holds the images until rule 2 finds the one Patient, which may arrive later;
   then the studies move there and the made one is marked inactive and replaced.

A Patient found so that was merged into another (`link` of type replaced-by) gives its studies to that one.

Spec: FHIR R4, hl7.org/fhir/R4/patient.html; PS3.3 C.7.1.1 (2024d)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from dicomweb.uid import is_uid
from healix_fhir.imaging.elements import GENDER, calendar_date, human_names, text
from healix_fhir.imaging.imaging_study import NAMESPACE
from healix_fhir.imaging.studies import Study
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode
from healix_fhir.search import tokens

Key: TypeAlias = tuple[str, str]
"""PatientID and issuer (empty where the object names none)."""

STEPS = 5
"""Patients that are merged into one another, one after the other, further than that are not followed."""

SYSTEM = "urn:healix:dicom:patient-id"
"""The system of identifiers that came as PatientID without an issuer that is a URI or an OID."""


@dataclass(frozen=True, slots=True)
class Match:
    """The Patient that a key means. `made`: its own one; `body`: the current one of that own Patient, None where it
    is not there.
    """

    patient: str
    made: bool
    body: dict[str, Any] | None


def made_id(key: Key) -> str:
    """The logical id of the Patient that is made for a key."""
    return str(uuid.uuid5(NAMESPACE, f"Patient {key[1]}\n{key[0]}"))


_CANDIDATES = """
SELECT 0, p.patient_id, p.issuer, k.id, r.body
FROM study_patient p
JOIN unnest(%s::text[], %s::text[]) AS a (patient_id, issuer) ON a.patient_id = p.patient_id AND a.issuer = p.issuer
JOIN patient_key k ON k.pat = p.pat
JOIN resource r ON r.type = %s AND r.id = k.id AND NOT r.deleted
UNION ALL
SELECT 1, NULL, NULL, r.id, r.body FROM resource r
WHERE r.type = %s AND NOT r.deleted
  AND (r.id = ANY(%s) OR r.pk IN (SELECT t.pk FROM index_token t WHERE t.h = ANY(%s)))"""


def match(keys: Iterable[Key], others: Mapping[Key, Sequence[Key]] = MappingProxyType({})) -> Work[dict[Key, Match]]:
    """The Patient of each key; `others` are further keys of the same patient. One statement."""
    asked = sorted(set(keys))
    values = {key[0] for key in asked} | {other[0] for key in asked for other in others.get(key, ())}
    made = {made_id(key): key for key in asked}
    identifier = search_parameters("Patient")["identifier"].id
    patient = TYPE_ID["Patient"]
    rows = yield Statement(
        _CANDIDATES,
        (
            [key[0] for key in asked],
            [key[1] for key in asked],
            patient,
            patient,
            list(made),
            sorted({tokens.any_system(identifier, value) for value in values if value}),
        ),
        prepare=False,
    )
    current = {(row[1], row[2]): row[3] for row in rows if row[0] == 0}
    bodies: dict[str, dict[str, Any]] = {row[3]: decode(bytes(row[4])) for row in rows}
    found = {key: _match(key, current.get(key), bodies, made, others.get(key, ())) for key in asked}
    return (yield from _followed(found, bodies))


def _followed(found: Mapping[Key, Match], bodies: Mapping[str, dict[str, Any]]) -> Work[dict[Key, Match]]:
    """The matches, with those Patients that were merged into another given up for that one, as long as it exists.

    No statement where none was; else one for each step of the longest chain, of which there are `STEPS` at most.
    """
    known, final = dict(bodies), dict(found)
    for _ in range(STEPS):
        onward = dict(_merged(final, known))
        if missing := sorted(set(onward.values()) - known.keys()):
            rows = yield Statement(
                "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted",
                (TYPE_ID["Patient"], missing),
            )
            known |= {id_: decode(bytes(body)) for id_, body in rows}
        there = {key: by for key, by in onward.items() if by in known}
        if not there:
            break
        final |= {key: Match(by, made=False, body=None) for key, by in there.items()}
    return final


def _merged(final: Mapping[Key, Match], known: Mapping[str, dict[str, Any]]) -> Iterator[tuple[Key, str]]:
    for key, one in final.items():
        by = replacement(known.get(one.patient, {}))
        if by is not None:
            yield key, by


def replacement(patient: Mapping[str, Any]) -> str | None:
    """The logical id of the Patient that this one was merged into; None where it was not."""
    for link in patient.get("link", ()):
        type_name, _, id_ = link.get("other", {}).get("reference", "").partition("/")
        if link.get("type") == "replaced-by" and type_name == "Patient" and id_:
            return str(id_)
    return None


def candidates(keys: Iterable[Key]) -> Work[dict[Key, list[str]]]:
    """The Patients that a key may mean, where it means no single one; one statement."""
    asked = sorted(set(keys))
    identifier = search_parameters("Patient")["identifier"].id
    rows = yield Statement(
        """SELECT r.id, r.body FROM resource r WHERE r.type = %s AND NOT r.deleted
           AND r.pk IN (SELECT t.pk FROM index_token t WHERE t.h = ANY(%s)) ORDER BY r.id""",
        (TYPE_ID["Patient"], sorted({tokens.any_system(identifier, key[0]) for key in asked})),
        prepare=False,
    )
    bodies = {id_: decode(bytes(body)) for id_, body in rows}
    return {key: [id_ for id_, body in bodies.items() if id_ != made_id(key) and fits(body, key)] for key in asked}


def _match(
    key: Key,
    current: str | None,
    bodies: Mapping[str, dict[str, Any]],
    made: Mapping[str, Key],
    others: Sequence[Key],
) -> Match:
    own = made_id(key)
    if current is not None and current != own:
        return Match(current, made=False, body=None)
    known = {id_: body for id_, body in bodies.items() if id_ not in made}
    qualified = [other for other in others if other[0] == key[0]]
    fitting = _fitting(known, qualified or [key]) or _fitting(known, others)
    if key[0] and len(fitting) == 1:
        return Match(fitting[0], made=False, body=bodies.get(own))
    return Match(own, made=True, body=bodies.get(own))


def _fitting(known: Mapping[str, dict[str, Any]], keys: Sequence[Key]) -> list[str]:
    return [id_ for id_, body in known.items() if any(fits(body, key) for key in keys)]


def fits(patient: Mapping[str, Any], key: Key) -> bool:
    """Whether an active Patient has an identifier with the key's value and issuer; one that was replaced has not."""
    if any(link.get("type") == "replaced-by" for link in patient.get("link", ())):
        return False
    value, issuer = key
    return any(
        identifier.get("value") == value and (not issuer or issuer in _issuers(identifier))
        for identifier in patient.get("identifier", ())
    )


def _issuers(identifier: Mapping[str, Any]) -> Sequence[str]:
    system = identifier.get("system", "")
    return system, system.removeprefix("urn:oid:"), identifier.get("assigner", {}).get("display", "")


def identifier(key: Key) -> dict[str, Any]:
    """The identifier that a PatientID is."""
    value, issuer = key
    if is_uid(issuer) and "." in issuer:
        return {"system": f"urn:oid:{issuer}", "value": value}
    if issuer.startswith(("http://", "https://", "urn:")) and not any(char.isspace() for char in issuer):
        return {"system": issuer, "value": value}
    found: dict[str, Any] = {"system": SYSTEM, "value": value}
    if display := text(issuer):
        found["assigner"] = {"display": display}
    return found


def made_patient(study: Study) -> dict[str, Any]:
    """The Patient that is made from the attributes of a study."""
    patient: dict[str, Any] = {"resourceType": "Patient", "id": made_id(study.key)}
    if text(study.patient_id):
        patient["identifier"] = [identifier((text(study.patient_id) or "", study.issuer))]
    if names := human_names(study.patient_name):
        patient["name"] = names
    if gender := GENDER.get(study.sex or ""):
        patient["gender"] = gender
    if birth_date := calendar_date(study.birth_date):
        patient["birthDate"] = birth_date
    return patient


def replaced(patient: dict[str, Any], by: str) -> dict[str, Any] | None:
    """A made Patient, marked as replaced by the one of logical id `by`; None when it says so already."""
    link = {"other": {"reference": f"Patient/{by}"}, "type": "replaced-by"}
    if link in patient.get("link", ()):
        return None
    kept = {name: value for name, value in patient.items() if name != "meta"}
    return kept | {"active": False, "link": [*patient.get("link", ()), link]}
