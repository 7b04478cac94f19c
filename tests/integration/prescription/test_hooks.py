"""Decision support by CDS Hooks: services of others that are asked, and our own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from healix_fhir.care.relationships import handle
from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import transaction
from healix_fhir.operation.prescription.interactions import Interaction, replace
from tests.integration.prescription.conftest import SYSTEM, Prescribing
from tests.integration.prescription.test_lifecycle import URL, order, written
from tests.integration.prescription.test_sign import DRUGS, answers, drug, findings
from tests.support.cds_service import CdsService, cds_service
from tests.support.gate import Pool, user
from tests.support.live_server import live_server
from tests.support.oauth import assertion, key_pair, public
from tests.support.portal import PASSWORD, account, csrf

Json = dict[str, Any]
SERVICE = {
    "id": "checker",
    "hook": "order-sign",
    "title": "The checker",
    "description": "It checks.",
    "prefetch": {
        "patient": "Patient/{{context.patientId}}",
        "allergies": "AllergyIntolerance?patient={{context.patientId}}",
        "of others": "Patient/q",
        "everybody": "Patient",
        "users": "metadata",
        "coverage": "Coverage?patient={{context.patientId}}",
        "never": "Patient/{{context.nothing}}",
    },
}
CARD = {"summary": "Too much", "detail": "Of it.", "indicator": "critical", "source": {"label": "Their rules"}}
NEEDED = "user/MedicationRequest.cruds user/MedicationStatement.rs user/AllergyIntolerance.rs"
"""What $sign takes; no Coverage."""
EHR = "https://ehr.example.org"


@pytest.fixture
def service() -> Iterator[CdsService]:
    """A service of somebody else."""
    with cds_service() as running:
        running.services = [SERVICE, SERVICE | {"id": "selector", "hook": "order-select"}, {"id": "../x", "hook": "x"}]
        yield running


@pytest.fixture
def clinic(
    request: pytest.FixtureRequest, database_url: str, pool: Pool, tmp_path: Path, service: CdsService
) -> Iterator[Prescribing]:
    """A clinic whose administrator has set that service up, and trusts one EHR; the parameter is its patience."""
    told = {"cds_url": service.url, "cds_seconds": getattr(request, "param", 60), "cds_allow_private": True}
    told |= {"client_keys_allow_private": True}
    with live_server(database_url, tmp_path, **told, cds_clients=f"{EHR} {service.root}/keys") as running:
        user(pool, "dr", role="practitioner", fhir_user="Practitioner/d")
        with running.client(SYSTEM) as client:
            for id_ in ("p", "q"):
                cared = [{"reference": "Practitioner/d"}] if id_ == "p" else [{"reference": "Practitioner/e"}]
                person = {"resourceType": "Patient", "id": id_, "generalPractitioner": cared}
                assert client.put(f"/fhir/Patient/{id_}", json=person).is_success
        with pool.connection() as connection:
            while drain(connection, {"resource": [handle]}):
                pass
        yield Prescribing(running, pool)


@pytest.mark.spec("CDS Hooks 2.0 calling-a-cds-service")
def test_a_service_is_asked_and_its_cards_are_answered(clinic: Prescribing, service: CdsService) -> None:
    """It gets a token of this server and what its templates ask for, as far as the prescriber sees it, and no more."""
    service.cards = [CARD, {"summary": "By the way", "indicator": "info", "source": {"label": "x"}}, {"indicator": 7}]
    with clinic.doctor(f"{NEEDED} user/Patient.rs") as doctor:
        draft = written(doctor, order("draft"))
        found = [one for one in findings(doctor, draft["id"]) if one["kind"] == "advice"]
        assert [(one["summary"], one["indicator"], one["needs-answer"], one["source"]) for one in found] == [
            ("Too much", "critical", True, "Their rules"),
            ("A card without a summary", "warning", True, "The checker"),
            ("By the way", "info", False, "x"),
        ]
        path, token, asked = service.seen[-1]
        assert path == "/cds-services/checker"
        keys = KeySet.import_key_set(doctor.get("/.well-known/jwks.json").json())
        proof = jwt.decode(token, keys)
        assert proof.claims["aud"] == f"{service.url}/checker"
        assert proof.claims["iss"] == clinic.server.url
        assert proof.claims["exp"] - proof.claims["iat"] <= 300
        assert proof.header["typ"] == "JWT"
        assert asked["prefetch"].keys() == {"patient", "allergies"}
        assert asked["prefetch"]["patient"]["id"] == "p"
        assert asked["prefetch"]["allergies"] == {"resourceType": "Bundle", "type": "searchset"}
        assert asked["context"]["userId"] == "Practitioner/d"
        assert asked["context"]["draftOrders"]["entry"][0]["resource"]["id"] == draft["id"]
        assert {"fhirServer", "fhirAuthorization"} & asked.keys() == set()
        assert findings(doctor, draft["id"], "?hook=order-select")
        assert service.seen[-1][0] == "/cds-services/selector"
        assert service.seen[-1][2]["context"]["selections"] == [f"MedicationRequest/{draft['id']}"]
        given = [(one["key"], "I know better") for one in found if one["needs-answer"]]
        assert doctor.post(f"{URL}/{draft['id']}/$sign", json=answers(given[0])).status_code == 422
        assert doctor.post(f"{URL}/{draft['id']}/$sign", json=answers(*given)).status_code == 200


def test_to_look_at_a_page_calls_nobody(clinic: Prescribing, service: CdsService, database_url: str) -> None:
    """A GET of a form or a draft has the local findings alone; services are asked by the forms that say so, and for a
    signature.
    """
    service.cards = [CARD]
    account(clinic.pool, "mary", "practitioner", "Practitioner/d")
    with clinic.doctor() as doctor:
        draft = written(doctor, order("draft"))["id"]
    here = "/account/prescriptions"
    with httpx.Client(base_url=clinic.server.url, timeout=30, follow_redirects=True) as mary:
        page = mary.get("/account/login")
        mary.post("/account/login", data={"csrf": csrf(page), "username": "mary", "password": PASSWORD})
        before = len(service.seen)
        form = mary.get(f"{here}/write?patient=p&name=amoxicillin")
        shown = mary.get(f"{here}/{draft}")
        assert (form.status_code, shown.status_code, len(service.seen)) == (200, 200, before)
        assert "Ask decision support" in form.text
        assert "Ask them now" in shown.text
        fields = {"csrf": csrf(shown), "patient": "p", "name": "amoxicillin"}
        asked = mary.post(f"{here}/write/check", data=fields)
        assert "Too much" in asked.text
        assert "Too much" in mary.post(f"{here}/{draft}/check", data=fields).text
        assert {path.rpartition("/")[2] for path, *_ in service.seen} == {"cds-services", "checker", "selector"}
        refused = mary.post(f"{here}/{draft}/sign", data=fields)
        assert (refused.status_code, "Too much" in refused.text) == (422, True)


def test_a_service_that_fails_is_not_taken_for_no_warning(clinic: Prescribing, service: CdsService) -> None:
    """Whatever it does: it is told, and needs an answer as a warning does."""
    with clinic.doctor() as doctor:
        draft = written(doctor, order("draft"))
        for broken, status, why in (
            (b"{}", 500, "the status 500"),
            (b"no", 200, "malformed JSON"),
            (b"{}", 200, "no cards"),
            (b'{"cards": [1]}', 200, "no cards"),
            (b"x" * (2 << 20), 200, "more than 1048576 bytes"),
            (None, 302, "the status 302"),
        ):
            service.broken, service.status = broken, status
            (failed,) = [one for one in findings(doctor, draft["id"]) if one["kind"] == "failure"]
            assert why in failed["summary"]
            assert failed["needs-answer"]
        service.broken, service.status = None, 200
        assert doctor.post(f"{URL}/{draft['id']}/$sign").status_code == 200


@pytest.mark.parametrize("clinic", [1], indirect=True)
def test_a_service_that_does_not_answer_is_not_taken_for_no_warning(clinic: Prescribing, service: CdsService) -> None:
    """Nobody waits for it longer than its time, and the warning is that it did not answer."""
    with clinic.doctor() as doctor:
        draft = written(doctor, order("draft"))
        service.released.clear()
        refused = doctor.post(f"{URL}/{draft['id']}/$sign")
        assert refused.status_code == 422
        assert "does not answer within 1 seconds" in refused.text
        service.released.set()


def call(client: httpx.Client, token: str | None, body: Json, id_: str = "prescription-sign") -> httpx.Response:
    """A call of our own service."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(f"/cds-services/{id_}", json=body, headers=headers)


@pytest.mark.spec("CDS Hooks 2.0 trusting-cds-clients")
def test_our_own_service_answers_who_is_trusted(clinic: Prescribing, service: CdsService) -> None:
    """It works from what is sent, refuses what has no token of a trusted client for it, and takes none twice."""
    said = Interaction((DRUGS, "amoxicillin"), (DRUGS, "warfarin"), "these two", "high", source="Handbook")
    transaction(clinic.pool, lambda: replace(OPERATOR, "Handbook", [said]))
    key, other = key_pair(), key_pair()
    service.keys = public(key)
    audience = f"{clinic.server.url}/cds-services/prescription-sign"

    def token(**changed: Any) -> str:
        return assertion(changed.pop("key", key), EHR, **{"iss": EHR, "sub": None, "aud": audience} | changed)

    drafted = [{"resource": order("draft", id="new", **drug("amoxicillin", "Amoxi"))}]
    taken = order("active", id="old", **drug("warfarin", "Warfarin"))
    nothing: Json = {"resourceType": "Bundle", "type": "searchset"}
    body: Json = {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/x",
            "patientId": "y",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": drafted},
        },
        "prefetch": {
            "allergies": nothing,
            "requests": nothing | {"entry": [{"resource": taken}]},
            "statements": None,
        },
    }
    with clinic.server.client() as client:
        listed = client.get("/cds-services").json()["services"]
        assert {(one["id"], one["hook"]) for one in listed} == {
            ("prescription-sign", "order-sign"), ("prescription-select", "order-select"),
        }  # fmt: skip
        good = token()
        answer = call(client, good, body)
        assert answer.status_code == 200, answer.text
        cards = answer.json()["cards"]
        assert [(one["summary"], one["indicator"], "overrideReasons" in one) for one in cards] == [
            ("Amoxi and Warfarin interact", "critical", True),
            ("No allergies are recorded for this patient, nor that there are none", "info", False),
        ]
        for bad in (
            None, good, "x.y.z", token(key=other), token(aud=clinic.server.url), token(iss="https://else.example.org"),
            token(exp=int(time.time()) - 5), token(jti=None), clinic.server.token(SYSTEM),
        ):  # fmt: skip
            assert call(client, bad, body).status_code == 401
        for changed, status in (
            (body | {"hook": "patient-view"}, 400),
            (body | {"context": {}}, 400),
            (body | {"prefetch": {"allergies": nothing}}, 412),
            (body | {"prefetch": body["prefetch"] | {"requests": nothing | {"entry": [{"resource": {}}]}}}, 400),
        ):
            assert call(client, token(), changed).status_code == status
        assert call(client, token(aud=f"{clinic.server.url}/cds-services/none"), body, "none").status_code == 404
        assert client.delete("/cds-services").status_code == 405
