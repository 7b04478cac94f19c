"""Checks of the FHIR REST API. Spec: FHIR R4 (4.0.1), hl7.org/fhir/R4/http.html and search.html"""

from __future__ import annotations

import json
from typing import Any

from conformance.check import Check, expect
from conformance.target import Answer, Target

JSON = {"Content-Type": "application/fhir+json"}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "Conformance"}], "gender": "unknown"}


def _create(target: Target) -> tuple[str, Answer]:
    made = target.ask("POST", "/fhir/Patient", json.dumps(PATIENT).encode(), JSON)
    expect(made.status == 201, f"create answered {made.status}")
    return made.headers.get("location", "").partition("/_history/")[0].rpartition("/fhir")[2], made


def _refused(answer: Answer, status: int) -> None:
    expect(answer.status == status, f"answered {answer.status} instead of {status}")
    found = answer.json() or {}
    expect(found.get("resourceType") == "OperationOutcome", "the refusal is no OperationOutcome")


def metadata(target: Target) -> None:
    """The capability statement is public and of this version."""
    answer = target.ask("GET", "/fhir/metadata", token=False)
    found = answer.json() or {}
    expect(answer.status == 200, f"metadata answered {answer.status}")
    expect(found.get("resourceType") == "CapabilityStatement", "metadata is no CapabilityStatement")
    expect(found.get("fhirVersion") == "4.0.1", "fhirVersion is not 4.0.1")


def create(target: Target) -> None:
    """201 with Location and ETag, and the resource can be read there."""
    path, made = _create(target)
    expect(made.headers.get("etag") == 'W/"1"', "the ETag is not that of version 1")
    read = target.ask("GET", f"/fhir{path}")
    expect(read.status == 200, f"read answered {read.status}")
    expect((read.json() or {}).get("gender") == "unknown", "the resource reads back otherwise")


def update_conflict(target: Target) -> None:
    """If-Match with an old version is 412."""
    path, _ = _create(target)
    body = json.dumps({**PATIENT, "id": path.rpartition("/")[2], "gender": "other"}).encode()
    expect(target.ask("PUT", f"/fhir{path}", body, JSON).status == 200, "update failed")
    _refused(target.ask("PUT", f"/fhir{path}", body, {**JSON, "If-Match": 'W/"1"'}), 412)
    older = target.ask("GET", f"/fhir{path}/_history/1")
    expect((older.json() or {}).get("gender") == "unknown", "version 1 is not kept")


def delete(target: Target) -> None:
    """204, then 410; a missing one is 404."""
    path, _ = _create(target)
    expect(target.ask("DELETE", f"/fhir{path}").status in (200, 204), "delete failed")
    _refused(target.ask("GET", f"/fhir{path}"), 410)
    _refused(target.ask("GET", "/fhir/Patient/conformance-is-not-there"), 404)


def refusals(target: Target) -> None:
    """Malformed and invalid bodies, unknown types and media types are refused."""
    _refused(target.ask("POST", "/fhir/Patient", b'{"resourceType":"Patient"', JSON), 400)
    _refused(target.ask("POST", "/fhir/Patient", b'{"resourceType":"Patient","gender":"x"}', JSON), 400)
    _refused(target.ask("POST", "/fhir/Patent", b'{"resourceType":"Patent"}', JSON), 404)
    _refused(target.ask("POST", "/fhir/Patient", b"x", {"Content-Type": "text/plain"}), 415)


def unauthenticated(target: Target) -> None:
    """Without a token: 401 with a challenge."""
    answer = target.ask("GET", "/fhir/Patient", token=False)
    _refused(answer, 401)
    expect(answer.headers.get("www-authenticate", "").startswith("Bearer"), "no Bearer challenge")


def search_pages(target: Target) -> None:
    """A search is a searchset whose next links lead to the end without repeating."""
    for _ in range(3):
        _create(target)
    path = "/fhir/Patient?family=conformance&_count=2"
    seen: set[str] = set()
    for _ in range(200):
        page = target.ask("GET", path).json() or {}
        expect(page.get("type") == "searchset", "no searchset")
        ids = [entry["fullUrl"] for entry in page.get("entry", []) if entry["search"]["mode"] == "match"]
        expect(not seen & set(ids), "a page repeats a match")
        seen |= set(ids)
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following or len(seen) > 100:
            break
        path = following[0].removeprefix(target.base)
    expect(len(seen) >= 3, f"only {len(seen)} matches were found")


def transaction(target: Target) -> None:
    """A transaction stores all its entries, with references between them, or none."""
    patient = {"fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "resource": PATIENT}
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "conformance"},
        "subject": {"reference": patient["fullUrl"]},
    }
    entries = [
        {**patient, "request": {"method": "POST", "url": "Patient"}},
        {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = target.ask("POST", "/fhir", json.dumps(bundle).encode(), JSON)
    expect(answer.status == 200, f"the transaction answered {answer.status}")
    places = [entry["response"]["location"] for entry in (answer.json() or {})["entry"]]
    stored = target.ask("GET", "/fhir/" + places[1].partition("/_history/")[0].rpartition("/fhir/")[2]).json() or {}
    made = places[0].partition("/_history/")[0].rpartition("Patient/")[2]
    expect(stored["subject"]["reference"].endswith(f"Patient/{made}"), "the reference was not rewritten")
    observation.pop("status")
    _refused(target.ask("POST", "/fhir", json.dumps(bundle).encode(), JSON), 400)


CHECKS = (
    Check("FHIR R4 http.html#capabilities", "the capability statement is public", metadata),
    Check("FHIR R4 http.html#create", "create answers 201 with Location and ETag", create),
    Check("FHIR R4 http.html#concurrency", "If-Match guards updates, versions are kept", update_conflict),
    Check("FHIR R4 http.html#delete", "deleted is 410, missing is 404", delete),
    Check("FHIR R4 http.html#general", "bad requests are refused with an OperationOutcome", refusals),
    Check("RFC 6750 3", "no token is 401 with a challenge", unauthenticated),
    Check("FHIR R4 search.html#count", "pages lead to the end without repeating", search_pages),
    Check("FHIR R4 http.html#transaction", "all entries or none, references rewritten", transaction),
)
