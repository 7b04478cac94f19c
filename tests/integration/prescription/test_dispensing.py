"""What is dispensed of an order: as often as it allows, and not once more, however many dispense at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.prescription.conftest import Prescribing
from tests.integration.prescription.test_lifecycle import order, written

Json = dict[str, Any]
URL = "/fhir/MedicationDispense"


def dispense(of: str, status: str = "completed", **more: Any) -> Json:
    """A dispense of an order."""
    return {
        "resourceType": "MedicationDispense",
        "status": status,
        "medicationCodeableConcept": {"text": "amoxicillin"},
        "subject": {"reference": "Patient/p"},
        "authorizingPrescription": [{"reference": f"MedicationRequest/{of}"}],
    } | more


@pytest.mark.spec("FHIR R4 medicationrequest-definitions.html#MedicationRequest.dispenseRequest")
def test_of_many_at_once_no_more_than_are_allowed(clinic: Prescribing) -> None:
    """Ten at once of an order with two repeats, over several connections and in one transaction: three have it."""
    with clinic.system() as system:
        made = written(system, order("active", dispenseRequest={"numberOfRepeatsAllowed": 2}))["id"]
    with clinic.doctor() as doctor, ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: doctor.post(URL, json=dispense(made)), range(10)))
        assert sorted(one.status_code for one in answers) == [201] * 3 + [409] * 7
        refused = next(one for one in answers if one.status_code == 409).json()["issue"][0]
        assert refused["expression"] == ["MedicationDispense.authorizingPrescription"]
        (first, *_) = (one.json() for one in answers if one.status_code == 201)
        assert doctor.put(f"{URL}/{first['id']}", json=first | {"note": [{"text": "x"}]}).status_code == 200
        assert doctor.put(f"{URL}/{first['id']}", json=first | {"status": "entered-in-error"}).status_code == 200
        assert transaction(doctor, made, made).status_code == 409
        assert transaction(doctor, made).status_code == 200
        assert doctor.put(f"{URL}/{first['id']}", json=first).status_code == 409


def test_what_limits_nothing(clinic: Prescribing) -> None:
    """An order without a number, one of another server, what was not handed over, and what a system brings."""
    with clinic.system() as system, clinic.doctor() as doctor:
        free = written(system, order("active"))["id"]
        once = written(system, order("active", dispenseRequest={"numberOfRepeatsAllowed": 0}))["id"]
        elsewhere = [{"reference": f"https://x.test/fhir/MedicationRequest/{once}"}]
        for one in (dispense(free), dispense(once, "stopped"), dispense(once, authorizingPrescription=elsewhere)):
            for _ in range(2):
                written(doctor, one, URL)
        written(doctor, dispense(once), URL)
        assert doctor.post(URL, json=dispense(once)).status_code == 409
        written(system, dispense(once), URL)


def transaction(client: httpx.Client, *orders: str) -> httpx.Response:
    """Dispense of orders in one transaction."""
    entries = [
        {"request": {"method": "POST", "url": "MedicationDispense"}, "resource": dispense(one)} for one in orders
    ]
    return client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
