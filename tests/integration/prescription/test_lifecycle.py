"""The life of a MedicationRequest over a real socket: held in every way of writing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.prescription.conftest import Prescribing

Json = dict[str, Any]
URL = "/fhir/MedicationRequest"


def order(status: str, intent: str = "order", **more: Any) -> Json:
    """An order for the patient."""
    return {
        "resourceType": "MedicationRequest",
        "status": status,
        "intent": intent,
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": "amoxicillin"},
    } | more


def written(client: httpx.Client, resource: Json, url: str = URL) -> Json:
    """What a create stored."""
    answer = client.post(url, json=resource)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def ways(client: httpx.Client, resource: Json) -> list[httpx.Response]:
    """Every way to make a version of a resource."""
    id_, status = resource["id"], resource["status"]
    address = f"{URL}/{id_}"
    json_patch = [{"op": "replace", "path": "/status", "value": status}]
    step = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "MedicationRequest.status"},
        {"name": "value", "valueCode": status},
    ]
    fhir_patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": step}]}
    put = {"request": {"method": "PUT", "url": address.removeprefix("/fhir/")}, "resource": resource}
    batch = client.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": [put]})
    entry = batch.json()["entry"][0]["response"]
    of_batch = httpx.Response(int(entry["status"][:3]), json=entry.get("outcome"))
    return [
        client.put(address, json=resource),
        client.put(f"{URL}?_id={id_}", json=resource),
        client.patch(address, json=json_patch, headers={"Content-Type": "application/json-patch+json"}),
        client.patch(address, json=fhir_patch),
        client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [put]}),
        of_batch,
    ]


@pytest.mark.spec("FHIR R4 valueset-medicationrequest-status.html")
def test_the_table_holds_in_every_way_of_writing(clinic: Prescribing) -> None:
    """No update, patch, batch or transaction makes a draft active for a practitioner, or an order of what is over."""
    with clinic.doctor() as doctor, clinic.system() as system:
        assert doctor.post(URL, json=order("active")).status_code == 422
        draft = written(doctor, order("draft"))
        for answer in ways(doctor, draft | {"status": "active"}):
            assert answer.status_code == 422, answer.text
            assert "$sign" in answer.text
        assert doctor.get(f"{URL}/{draft['id']}").json()["meta"]["versionId"] == "1"
        assert system.put(f"{URL}/{draft['id']}", json=draft | {"status": "active"}).is_success
        over = written(system, order("completed"))
        for client in (doctor, system):
            for answer in ways(client, over | {"status": "active"}):
                assert answer.status_code == 422, answer.text
                assert "completed does not become active" in answer.text
        assert doctor.delete(f"{URL}/{over['id']}").status_code == 422


def test_a_practitioner_stops_with_a_reason(clinic: Prescribing) -> None:
    """And changes nothing else of what was signed."""
    with clinic.doctor() as doctor, clinic.system() as system:
        active = written(system, order("active"))
        address = f"{URL}/{active['id']}"
        assert "statusReason" in doctor.put(address, json=active | {"status": "stopped"}).text
        reason: Json = {"statusReason": {"text": "it made her dizzy"}}
        dose: Json = {"dosageInstruction": [{"text": "more"}]}
        assert doctor.put(address, json=active | {"status": "stopped"} | reason | dose).status_code == 422
        assert doctor.put(address, json=active | {"status": "stopped"} | reason).is_success
        assert doctor.put(address, json=active | reason).status_code == 422


def test_a_patient_asks_and_orders_nothing(clinic: Prescribing) -> None:
    """A proposal of their own, in their own record; no order, in no way, whatever the scope of the app."""
    mine: Json = {"requester": {"reference": "Patient/p"}}
    with clinic.patient() as patient, clinic.system() as system:
        for status in ("active", "draft"):
            assert patient.post(URL, json=order(status, **mine)).status_code == 422
        proposal = written(patient, order("active", "proposal", **mine))
        for answer in ways(patient, proposal | {"status": "completed"}):
            assert answer.status_code == 422, answer.text
        assert patient.put(f"{URL}/{proposal['id']}", json=proposal | {"status": "cancelled"}).is_success
        active = written(system, order("active"))
        for answer in ways(patient, active | {"status": "stopped", "statusReason": {"text": "no"}}):
            assert answer.status_code == 422, answer.text
        other = order("active", "proposal", **mine) | {"subject": {"reference": "Patient/q"}}
        assert patient.post(URL, json=other).status_code == 403
