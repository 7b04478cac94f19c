"""Checks of the API for one patient's app. Inferno: (g)(10) single patient API (US Core 6.1.0), unrestricted access.

One resource of each type is made in the patient's record, and each search that a server must support has to find it.

Spec: US Core 6.1.0, hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from conformance.check import Check, expect
from conformance.smart.scene import Scene

CLAUSE = "US Core 6.1.0 CapabilityStatement-us-core-server.html"
TIME = "2021-03-04T05:06:07Z"
CODE = {"coding": [{"system": "urn:healix:conformance", "code": "checked"}], "text": "Conformance"}
TOKEN = "urn:healix:conformance|checked"  # noqa: S105 - a search token


def _category(system: str, code: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}]


VITAL = _category("observation-category", "vital-signs")
LAB = _category("v2-0074", "LAB")
PLAN = [{"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "code": "assess-plan"}]}]
NOTE = [
    {
        "coding": [
            {
                "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                "code": "clinical-note",
            }
        ]
    }
]
PROBLEM = _category("condition-category", "problem-list-item")
ACTIVE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}

RECORD: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "AllergyIntolerance": ("patient", {"code": CODE}, ("patient={p}",)),
    "CarePlan": (
        "subject",
        {"status": "active", "intent": "plan", "category": PLAN},
        ("patient={p}&category=http://hl7.org/fhir/us/core/CodeSystem/careplan-category|assess-plan",),
    ),
    "CareTeam": ("subject", {"status": "active"}, ("patient={p}&status=active",)),
    "Condition": (
        "subject",
        {"clinicalStatus": ACTIVE, "category": PROBLEM, "code": CODE},
        ("patient={p}", "patient={p}&category=problem-list-item"),
    ),
    "Coverage": ("beneficiary", {"status": "active", "payor": [{"display": "Conformance"}]}, ("patient={p}",)),
    "Device": ("patient", {"type": CODE}, ("patient={p}", f"patient={{p}}&type={TOKEN}")),
    "DiagnosticReport": (
        "subject",
        {"status": "final", "category": LAB, "code": CODE, "effectiveDateTime": TIME},
        (
            "patient={p}",
            "patient={p}&category=LAB",
            f"patient={{p}}&code={TOKEN}",
            "patient={p}&category=LAB&date=ge2021-03-01",
        ),
    ),
    "DocumentReference": (
        "subject",
        {
            "status": "current",
            "type": CODE,
            "category": NOTE,
            "date": TIME,
            "content": [{"attachment": {"contentType": "text/plain", "data": "QQ=="}}],
        },
        (
            "patient={p}",
            "_id={id}",
            "patient={p}&category=clinical-note",
            "patient={p}&category=clinical-note&date=ge2021-03-01",
            f"patient={{p}}&type={TOKEN}",
        ),
    ),
    "Encounter": (
        "subject",
        {
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "period": {"start": TIME, "end": TIME},
        },
        ("patient={p}", "_id={id}", "patient={p}&date=2021-03-04"),
    ),
    "Goal": ("subject", {"lifecycleStatus": "active", "description": CODE}, ("patient={p}",)),
    "Immunization": (
        "patient",
        {"status": "completed", "vaccineCode": CODE, "occurrenceDateTime": TIME},
        ("patient={p}",),
    ),
    "MedicationDispense": (
        "subject",
        {"status": "completed", "medicationCodeableConcept": CODE},
        ("patient={p}", "patient={p}&status=completed"),
    ),
    "MedicationRequest": (
        "subject",
        {"status": "active", "intent": "order", "medicationCodeableConcept": CODE},
        ("patient={p}&intent=order", "patient={p}&intent=order&status=active"),
    ),
    "Observation": (
        "subject",
        {"status": "final", "category": VITAL, "code": CODE, "effectiveDateTime": TIME},
        (
            "patient={p}&category=vital-signs",
            f"patient={{p}}&code={TOKEN}",
            "patient={p}&category=vital-signs&date=2021-03-04",
        ),
    ),
    "Procedure": (
        "subject",
        {"status": "completed", "code": CODE, "performedDateTime": TIME},
        ("patient={p}", "patient={p}&date=lt2021-04-01"),
    ),
    "RelatedPerson": ("patient", {"relationship": [CODE]}, ("_id={id}", "patient={p}")),
    "ServiceRequest": (
        "subject",
        {"status": "active", "intent": "order", "category": [CODE], "code": CODE, "authoredOn": TIME},
        (
            "patient={p}",
            "_id={id}",
            f"patient={{p}}&category={TOKEN}",
            f"patient={{p}}&code={TOKEN}",
            f"patient={{p}}&category={TOKEN}&authored=ge2021-03-04",
        ),
    ),
    "Specimen": ("subject", {"type": CODE}, ("_id={id}", "patient={p}")),
}
"""For each type: the element that names the patient, the rest of a resource, and the searches that find it."""

PATIENT = ("_id={id}", "identifier={identifier}", "name={name}", "birthdate={born}&name={name}",
           "gender={gender}&name={name}")  # fmt: skip
DIRECTORY = ("Location", "Organization", "Practitioner", "PractitionerRole")


def capability_statement(scene: Scene) -> None:
    """It is an active instance of R4 with JSON, and names every type of the guide."""
    found = scene.target.ask("GET", "/fhir/metadata", token=False).json() or {}
    expect((found.get("status"), found.get("kind")) == ("active", "instance"), "it is no active instance")
    expect("application/fhir+json" in found.get("format", ()), "it does not offer JSON")
    named = {resource["type"] for resource in found["rest"][0].get("resource", ())}
    missing = {"Patient", "Provenance", *RECORD, *DIRECTORY} - named
    expect(not missing, f"missing: {sorted(missing)}")


def declared(scene: Scene) -> None:
    """It names every search parameter that the guide's searches use."""
    found = scene.target.ask("GET", "/fhir/metadata", token=False).json() or {}
    named = {
        resource["type"]: {parameter["name"] for parameter in resource.get("searchParam", ())}
        for resource in found["rest"][0].get("resource", ())
    }
    wanted = {kind: searches for kind, (_, _, searches) in RECORD.items()} | {"Patient": PATIENT}
    missing = {
        f"{kind}.{name}"
        for kind, searches in wanted.items()
        for search in searches
        for name in (part.partition("=")[0] for part in search.split("&"))
        if name not in named.get(kind, ()) and not name.startswith("_")
    }
    expect(not missing, f"missing: {sorted(missing)}")


def patient(scene: Scene) -> None:
    """The patient is found in each way."""
    launched = scene.standalone
    body = scene.get(f"Patient/{launched.patient}", launched.access).json() or {}
    identifier = body["identifier"][0]
    places = {
        "id": launched.patient,
        "identifier": f"{identifier.get('system', '')}|{identifier['value']}",
        "name": body["name"][0]["family"],
        "born": body.get("birthDate", ""),
        "gender": body.get("gender", ""),
    }
    _found(scene, "Patient", launched.patient, PATIENT, places)


def searches(kind: str, scene: Scene) -> None:
    """What is in the record is found in each way, and read."""
    launched = scene.standalone
    whose, rest, ways = RECORD[kind]
    resource = {"resourceType": kind, whose: {"reference": f"Patient/{launched.patient}"}, **rest}
    id_ = scene.create(resource, key=f"us-core-{kind}")
    read = scene.get(f"{kind}/{id_}", launched.access)
    expect(read.status == 200, f"the read answered {read.status}")
    _found(scene, kind, id_, ways, {"p": launched.patient, "id": id_})


def provenance(scene: Scene) -> None:
    """What tells of a resource's origin comes with it."""
    launched = scene.standalone
    patient_id = launched.patient
    target = {"reference": f"Patient/{patient_id}"}
    who = [{"who": {"display": "Conformance"}}]
    made = {"resourceType": "Provenance", "target": [target], "recorded": TIME, "agent": who}
    id_ = scene.create(made, key="us-core-Provenance")
    answer = scene.get(f"Patient?_id={patient_id}&_revinclude=Provenance:target", launched.access)
    included = [
        entry["resource"]["id"]
        for entry in (answer.json() or {}).get("entry", ())
        if entry.get("search", {}).get("mode") == "include"
    ]
    expect(id_ in included, f"answered {answer.status}, and it is not among {len(included)} included resources")


def missing(scene: Scene) -> None:
    """A resource that is not there, or never was one, is answered as an OperationOutcome."""
    for path in ("Patient/conformance-is-not-there", "Conformance/1"):
        answer = scene.get(path, scene.standalone.access)
        expect(answer.status in (403, 404), f"{path} answered {answer.status}")
        expect((answer.json() or {}).get("resourceType") == "OperationOutcome", f"{path} has no OperationOutcome")


PAGES = 50
"""Pages of a search that are looked through."""


def _found(scene: Scene, kind: str, id_: str, ways: tuple[str, ...], places: Mapping[str, str]) -> None:
    for way in ways:
        query = way.format(**places)
        found: set[str] = set()
        for entries in islice(_pages(scene, f"{kind}?{query}&_count=200"), PAGES):
            found |= {entry["resource"]["id"] for entry in entries}
            strangers = {entry["resource"]["resourceType"] for entry in entries} - {kind}
            expect(not strangers, f"{query} finds {sorted(strangers)}")
            if id_ in found:
                break
        expect(id_ in found, f"{query} does not find {kind}/{id_} among {len(found)}")


def _pages(scene: Scene, path: str) -> Iterator[list[Any]]:
    """The matches of a search, page by page."""
    while path:
        answer = scene.get(path, scene.standalone.access)
        body = answer.json() or {}
        expect(answer.status == 200 and body.get("type") == "searchset", f"{path} answered {answer.status}")
        yield [entry for entry in body.get("entry", ()) if entry.get("search", {}).get("mode") != "outcome"]
        onward = next((link["url"] for link in body.get("link", ()) if link["relation"] == "next"), "")
        path = onward.removeprefix(f"{scene.fhir}/")


CHECKS = (
    Check(CLAUSE, "the capability statement names every type", capability_statement),
    Check(CLAUSE, "the capability statement names every parameter", declared),
    Check(f"{CLAUSE}#patient", "Patient: all required searches", patient),
    *(Check(f"{CLAUSE}#{kind.lower()}", f"{kind}: all required searches", partial(searches, kind)) for kind in RECORD),
    Check(f"{CLAUSE}#provenance", "Provenance comes with what it tells of", provenance),
    Check("FHIR R4 http.html#read", "what is missing is answered with an OperationOutcome", missing),
)
