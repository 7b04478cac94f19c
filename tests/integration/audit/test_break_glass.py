"""Break-glass over HTTP: the operation, what it opens on FHIR and DICOMweb, and what the audit trail says of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.json import encode
from tests.integration.audit.test_audit_event import FHIR, entity, events
from tests.support.live_server import LiveServer
from tests.support.resources import observation, patient

REASON = "found unconscious"


@pytest.fixture
def who() -> str:
    """A name that no other test uses, of a patient, the doctor and the doctor's account."""
    return f"glass-{logical_id()[:8]}"


@pytest.fixture
def doctor(server: LiveServer, module_database_url: str, who: str) -> Iterator[httpx.Client]:
    """The app of a clinician without patients; a patient with an Observation is stored."""
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO account (username, role, fhir_user, password_hash) VALUES (%s, 'practitioner', %s, '')",
            (who, f"Practitioner/{who}"),
        )
    with server.client("system/*.cruds") as admin:
        for made in (patient(id=who), observation(f"Patient/{who}", id=who)):
            target = f"/fhir/{made['resourceType']}/{who}"
            admin.put(target, content=encode(made), headers=FHIR).raise_for_status()
    with server.client("user/*.cruds", username=who, client=who) as client:
        yield client


def call(client: httpx.Client, name: str, who: str, **values: Any) -> httpx.Response:
    """Call the operation with valueString parameters."""
    parts = [{"name": key, "valueString": value} for key, value in values.items()]
    body = {"resourceType": "Parameters"} | ({"parameter": parts} if parts else {})
    return client.post(f"/fhir/Patient/{who}/${name}", content=encode(body), headers=FHIR)


@pytest.mark.spec("FHIR R4 security.html#6.1.0")
def test_what_is_done_under_it_has_the_purpose_btg(server: LiveServer, doctor: httpx.Client, who: str) -> None:
    """Opening, reads, searches and writes under break-glass carry BTG; what was before and comes after does not."""
    assert doctor.get(f"/fhir/Observation/{who}").status_code == 404
    opened = call(doctor, "break-glass", who, reason=REASON)
    assert opened.status_code == 201, opened.text
    assert {part["name"] for part in opened.json()["parameter"]} == {"id", "period"}
    assert doctor.get(f"/fhir/Observation/{who}").status_code == 200
    assert doctor.get(f"/fhir/Observation?subject=Patient/{who}").json()["total"] == 1
    made = encode(observation(f"Patient/{who}"))
    assert doctor.post("/fhir/Observation", content=made, headers=FHIR).status_code == 201
    assert call(doctor, "end-break-glass", who).status_code == 200
    assert doctor.get(f"/fhir/Observation/{who}").status_code == 404
    assert call(doctor, "end-break-glass", who).status_code == 404
    with server.client("system/*.rs") as admin:
        admin.get(f"/fhir/Observation/{who}").raise_for_status()
        told = {
            (event["subtype"][-1]["code"], "purposeOfEvent" in event)
            for event in events(admin, f"patient={who}&agent-name={who}")
        }
        others = {
            (event["subtype"][-1]["code"], "purposeOfEvent" in event)
            for event in events(admin, f"patient={who}")
            if event["agent"][0]["name"] != who
        }
        (opening,) = events(admin, f"patient={who}&subtype=$break-glass")
        read = admin.get(f"/fhir/AuditEvent/{opening['id']}").json()
    assert told == {
        ("$break-glass", True),
        ("read", False),  # what was denied before and after
        ("read", True),
        ("search-type", True),
        ("create", True),
        ("$end-break-glass", False),
    }
    assert {purpose for _, purpose in others} == {False}
    assert opening == read
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG"}
    assert opening["purposeOfEvent"][0]["coding"][0].items() >= code.items()
    data = entity(opening, "4")
    assert data is not None
    assert any(one.get("name") == REASON for one in opening["entity"])


@pytest.mark.parametrize(
    ("target", "body", "status", "words"),
    [
        ("Patient/{who}/$break-glass", {}, 400, "reason"),
        ("Patient/{who}/$break-glass", {"parameter": [{"name": "reason", "valueInteger": 4}]}, 400, "valueString"),
        ("Patient/{who}/$break-glass", {"parameter": [{"name": "why", "valueString": REASON}]}, 400, "'why'"),
        ("Patient/{who}/$break-glass", {"parameter": [{"name": "reason", "valueString": REASON}] * 2}, 400, "once"),
        ("Patient/{who}/$break-glass", {"parameter": [{"valueString": REASON}]}, 400, "Parameters"),
        ("Patient/{who}/$end-break-glass", {"parameter": [{"name": "reason", "valueString": REASON}]}, 400, "reason"),
        ("Observation/{who}/$break-glass", {"parameter": [{"name": "reason", "valueString": REASON}]}, 400, "not for"),
        ("Patient/$break-glass", {"parameter": [{"name": "reason", "valueString": REASON}]}, 400, "type level"),
        ("Patient/nobody/$break-glass", {"parameter": [{"name": "reason", "valueString": REASON}]}, 404, "nobody"),
    ],
)
def test_a_bad_call_is_refused_by_name(
    doctor: httpx.Client, who: str, target: str, body: dict[str, Any], status: int, words: str
) -> None:
    """Each mistake is answered with an outcome that names it, and opens nothing."""
    content = encode({"resourceType": "Parameters"} | body)
    answer = doctor.post(f"/fhir/{target.format(who=who)}", content=content, headers=FHIR)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["issue"][0]["diagnostics"]
    assert doctor.get(f"/fhir/Observation/{who}").status_code == 404


def test_only_clinicians_break_it(server: LiveServer, doctor: httpx.Client, who: str) -> None:
    """A token without scope, of a patient, or of a service, opens nothing; without token there is no answer."""
    tokens: list[tuple[str, dict[str, str]]] = [
        ("user/Observation.rs", {"username": who}),
        ("patient/*.rs", {"patient": who}),
        ("system/*.cruds", {}),
    ]
    for scope, whose in tokens:
        with server.client(scope, **whose) as client:
            assert call(client, "break-glass", who, reason=REASON).status_code == 403
    with server.client() as nobody:
        assert call(nobody, "break-glass", who, reason=REASON).status_code == 401
    assert doctor.get(f"/fhir/Observation/{who}").status_code == 404


def test_the_reason_may_stand_in_the_address(doctor: httpx.Client, who: str) -> None:
    """A simple parameter of an operation may be given in the URL of a POST."""
    assert doctor.post(f"/fhir/Patient/{who}/$break-glass?reason=unconscious").status_code == 201
    assert doctor.get(f"/fhir/Observation/{who}").status_code == 200
    assert doctor.get(f"/fhir/Patient/{who}/$break-glass?reason=unconscious").status_code == 405
