"""What the hidden patient has: resources of many types, a canary in every place of theirs that holds text."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.support.attacks.names import CANARY, NUMBER
from tests.support.resources import LOINC, TERMINOLOGY, UCUM

Json = dict[str, Any]
SYSTEM = "urn:attacks"
SEEN = ({"reference": "Observation/seen"}, {"reference": "Practitioner/stranger"})
"""What the caller sees, and hidden resources refer to in an extension."""
DATA = base64.b64encode(f"{CANARY} {CANARY}".encode()).decode()


def narrative(text: str = CANARY) -> Json:
    """A narrative that says something."""
    return {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{text} hidqword</p></div>'}


def to(type_name: str, id_: str) -> Json:
    """A reference with a display."""
    return {"reference": f"{type_name}/{id_}", "display": f"hidqdisplay {CANARY}"}


def concept(code: str, system: str = SYSTEM) -> Json:
    """A concept with what people read; `<display>` begins what the code is called."""
    return {
        "coding": [{"system": system, "code": code, "display": f"hidqdisplay {CANARY}"}],
        "text": f"hidqdisplay {CANARY}",
    }


def note() -> list[Json]:
    """A note."""
    return [{"text": CANARY, "authorString": CANARY}]


def hidden(name: Mapping[str, str]) -> list[Json]:
    """The resources. `name` is of `names.names("hidq", ...)`."""
    subject = to("Patient", name["patient"])
    common: Json = {
        "text": narrative(),
        "extension": [
            {"url": f"{SYSTEM}:note", "valueString": CANARY},
            {"url": f"{SYSTEM}:custom", "valueString": name["custom"]},
            {"url": f"{SYSTEM}:made", "valueDate": name["date"]},
            *({"url": f"{SYSTEM}:to", "valueReference": one} for one in (*SEEN, subject)),
        ],
        "language": "en",
    }
    marked = {
        "meta": {
            "tag": [{"system": SYSTEM, "code": name["tag"], "display": CANARY}],
            "security": [{"system": SYSTEM, "code": name["security"], "display": CANARY}],
            "profile": [f"{SYSTEM}:{name['profile']}"],
            "source": f"{SYSTEM}:{name['uri']}",
        }
    }
    identifier = {"system": SYSTEM, "value": name["mrn"], "assigner": {"display": CANARY}}
    of: dict[str, Json] = {
        "patient": {
            "resourceType": "Patient",
            **marked,
            "identifier": [
                identifier,
                {"type": {"coding": [{"system": f"{TERMINOLOGY}/v2-0203", "code": "MR"}]}, "value": name["mrn"]},
            ],
            "active": True,
            "name": [{"family": f"{name['family']} {CANARY}", "given": [name["given"], CANARY], "text": CANARY}],
            "telecom": [
                {"system": "phone", "value": name["phone"]},
                {"system": "email", "value": f"{CANARY}@example.org"},
            ],
            "gender": "other",
            "birthDate": name["date"],
            "address": [{"line": [CANARY], "city": f"{name['address']} {CANARY}", "text": CANARY}],
            "contact": [{"name": {"family": CANARY}, "telecom": [{"system": "phone", "value": CANARY}]}],
            "photo": [{"contentType": "image/png", "data": DATA, "title": CANARY}],
            "generalPractitioner": [
                {"reference": "Practitioner/stranger", "display": CANARY},
                {"reference": "Practitioner/denied", "display": CANARY},
            ],
            "managingOrganization": {"reference": "Organization/clinic"},
        },
        "observation": {
            "resourceType": "Observation",
            **marked,
            "identifier": [identifier],
            "contained": [
                {"resourceType": "Patient", "id": "in", "name": [{"family": f"{name['inner']} {CANARY}"}]},
                {"resourceType": "Device", "id": "by", "identifier": [{"value": name["inner"]}],
                 "deviceName": [{"name": CANARY, "type": "other"}]},
            ],
            "status": "final",
            "category": [{"coding": [{"system": f"{TERMINOLOGY}/observation-category", "code": "vital-signs"}]}],
            "code": {"coding": [{"system": LOINC, "code": "8867-4"}, {"system": SYSTEM, "code": name["code"],
                                                                      "display": f"hidqdisplay {CANARY}"}],
                     "text": CANARY},
            "subject": subject | {"identifier": identifier},
            "encounter": to("Encounter", name["encounter"]),
            "device": {"reference": "#by"},
            "focus": [{"reference": "#in"}],
            "effectiveDateTime": f"{name['date']}T12:00:00Z",
            "valueQuantity": {"value": int(name["amount"]), "unit": CANARY, "system": UCUM, "code": "/min"},
            "note": note(),
            "component": [{"code": concept(name["code"]), "valueQuantity": {
                "value": Decimal(NUMBER), "unit": CANARY, "system": UCUM, "code": "mm[Hg]"}}],
        },
        "part": {  # in two compartments: the hidden patient comes second
            "resourceType": "Observation",
            "status": "final",
            "code": concept(name["code"]),
            "subject": {"reference": "Patient/other", "display": CANARY},
            "performer": [subject],
            "device": to("Device", name["device"]),
            "valueString": CANARY,
        },
        "condition": {
            "resourceType": "Condition",
            "clinicalStatus": {"coding": [{"system": f"{TERMINOLOGY}/condition-clinical", "code": "active"}]},
            "code": concept(name["code"]),
            "subject": subject,
            "encounter": to("Encounter", name["encounter"]),
            "onsetAge": {"value": int(name["amount"]), "system": UCUM, "code": "a"},
            "evidence": [{"detail": [to("Observation", name["observation"])]}],
            "note": note(),
        },
        "encounter": {
            "resourceType": "Encounter",
            "identifier": [identifier],
            "status": "finished",
            "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB", "display": CANARY},
            "type": [concept(name["code"])],
            "subject": subject,
            "reasonCode": [concept(name["code"])],
            "period": {"start": f"{name['date']}T10:00:00Z", "end": f"{name['date']}T11:00:00Z"},
            "length": {"value": int(name["amount"]), "system": UCUM, "code": "min"},
        },
        "binary": {
            "resourceType": "Binary",
            "contentType": "text/plain",
            "securityContext": {"reference": f"Patient/{name['patient']}"},
            "data": DATA,
        },
        "document": {
            "resourceType": "DocumentReference",
            "identifier": [identifier],
            "status": "current",
            "type": concept(name["code"]),
            "subject": subject,
            "description": f"{name['description']} {CANARY}",
            "content": [
                {"attachment": {"contentType": "text/plain", "data": DATA, "title": CANARY,
                                "url": f"Binary/{name['binary']}"}}
            ],
        },
        "list": {
            "resourceType": "List",
            "status": "current",
            "mode": "working",
            "title": f"{name['word']} {CANARY}",
            "code": concept(name["code"]),
            "subject": subject,
            "entry": [{"item": to("Observation", name["observation"])},
                      {"item": {"reference": "Observation/seen"}}],
            "note": note(),
        },
        "group": {
            "resourceType": "Group",
            "type": "person",
            "actual": True,
            "name": f"{name['word']} {CANARY}",
            "member": [{"entity": subject}],
        },
        "communication": {
            "resourceType": "Communication",
            "status": "completed",
            "subject": subject,
            "recipient": [subject],
            "sender": subject,
            "payload": [{"contentString": CANARY}],
            "note": note(),
        },
        "composition": {
            "resourceType": "Composition",
            "status": "final",
            "type": concept(name["code"]),
            "subject": subject,
            "date": name["date"],
            "author": [subject],
            "title": f"{name['word']} {CANARY}",
            "section": [{"title": CANARY, "text": narrative(), "entry": [to("Observation", name["observation"])]}],
        },
        "report": {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "code": concept(name["code"]),
            "subject": subject,
            "result": [to("Observation", name["observation"])],
            "conclusion": CANARY,
            "presentedForm": [{"contentType": "text/plain", "data": DATA, "title": CANARY}],
        },
        "medication": {
            "resourceType": "MedicationRequest",
            "contained": [{"resourceType": "Medication", "id": "drug", "code": concept(name["inner"])}],
            "status": "active",
            "intent": "order",
            "medicationReference": {"reference": "#drug", "display": CANARY},
            "subject": subject,
            "dosageInstruction": [{"text": CANARY, "patientInstruction": CANARY}],
            "note": note(),
        },
        "allergy": {
            "resourceType": "AllergyIntolerance",
            "code": concept(name["code"]),
            "patient": subject,
            "note": note(),
            "reaction": [{"manifestation": [concept(name["code"])], "description": CANARY}],
        },
        "device": {
            "resourceType": "Device",
            "identifier": [identifier],
            "url": f"http://attacks.test/{name['uri']}/device",
            "deviceName": [{"name": f"{name['word']} {CANARY}", "type": "other"}],
            "patient": subject,
            "note": note(),
        },
        "questionnaire": {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": f"{SYSTEM}:{name['uri']}",
            "status": "completed",
            "subject": subject,
            "source": subject,
            "item": [{"linkId": "1", "text": CANARY, "answer": [{"valueString": CANARY}]}],
        },
        "detected": {
            "resourceType": "DetectedIssue",
            "identifier": [{"system": "urn:healix:alert", "value": CANARY}],
            "status": "preliminary",
            "code": concept(name["code"]),
            "patient": subject,
            "detail": CANARY,
        },
        "planned": {
            "resourceType": "CarePlan",
            "status": "active",
            "intent": "plan",
            "title": CANARY,
            "subject": subject,
        },
        "task": {  # in no compartment: for system scopes alone
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "description": CANARY,
            "for": subject,
            "focus": {"reference": "Observation/seen"},
        },
        "appointment": {
            "resourceType": "Appointment",
            "status": "booked",
            "description": CANARY,
            "comment": CANARY,
            "participant": [{"actor": subject, "status": "accepted"},
                            {"actor": {"reference": "Location/ward"}, "status": "accepted"}],
        },
        "service": {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "code": concept(name["code"]),
            "subject": subject,
            "patientInstruction": CANARY,
        },
        "procedure": {
            "resourceType": "Procedure",
            "status": "completed",
            "code": concept(name["code"]),
            "subject": subject,
            "partOf": [to("Observation", name["observation"])],
            "reasonReference": [{"reference": "Condition/seen", "display": CANARY}],
            "note": note(),
        },
        "goal": {
            "resourceType": "Goal",
            "lifecycleStatus": "active",
            "description": {"text": CANARY},
            "subject": subject,
            "startDate": "1930-01-01",
            "target": [
                {
                    "measure": concept(name["code"]),
                    "detailQuantity": {"value": int(name["amount"]), "unit": CANARY, "system": UCUM, "code": "/min"},
                }
            ],
        },
        "provenance": {
            "resourceType": "Provenance",
            "target": [{"reference": f"Patient/{name['patient']}"}, {"reference": "Observation/seen"}],
            "recorded": f"{name['date']}T12:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/stranger", "display": CANARY}}],
            "activity": concept(name["code"]),
        },
        "media": {
            "resourceType": "Media",
            "status": "completed",
            "subject": subject,
            "content": {"contentType": "image/png", "data": DATA, "title": CANARY},
            "note": note(),
        },
        "basic": {
            "resourceType": "Basic",
            "code": concept(name["code"]),
            "subject": subject,
            "author": {"reference": "Practitioner/stranger", "display": CANARY},
        },
        "specimen": {
            "resourceType": "Specimen",
            "subject": subject,
            "note": note(),
            "collection": {"quantity": {"value": int(name["amount"]), "unit": CANARY}},
        },
        "subscription": {  # in no compartment
            "resourceType": "Subscription",
            "status": "off",
            "reason": CANARY,
            "criteria": f"Observation?patient={name['patient']}",
            "channel": {"type": "rest-hook", "endpoint": f"https://{CANARY}.example.org", "header": [CANARY]},
        },
        "imaging": {
            "resourceType": "ImagingStudy",
            "status": "available",
            "subject": subject,
            "description": CANARY,
            "note": note(),
        },
    }  # fmt: skip
    return [resource | ({} if key == "binary" else common) | {"id": name[key]} for key, resource in of.items()]


def measurement(id_: str, patient: str) -> Json:
    """An Observation to be attacked once."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "identifier": [{"system": SYSTEM, "value": id_}],
        "status": "final",
        "code": concept("measured"),
        "subject": {"reference": f"Patient/{patient}", "display": CANARY},
        "valueString": CANARY,
        "note": note(),
    }
