"""Attacks by create, update, patch and delete, with and without conditions: on hidden resources, and into the record.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#create, #update, #patch, #delete, #cond-update, #ccreate
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tests.support.attacks.attack import Attack
from tests.support.attacks.scene import CALLERS

Json = dict[str, Any]
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
OWN = {"reference": "Patient/own"}
HIDDEN = {"reference": "Patient/<patient>"}


def note(subject: Json = OWN, **elements: Any) -> Json:
    """An Observation of the caller's own patient, or of another."""
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject, **elements}


def operation(kind: str, path: str, **parts: Any) -> Json:
    """One operation of a FHIRPath Patch."""
    given = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    given += [{"name": name, **value} for name, value in parts.items()]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": given}]}


TARGET = "/fhir/Observation/<measurement>"
MATCHING = "/fhir/Observation?identifier=<measurement>"
PATCHES: tuple[tuple[str, list[Json]], ...] = (
    ("replace", [{"op": "replace", "path": "/status", "value": "amended"}]),
    ("test that holds", [{"op": "test", "path": "/status", "value": "final"}]),
    ("test that fails", [{"op": "test", "path": "/status", "value": "none"}]),
    ("copy into a note", [{"op": "copy", "from": "/valueString", "path": "/interpretation"}]),
    ("a place that is not there", [{"op": "remove", "path": "/nothing"}]),
    ("move into the own record", [{"op": "replace", "path": "/subject", "value": OWN}]),
)
REFERRING: tuple[Json, ...] = (
    note(hasMember=[{"reference": "Observation/<observation>"}]),
    note(encounter={"reference": "Encounter/<encounter>"}),
    note(focus=[{"reference": "Patient/<patient>"}]),
    note(derivedFrom=[{"reference": "DocumentReference/<document>/_history/1"}]),
    note(subject=HIDDEN),
    note(performer=[HIDDEN]),
    note(subject={"reference": "Patient/own", "identifier": {"system": "urn:attacks", "value": "<mrn>"}}),
)


def writing() -> Iterator[Attack]:
    """Every way to change something."""
    yield from _on_the_hidden()
    yield from _by_condition()
    for resource in REFERRING:
        yield Attack("POST", "/fhir/Observation", resource, changes=True, beside=_beside(resource), note=str(resource))
    yield Attack("PUT", "/fhir/Observation/seen", note(HIDDEN, id="seen"), changes=True, note="into the hidden record")
    into = [{"op": "replace", "path": "/subject", "value": HIDDEN}]
    bound = tuple(one for one in CALLERS if one != "narrow service")  # which may write what is tagged, for any patient
    yield Attack("PATCH", "/fhir/Condition/seen", into, JSON_PATCH, changes=True, callers=bound,
                 note="into the hidden record")  # fmt: skip
    yield Attack("POST", "/fhir/Binary", _binary("<patient>"), changes=True)
    yield Attack("PUT", "/fhir/Binary/<binary>", _binary("own", id="<binary>"), changes=True)
    security = {"Content-Type": "text/plain", "X-Security-Context": "Patient/<patient>"}
    yield Attack("POST", "/fhir/Binary", b"text", security, changes=True, note="raw")
    yield Attack("POST", "/fhir/AuditEvent", note(HIDDEN), changes=True, beside="the trail is not written to")
    yield Attack("PATCH", "/fhir/Observation/<measurement>", b"[]", JSON_PATCH, changes=True, note="nothing to do")


def _on_the_hidden() -> Iterator[Attack]:
    changed = note(id="<measurement>")
    match = {"If-Match": 'W/"1"'}
    for headers in ({}, match, {"If-Match": 'W/"9"'}, {"If-None-Match": "*"}, {"Prefer": "return=representation"}):
        yield Attack("PUT", TARGET, changed, headers, changes=True, note=str(headers))
    yield Attack("PUT", TARGET, note(HIDDEN, id="<measurement>"), changes=True, note="as it is")
    yield Attack("PUT", TARGET, {"resourceType": "Observation", "id": "<measurement>"}, changes=True, note="not valid",
                 beside="what is not valid is refused before anything is looked up")  # fmt: skip
    for headers in ({}, match):
        yield Attack("DELETE", TARGET, headers=headers, changes=True, note=str(headers))
    yield Attack("DELETE", TARGET, headers={"If-Match": 'W/"9"'}, changes=True, note="a version that there is not",
                 beside="it fails for what is missing and for what is there")  # fmt: skip
    yield Attack("DELETE", "/fhir/Patient/<patient>", changes=True)
    for name, steps in PATCHES:
        yield Attack("PATCH", TARGET, steps, JSON_PATCH, changes=True, note=name)
        yield Attack("PATCH", TARGET, steps, JSON_PATCH | match, changes=True, note=f"{name}, If-Match")
    value = {"value": {"valueCode": "amended"}}
    yield Attack("PATCH", TARGET, operation("replace", "Observation.status", **value), changes=True, note="FHIRPath")
    yield Attack("PATCH", TARGET, operation("delete", "Observation.note.where(text.exists())"), changes=True,
                 note="FHIRPath, where")  # fmt: skip


def _by_condition() -> Iterator[Attack]:
    for address in (
        MATCHING,
        "/fhir/Observation?_id=<measurement>",
        "/fhir/Observation?code=measured&_id=<measurement>",
    ):
        yield Attack("PUT", address, note(), changes=True)
        yield Attack("DELETE", address, changes=True)
        yield Attack("PATCH", address, PATCHES[0][1], JSON_PATCH, changes=True)
    yield Attack("PUT", MATCHING, note(id="<measurement>"), changes=True, note="with the hidden id")
    yield Attack("PUT", "/fhir/Observation?identifier=nobody", note(id="<measurement>"), changes=True,
                 note="no match, with the hidden id")  # fmt: skip
    yield Attack("PUT", MATCHING, note(), {"If-None-Match": "*"}, changes=True, note="only new")
    yield Attack("PUT", MATCHING, note(), {"If-Match": 'W/"1"'}, changes=True, note="If-Match")
    yield Attack("PUT", "/fhir/Observation?subject:Patient.family=<family>", note(), changes=True)
    yield Attack("DELETE", "/fhir/Observation?patient.identifier=<mrn>", changes=True)
    yield Attack("PATCH", "/fhir/Patient?_has:Observation:patient:code=<code>", PATCHES[0][1], JSON_PATCH, changes=True)
    for condition in (
        "identifier=<measurement>",
        "_id=<measurement>",
        "subject:Patient.family=<family>",
        "patient=Patient/<patient>&code=measured",
        "_has:List:item:code=<code>",
        "_content=<word>",
        "_tag=<tag>",
    ):
        yield Attack("POST", "/fhir/Observation", note(), {"If-None-Exist": condition}, changes=True,
                     note=f"If-None-Exist: {condition}")  # fmt: skip


def _binary(patient: str, **elements: Any) -> Json:
    return {
        "resourceType": "Binary",
        "contentType": "text/plain",
        "data": base64.b64encode(b"text").decode(),
        "securityContext": {"reference": f"Patient/{patient}"},
        **elements,
    }


def _beside(resource: Json) -> str:
    into = HIDDEN in (resource["subject"], *resource.get("performer", ()))
    return "" if into else "references are not followed when a resource is stored"
