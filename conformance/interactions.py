"""Checks of conditional interactions, patch and history. Spec: FHIR R4 (4.0.1), hl7.org/fhir/R4/http.html"""

from __future__ import annotations

import json
import uuid
from typing import Any

from conformance.check import Check, expect
from conformance.target import Answer, Target

JSON = {"Content-Type": "application/fhir+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
SYSTEM = "urn:healix:conformance"


def _person(value: str, **elements: Any) -> bytes:
    identifier = [{"system": SYSTEM, "value": value}]
    return json.dumps({"resourceType": "Patient", "identifier": identifier, **elements}).encode()


def _place(answer: Answer) -> str:
    """The path of the resource that a write answers about, below the root."""
    where = answer.headers.get("location") or answer.headers.get("content-location", "")
    return "/fhir" + where.partition("/_history/")[0].rpartition("/fhir")[2]


def conditional_create(target: Target) -> None:
    """The first creates, the second finds it; of two that match there is none."""
    value = str(uuid.uuid4())
    headers = JSON | {"If-None-Exist": f"identifier={SYSTEM}|{value}"}
    made = target.ask("POST", "/fhir/Patient", _person(value), headers)
    expect(made.status == 201, f"the first answered {made.status}")
    found = target.ask("POST", "/fhir/Patient", _person(value), headers)
    expect((found.status, _place(found)) == (200, _place(made)), f"the second answered {found.status}")
    target.ask("POST", "/fhir/Patient", _person(value), JSON)
    expect(target.ask("POST", "/fhir/Patient", _person(value), headers).status == 412, "several matches are not 412")


def conditional_update_and_delete(target: Target) -> None:
    """By identifier alone a resource is made, changed and deleted."""
    value = str(uuid.uuid4())
    where = f"/fhir/Patient?identifier={SYSTEM}%7C{value}"
    made = target.ask("PUT", where, _person(value), JSON)
    expect(made.status == 201, f"the first update answered {made.status}")
    again = target.ask("PUT", where, _person(value, active=True), JSON)
    expect((again.status, _place(again)) == (200, _place(made)), f"the second update answered {again.status}")
    expect(target.ask("DELETE", where).status in (200, 204), "the delete failed")
    expect(target.ask("GET", _place(made)).status == 410, "it is not gone")


def json_patch(target: Target) -> None:
    """A JSON Patch changes what it says; one that does not fit changes nothing."""
    made = target.ask("POST", "/fhir/Patient", _person(str(uuid.uuid4()), active=True), JSON)
    step = b'[{"op":"replace","path":"/active","value":false}]'
    patched = target.ask("PATCH", _place(made), step, JSON_PATCH)
    expect(patched.status == 200, f"the patch answered {patched.status}")
    stale = target.ask("PATCH", _place(made), step, JSON_PATCH | {"If-Match": 'W/"1"'})
    expect(stale.status == 412, f"a stale If-Match answered {stale.status}")
    wrong = target.ask("PATCH", _place(made), b'[{"op":"remove","path":"/photo"}]', JSON_PATCH)
    expect(400 <= wrong.status < 500, f"a patch that does not fit answered {wrong.status}")
    read = target.ask("GET", _place(made))
    expect((read.json() or {}).get("active") is False, "the patch has not changed the resource")
    expect(read.headers.get("etag") == 'W/"2"', "there is not one new version")


def history(target: Target) -> None:
    """Of a resource, its type and the server: newest first, the deletion among them."""
    made = target.ask("POST", "/fhir/Patient", _person(str(uuid.uuid4())), JSON)
    target.ask("DELETE", _place(made))
    kind, id_ = _place(made).split("/")[2:4]
    for path in (f"{_place(made)}/_history", f"/fhir/{kind}/_history?_count=5", "/fhir/_history?_count=5"):
        page = target.ask("GET", path).json() or {}
        expect(page.get("type") == "history", f"{path} is no history")
        mine = [entry["request"]["method"] for entry in page["entry"] if entry["fullUrl"].endswith(f"{kind}/{id_}")]
        expect(mine[:2] == ["DELETE", "POST"], f"{path} tells of {mine}")


CHECKS = (
    Check("FHIR R4 http.html#ccreate", "a conditional create creates once", conditional_create),
    Check("FHIR R4 http.html#cond-update", "update and delete by condition", conditional_update_and_delete),
    Check("FHIR R4 http.html#patch", "JSON Patch makes one version, or none", json_patch),
    Check("FHIR R4 http.html#history", "history at three levels, newest first", history),
)
