"""Checks of search beyond one type's own parameters. Spec: FHIR R4 (4.0.1), hl7.org/fhir/R4/search.html"""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import urlencode

from conformance.check import Check, expect
from conformance.target import Target

JSON = {"Content-Type": "application/fhir+json"}
SYSTEM = "urn:healix:conformance"
DATES = ("2024-05-01", "2024-05-03", "2024-05-02")

Found = list[tuple[str, str]]
"""Entries in their order: search mode and path."""


def _stored(target: Target) -> tuple[str, list[str], str]:
    """A patient of its own with three Observations of different days; their paths, and the value that marks them."""
    mark = str(uuid.uuid4())
    patient = _create(target, {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": mark}]})
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": SYSTEM, "code": mark}]},
        "subject": {"reference": patient},
    }
    return patient, [_create(target, observation | {"effectiveDateTime": date}) for date in DATES], mark


def _create(target: Target, resource: dict[str, Any]) -> str:
    made = target.ask("POST", f"/fhir/{resource['resourceType']}", json.dumps(resource).encode(), JSON)
    expect(made.status == 201, f"create answered {made.status}")
    return made.headers.get("location", "").partition("/_history/")[0].rpartition("/fhir/")[2]


def _search(target: Target, path: str, **parameters: str) -> Found:
    answer = target.ask("GET", f"/fhir{path}?{urlencode(parameters)}")
    expect(answer.status == 200, f"{path or 'the system search'} answered {answer.status}")
    return [
        (entry["search"]["mode"], entry["fullUrl"].rpartition("/fhir/")[2])
        for entry in (answer.json() or {}).get("entry", [])
    ]


def _expect_matches(found: Found, wanted: list[str]) -> None:
    matches = [path for mode, path in found if mode == "match"]
    expect(sorted(matches) == sorted(wanted), f"{len(matches)} matches instead of {len(wanted)}, or others")


def chains(target: Target) -> None:
    """Resources are found by what they refer to, with and without the type."""
    _, observations, mark = _stored(target)
    for name in ("subject:Patient.identifier", "patient.identifier"):
        _expect_matches(_search(target, "/Observation", **{name: f"{SYSTEM}|{mark}"}), observations)
        _expect_matches(_search(target, "/Observation", **{name: f"{SYSTEM}|not-{mark}"}), [])


def reverse_chains(target: Target) -> None:
    """Resources are found by what refers to them."""
    patient, _, mark = _stored(target)
    _expect_matches(_search(target, "/Patient", **{"_has:Observation:patient:code": f"{SYSTEM}|{mark}"}), [patient])
    _expect_matches(_search(target, "/Patient", **{"_has:Observation:patient:code": f"{SYSTEM}|not-{mark}"}), [])


def includes(target: Target) -> None:
    """What is included comes once, and is marked so."""
    patient, observations, mark = _stored(target)
    code = f"{SYSTEM}|{mark}"
    forth = _search(target, "/Observation", code=code, _include="Observation:subject")
    _expect_matches(forth, observations)
    expect([path for mode, path in forth if mode == "include"] == [patient], "the patient is not included once")
    back = _search(target, "/Patient", identifier=code, _revinclude="Observation:subject")
    _expect_matches(back, [patient])
    expect({path for mode, path in back if mode == "include"} == set(observations), "the Observations are not included")


def sorts(target: Target) -> None:
    """Matches come in the order that is asked for."""
    _, (first, third, second), mark = _stored(target)
    for key, wanted in (("date", [first, second, third]), ("-date", [third, second, first])):
        found = _search(target, "/Observation", code=f"{SYSTEM}|{mark}", _sort=key)
        expect([path for _, path in found] == wanted, f"_sort={key} gives another order")


def compartments(target: Target) -> None:
    """A patient's compartment holds what is about that patient, and nothing about another."""
    patient, observations, mark = _stored(target)
    other, _, _ = _stored(target)
    _expect_matches(_search(target, f"/{patient}/Observation", code=f"{SYSTEM}|{mark}"), observations)
    _expect_matches(_search(target, f"/{other}/Observation", code=f"{SYSTEM}|{mark}"), [])


def system(target: Target) -> None:
    """A search over several types finds each."""
    patient, observations, _ = _stored(target)
    ids = ",".join(path.partition("/")[2] for path in (patient, observations[0]))
    _expect_matches(_search(target, "", _type="Patient,Observation", _id=ids), [patient, observations[0]])
    _expect_matches(_search(target, "", _type="Patient", _id=ids), [patient])


def by_post(target: Target) -> None:
    """POST _search takes its parameters from a form."""
    _, observations, mark = _stored(target)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = target.ask("POST", "/fhir/Observation/_search", urlencode({"code": f"{SYSTEM}|{mark}"}).encode(), form)
    expect(answer.status == 200, f"POST _search answered {answer.status}")
    found = {entry["fullUrl"].rpartition("/fhir/")[2] for entry in (answer.json() or {}).get("entry", [])}
    expect(found == set(observations), "it finds others than GET")


def strictness(target: Target) -> None:
    """An unknown parameter is an error when the client says so, an unknown modifier always."""
    strict = target.ask("GET", "/fhir/Patient?no-such-parameter=1", headers={"Prefer": "handling=strict"})
    expect(strict.status == 400, f"under handling=strict an unknown parameter answered {strict.status}")
    lenient = target.ask("GET", "/fhir/Patient?no-such-parameter=1", headers={"Prefer": "handling=lenient"})
    expect(lenient.status == 200, f"under handling=lenient an unknown parameter answered {lenient.status}")
    expect(target.ask("GET", "/fhir/Patient?family:sounds=1").status == 400, "an unknown modifier is taken")


CHECKS = (
    Check("FHIR R4 search.html#chaining", "found by what they refer to", chains),
    Check("FHIR R4 search.html#has", "found by what refers to them", reverse_chains),
    Check("FHIR R4 search.html#include", "included resources come once and marked", includes),
    Check("FHIR R4 search.html#sort", "matches in the order asked for", sorts),
    Check("FHIR R4 compartmentdefinition.html", "a compartment holds its own and nothing else", compartments),
    Check("FHIR R4 http.html#search", "search over several types", system),
    Check("FHIR R4 http.html#search", "search by POST", by_post),
    Check("FHIR R4 search.html#errors", "unknown parameters and modifiers", strictness),
)
