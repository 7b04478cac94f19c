"""A row of the audit trail as an AuditEvent after the patterns of IHE BALP.

A pattern is claimed in `meta.profile` where the row has all that the pattern demands: it was a success, of a known
interaction, from a known address. What others asked for is masked for callers who see one patient's rows only: a search
may name other patients.

Spec: IHE BALP 1.1.3, profiles.ihe.net/ITI/BALP/content.html; FHIR R4, hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.interaction.trail.vocabulary import ACTIONS, BALP, DCM, PROFILES, WORDS, Coding, sense
from healix_fhir.kernel.clock import instant
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import encode

CLIENT_ID = "urn:healix:client"
ACCOUNT = "urn:healix:account"
DICOM_UID = "urn:dicom:uid"
SOURCE, DESTINATION = (DCM, "110153", "Source Role ID"), (DCM, "110152", "Destination Role ID")
RECIPIENT = ("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "information recipient")
BREAK_GLASS = ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "BTG", "break the glass")
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SERVER = {"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4"}
REQUEST_ID = {"system": "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "code": "XrequestId"}
MASKED = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
SEARCHES = ("search-", "query-", "history-")


class Recorded(msgspec.Struct, frozen=True):
    """A row of audit_event; `linked` is the Patient or Practitioner whose account it was.

    `emergency` tells that this Practitioner had the patient's record open by break-glass then.
    """

    seq: int
    recorded: datetime
    action: str
    subtype: str
    outcome: int
    client: str | None
    account: str | None
    address: str | None
    request: str | None
    patient: str | None
    entity: str | None
    query: str | None
    linked: str | None
    emergency: bool = False


def render(row: Recorded, id_: str, base: str, *, masked: bool) -> bytes:
    """The JSON of `row` under the id `id_` on the server at `base`."""
    meaning = sense(row.subtype)
    meta: dict[str, Any] = {"versionId": "1", "lastUpdated": instant(row.recorded)}
    if (profile := _profile(row)) is not None:
        meta["profile"] = [profile]
    resource = {
        "resourceType": "AuditEvent",
        "id": id_,
        "meta": meta,
        "type": _coding(meaning.type),
        "subtype": [_coding(coding) for coding in (*meaning.subtypes, Coding(WORDS, row.subtype))],
        "action": row.action,
        "recorded": instant(row.recorded),
        "outcome": str(row.outcome),
        **({"purposeOfEvent": [_concept(BREAK_GLASS)]} if row.emergency else {}),
        "agent": _agents(row, base),
        "source": {"observer": _server(base), "type": [SERVER]},
    }
    if entities := _entities(row, masked=masked):
        resource["entity"] = entities
    return encode(resource)


def _profile(row: Recorded) -> str | None:
    pattern = PROFILES.get(row.subtype)
    if pattern is None or row.outcome or row.address is None or ACTIONS[pattern] != row.action:
        return None
    if pattern != "Query" and not _is_reference(row.entity):
        return None
    return f"{BALP}{'Patient' if row.patient else ''}{pattern}"


def _coding(coding: Coding) -> dict[str, str]:
    shown = {"system": coding.system, "code": coding.code}
    return shown | {"display": coding.display} if coding.display else shown


def _agents(row: Recorded, base: str) -> list[dict[str, Any]]:
    """The application, this server and the person; data flows to who reads, and from who writes or asks."""
    theirs, ours = (DESTINATION, SOURCE) if row.action == "R" else (SOURCE, DESTINATION)
    client: dict[str, Any] = {"type": _concept(theirs), "who": _client(row), "requestor": row.account is None}
    if row.client is not None:
        client["name"] = row.client
    if row.address is not None:
        client["network"] = {"address": row.address, "type": "2"}
    agents = [
        client,
        {
            "type": _concept(ours),
            "who": _server(base),
            "requestor": False,
            "network": {"address": base, "type": "5"},
        },
    ]
    if row.account is not None:
        who: dict[str, Any] = {"identifier": {"system": ACCOUNT, "value": row.account}, "display": row.account}
        if row.linked is not None:
            who["reference"] = row.linked
        agents.append(
            {"type": _concept(RECIPIENT), "who": who, "altId": row.account, "name": row.account, "requestor": True}
        )
    return agents


def _client(row: Recorded) -> dict[str, Any]:
    if row.client is None:
        return {"display": "an unknown application"}
    return {"identifier": {"system": CLIENT_ID, "value": row.client}, "display": row.client}


def _server(base: str) -> dict[str, Any]:
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": base}, "display": "Healix"}


def _concept(coding: tuple[str, str, str]) -> dict[str, Any]:
    return {"coding": [_coding(Coding(*coding))]}


def _entities(row: Recorded, *, masked: bool) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = []
    if row.entity is not None and row.entity not in TYPE_ID:
        entities.append({"what": _what(row.entity), "type": _type("2", "System Object"), "role": _role("4")})
    if row.patient is not None:
        patient = {"reference": f"Patient/{row.patient}"}
        entities.append({"what": patient, "type": _type("1", "Person"), "role": _role("1")})
    if row.subtype.startswith(SEARCHES):
        entities.append(_query(row, masked=masked))
    elif row.query and not masked:
        entities.append({"type": _type("4", "Other"), "name": row.query})
    if row.request:
        entities.append({"what": {"identifier": {"value": row.request}}, "type": REQUEST_ID})
    return entities


def _query(row: Recorded, *, masked: bool) -> dict[str, Any]:
    entity: dict[str, Any] = {"type": _type("2", "System Object"), "role": _role("24")}
    if masked:
        return entity | {"_query": {"extension": [MASKED]}}
    asked = f"{row.entity or ''}?{row.query or ''}"
    return entity | {"query": base64.b64encode(asked.encode()).decode()}


def _what(entity: str) -> dict[str, Any]:
    if _is_reference(entity):
        return {"reference": entity}
    if entity.replace(".", "").isdigit():
        return {"identifier": {"system": DICOM_UID, "value": f"urn:oid:{entity}"}}
    return {"display": entity}


def _is_reference(entity: str | None) -> bool:
    return entity is not None and "/" in entity and entity.partition("/")[0] in TYPE_ID


def _type(code: str, display: str) -> dict[str, str]:
    return {"system": ENTITY_TYPE, "code": code, "display": display}


def _role(code: str) -> dict[str, str]:
    displays = {"1": "Patient", "4": "Domain Resource", "24": "Query"}
    return {"system": ROLE, "code": code, "display": displays[code]}
