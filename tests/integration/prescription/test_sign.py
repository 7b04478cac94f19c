"""$check-order and $sign over a real socket: who may, what is warned of, and what remains of an answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.operation.prescription.interactions import Interaction, replace
from tests.integration.prescription.conftest import Prescribing
from tests.integration.prescription.test_lifecycle import URL, order, written

Json = dict[str, Any]
DRUGS = "urn:drugs"


def drug(code: str, text: str) -> Json:
    """A coded medication."""
    return {"medicationCodeableConcept": {"text": text, "coding": [{"system": DRUGS, "code": code}]}}


def findings(client: httpx.Client, id_: str, query: str = "") -> list[Json]:
    """What $check-order tells."""
    answer = client.get(f"{URL}/{id_}/$check-order{query}")
    assert answer.status_code == 200, answer.text
    return [
        {part["name"]: next(value for name, value in part.items() if name != "name") for part in one["part"]}
        for one in answer.json().get("parameter", [])
    ]


def answers(*given: tuple[str, str], action: str = "") -> Json:
    """The Parameters of $sign."""
    more = [{"name": "action", "valueCode": action}] if action else []
    parts = [
        {
            "name": "answer",
            "part": [{"name": "finding", "valueString": key}, {"name": "reason", "valueString": why}, *more],
        }
        for key, why in given
    ]
    return {"resourceType": "Parameters", "parameter": parts} if parts else {"resourceType": "Parameters"}


@pytest.fixture
def record(clinic: Prescribing) -> Prescribing:
    """The patient is allergic to amoxicillin and takes warfarin, which does not go with it."""
    substance = {"coding": [{"system": DRUGS, "code": "class"}], "text": "penicillins"}
    allergy = {
        "resourceType": "AllergyIntolerance",
        "criticality": "high",
        "code": substance,
        "patient": {"reference": "Patient/p"},
    }
    system = {
        "resourceType": "CodeSystem", "url": DRUGS, "status": "active", "content": "complete",
        "concept": [{"code": "class", "concept": [{"code": "amoxicillin"}]}, {"code": "warfarin"}],
    }  # fmt: skip
    said = Interaction((DRUGS, "class"), (DRUGS, "warfarin"), "penicillins and warfarin", "moderate", source="Handbook")
    transaction(clinic.pool, lambda: replace(OPERATOR, "Handbook", [said]))
    with clinic.system() as system_:
        for one in (allergy, system, order("active", **drug("warfarin", "Warfarin 5 mg"))):
            written(system_, one, f"/fhir/{one['resourceType']}")
    return clinic


@pytest.mark.spec("FHIR R4 detectedissue.html")
def test_an_order_is_signed_in_the_face_of_warnings(record: Prescribing) -> None:
    """Nobody signs before each is answered; the answers remain as DetectedIssues, the signature as a Provenance."""
    with record.doctor() as doctor, record.system() as system:
        draft = written(doctor, order("draft", **drug("amoxicillin", "Amoxi")))
        sign = f"{URL}/{draft['id']}/$sign"
        found = findings(doctor, draft["id"])
        assert [(one["kind"], one["indicator"], one["needs-answer"]) for one in found] == [
            ("allergy", "critical", True), ("interaction", "warning", True),
        ]  # fmt: skip
        for given in ([], [(found[0]["key"], "once before")], [("x", "y"), (found[1]["key"], "z")]):
            refused = doctor.post(sign, json=answers(*given))
            assert refused.status_code == 422
            open_ = {one["key"] for one in found} - {key for key, _ in given}
            assert len(refused.json()["issue"]) == len(open_)
            assert all(key in refused.text for key in open_)
        assert doctor.post(sign, json=answers((found[0]["key"], " "))).status_code == 400
        assert doctor.post(sign, json=answers((found[0]["key"], "x"), action="none")).status_code == 400
        given = [(found[0]["key"], "tolerated twice"), (found[1]["key"], "INR is watched")]
        signed = doctor.post(sign, json=answers(*given, action="1"))
        assert signed.status_code == 200, signed.text
        active = signed.json()
        assert (active["status"], active["requester"]["reference"]) == ("active", "Practitioner/d")
        issues = [system.get(f"/fhir/{one['reference']}").json() for one in active["detectedIssue"]]
        assert [one["severity"] for one in issues] == ["high", "moderate"]
        assert [one["mitigation"][0]["action"]["text"] for one in issues] == ["tolerated twice", "INR is watched"]
        assert [one["code"]["coding"][0]["code"] for one in issues] == ["ALGY", "DRG"]
        assert issues[0]["implicated"][0]["reference"] == f"MedicationRequest/{draft['id']}"
        (trail,) = system.get(f"/fhir/Provenance?target=MedicationRequest/{draft['id']}").json()["entry"]
        assert trail["resource"]["agent"][0]["who"] == {"reference": "Practitioner/d"}
        for one in (active, *issues, trail["resource"]):
            judged = system.post(f"/fhir/{one['resourceType']}/$validate", json=one).json()
            assert [issue for issue in judged["issue"] if issue["severity"] in ("error", "fatal")] == []
        assert doctor.post(sign, json=answers(*given)).status_code == 422
        again = written(doctor, order("draft", **drug("amoxicillin", "Amoxi")))
        assert "duplicate" in [one["kind"] for one in findings(doctor, again["id"])]


def test_what_a_patient_asked_for_is_done_with_the_signature(clinic: Prescribing) -> None:
    """A refill: the proposal is completed in the transaction that signs the order based on it, and not before."""
    with clinic.doctor() as doctor, clinic.patient() as patient:
        mine: Json = {"requester": {"reference": "Patient/p"}}
        proposal = written(patient, order("active", "proposal", **mine))
        based: Json = {"basedOn": [{"reference": f"MedicationRequest/{proposal['id']}"}] * 2}
        draft = written(doctor, order("draft", **based))
        assert doctor.get(f"{URL}/{proposal['id']}").json()["status"] == "active"
        assert not any(one["needs-answer"] for one in findings(doctor, draft["id"]))
        assert doctor.post(f"{URL}/{draft['id']}/$sign").status_code == 200
        assert doctor.get(f"{URL}/{proposal['id']}").json()["status"] == "completed"


def test_who_may_not_sign(clinic: Prescribing) -> None:
    """A patient, a system, an app that reads only, one that cannot see allergies, a practitioner without relation."""
    with clinic.doctor() as doctor:
        draft = written(doctor, order("draft"))
    other = order("draft", requester={"reference": "Practitioner/e"})
    with clinic.doctor() as doctor:
        elses = written(doctor, other)
        assert "requester" in doctor.post(f"{URL}/{elses['id']}/$sign").text
    reading, blind = "user/*.rs", "user/MedicationRequest.cruds user/MedicationStatement.rs"
    for client, status in (
        (clinic.patient(), 403),
        (clinic.system(), 403),
        (clinic.doctor(reading), 403),
        (clinic.doctor(blind), 403),
        (clinic.doctor(name="other"), 404),
        (clinic.server.client(), 401),
    ):
        with client:
            for answer in (client.post(f"{URL}/{draft['id']}/$sign"), client.get(f"{URL}/{draft['id']}/$check-order")):
                assert answer.status_code == status, answer.text
            hidden, missing = (client.post(f"{URL}/{id_}/$sign") for id_ in (draft["id"], "nothing"))
            if status == 404:
                assert hidden.text.replace(draft["id"], "nothing") == missing.text
    with clinic.doctor() as doctor:
        assert doctor.get(f"{URL}/{draft['id']}").json()["status"] == "draft"
        assert doctor.get(f"{URL}/{draft['id']}/$check-order?hook=patient-view").status_code == 400


def test_nothing_loaded_is_not_taken_for_no_warning(clinic: Prescribing) -> None:
    """That no interactions are loaded, and no allergies recorded, is told and needs no answer."""
    with clinic.doctor() as doctor:
        draft = written(doctor, order("draft"))
        told = findings(doctor, draft["id"])
        assert {one["kind"] for one in told} == {"allergy", "interaction"}
        assert not any(one["needs-answer"] for one in told)
        assert any("No table of interactions is loaded" in one["summary"] for one in told)
