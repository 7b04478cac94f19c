"""Checks of what scopes open and close. Inferno: (g)(10) limited app, restricted access, v1 scopes.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from conformance.check import Check, expect
from conformance.smart.asking import ALLOW, Decision
from conformance.smart.scene import Launched, Scene

CLAUSE = "SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-fhir-resources"
JSON = {"Content-Type": "application/fhir+json"}
ASK = "launch/patient"
CLOSED = (401, 403, 404)
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CONDITION = "http://terminology.hl7.org/CodeSystem/condition-category"
KINDS = {
    "Observation": (CATEGORY, "vital-signs", "laboratory"),
    "Condition": (CONDITION, "problem-list-item", "encounter-diagnosis"),
}
"""For each type whose resources the checks make: the system of its categories, and two of them."""


def let_in(scene: Scene, scope: str, decision: Decision = ALLOW, **more: str) -> Launched:
    """The patient lets an app in."""
    return scene.launched(scene.parties.symmetric, scene.parties.patient, scope, decision, post=False, **more)


def _status(scene: Scene, launched: Launched, path: str) -> int:
    return scene.get(path, launched.access).status


def opens(scene: Scene, launched: Launched, path: str, wanted: tuple[int, ...] = (200,)) -> None:
    """What is at a path answers an app with one of these statuses."""
    status = _status(scene, launched, path)
    expect(status in wanted, f"{path} answered {status} with the scope {sorted(launched.granted)}")


def unticked(scene: Scene) -> None:
    """What the person unticks is not granted, and closed; the rest opens."""
    asked = f"{ASK} openid fhirUser patient/Patient.rs patient/Observation.rs patient/Condition.rs patient/Encounter.rs"
    left = Decision(tick=lambda scope: "Condition" not in scope and "Encounter" not in scope)
    launched = let_in(scene, asked, left, prompt="consent")
    expect(not any("Condition" in word or "Encounter" in word for word in launched.granted), f"{launched.granted}")
    of = f"patient={launched.patient}"
    opens(scene, launched, f"Patient/{launched.patient}")
    opens(scene, launched, f"Observation?{of}")
    opens(scene, launched, f"Condition?{of}", CLOSED)
    opens(scene, launched, f"Encounter?{of}", CLOSED)


def restricted(scene: Scene) -> None:
    """A type that was not asked for is closed."""
    launched = let_in(scene, f"{ASK} patient/Patient.rs patient/Goal.rs")
    opens(scene, launched, f"Goal?patient={launched.patient}")
    for kind in ("Observation", "Condition", "Immunization"):
        opens(scene, launched, f"{kind}?patient={launched.patient}", CLOSED)


def other_patient(scene: Scene) -> None:
    """Another patient's record is as if it were not there."""
    launched = scene.standalone
    other = _other_patient(scene)
    opens(scene, launched, f"Patient/{other}", (403, 404))
    found = scene.get(f"Patient?_id={other}", launched.access).json() or {}
    expect(not found.get("entry"), "the search finds it")


def version_1(scene: Scene) -> None:
    """The word read opens reads and searches, and no writes; it is granted in its own words."""
    launched = let_in(scene, f"{ASK} patient/Patient.read patient/Observation.read")
    expect({"patient/Patient.read", "patient/Observation.read"} <= launched.granted, f"{sorted(launched.granted)}")
    opens(scene, launched, f"Patient/{launched.patient}")
    opens(scene, launched, f"Observation?patient={launched.patient}")
    _closed_to_writes(scene, launched)


def read_only(scene: Scene) -> None:
    """The letter r opens a read and no search."""
    launched = let_in(scene, f"{ASK} patient/Observation.r")
    opens(scene, launched, f"Observation/{made(scene, 'Observation')['vital-signs']}")
    opens(scene, launched, f"Observation?patient={launched.patient}", CLOSED)


def search_only(scene: Scene) -> None:
    """The letter s opens a search and no read."""
    launched = let_in(scene, f"{ASK} patient/Observation.s")
    opens(scene, launched, f"Observation?patient={launched.patient}")
    opens(scene, launched, f"Observation/{made(scene, 'Observation')['vital-signs']}", CLOSED)


def no_write(scene: Scene) -> None:
    """The letters rs open no create, update or delete."""
    _closed_to_writes(scene, scene.standalone)


def write(scene: Scene) -> None:
    """The letter c opens a create in the patient's own record, and in no other."""
    launched = let_in(scene, f"{ASK} patient/Observation.c")
    expect(_create(scene, launched, launched.patient) == 201, "the own record is closed")
    status = _create(scene, launched, _other_patient(scene))
    expect(400 <= status < 500, f"another patient's record answered {status}")


def _closed_to_writes(scene: Scene, launched: Launched) -> None:
    bearer = {"Authorization": f"Bearer {launched.access}"}
    where = f"{scene.fhir}/Observation/{made(scene, 'Observation')['laboratory']}"
    statuses = {
        "create": _create(scene, launched, launched.patient),
        "update": scene.target.ask("PUT", where, b"{}", {**JSON, **bearer}, token=False).status,
        "delete": scene.target.ask("DELETE", where, None, bearer, token=False).status,
    }
    opened = {name: status for name, status in statuses.items() if status not in CLOSED}
    expect(not opened, f"not closed: {opened}")


def _create(scene: Scene, launched: Launched, patient: str) -> int:
    body = json.dumps(_resource("Observation", "vital-signs", patient)).encode()
    bearer = {"Authorization": f"Bearer {launched.access}"}
    return scene.target.ask("POST", f"{scene.fhir}/Observation", body, {**JSON, **bearer}, token=False).status


def made(scene: Scene, kind: str) -> dict[str, str]:
    """The ids of one resource of each category in the patient's record, by category."""
    _, *categories = KINDS[kind]
    return {
        category: scene.create(_resource(kind, category, scene.standalone.patient), key=f"{kind}-{category}")
        for category in categories
    }


def _other_patient(scene: Scene) -> str:
    return scene.create({"resourceType": "Patient", "name": [{"family": "Conformance"}]}, key="other")


def _resource(kind: str, category: str, patient: str) -> dict[str, Any]:
    system = KINDS[kind][0]
    common = {
        "resourceType": kind,
        "category": [{"coding": [{"system": system, "code": category}]}],
        "code": {"text": f"Conformance {uuid.uuid4()}"},
        "subject": {"reference": f"Patient/{patient}"},
    }
    if kind == "Observation":
        return common | {"status": "final"}
    active = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
    return common | {"clinicalStatus": {"coding": [active]}}


CHECKS = (
    Check(CLAUSE, "what the person unticks is closed", unticked),
    Check(CLAUSE, "what was not asked for is closed", restricted),
    Check(CLAUSE, "another patient is not there", other_patient),
    Check(CLAUSE, "read of version 1 opens reads and searches", version_1),
    Check(CLAUSE, "r opens no search", read_only),
    Check(CLAUSE, "s opens no read", search_only),
    Check(CLAUSE, "rs opens no write", no_write),
    Check(CLAUSE, "c opens a create in the own record only", write),
)
