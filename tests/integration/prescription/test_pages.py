"""Prescriptions in the pages: written, warned of, signed, asked for again, printed; by each for whom they are."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from tests.integration.prescription.conftest import Prescribing, relate
from tests.integration.prescription.test_lifecycle import order, written
from tests.support.pdf import read as read_pdf
from tests.support.portal import account, browser, csrf, sign_in

Json = dict[str, Any]
HERE = "/account/prescriptions"
DOSE = {
    "patient": "p", "name": "Amoxicillin 500 mg", "amount": "1", "unit": "capsule", "frequency": "3", "every": "1",
    "period": "d", "route": "oral", "days": "7", "repeats": "1", "quantity": "21", "reason": "tonsillitis",
    "instruction": "Finish all of them",
}  # fmt: skip


async def send(browsing: httpx.AsyncClient, page: httpx.Response, address: str, **fields: str) -> httpx.Response:
    """Send a form of a page."""
    return await browsing.post(address, data=fields | {"csrf": csrf(page)})


def resources(clinic: Prescribing, query: str) -> list[Json]:
    """What a search finds for a system."""
    with clinic.system() as system:
        return [entry["resource"] for entry in system.get(f"/fhir/{query}").json().get("entry", [])]


@pytest.fixture
def people(clinic: Prescribing) -> Prescribing:
    """Accounts with passwords; the patient is allergic to amoxicillin."""
    account(clinic.pool, "mary", "practitioner", "Practitioner/d")
    account(clinic.pool, "stranger", "practitioner", "Practitioner/e")
    account(clinic.pool, "pat", "patient", "Patient/p")
    with clinic.system() as system:
        allergy = {
            "resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p"}, "criticality": "high",
            "code": {"text": "Amoxicillin"},
        }  # fmt: skip
        written(system, allergy, "/fhir/AllergyIntolerance")
    return clinic


def test_a_prescription_from_the_draft_to_the_refill(people: Prescribing, database_url: str) -> None:
    """A clinician writes, answers the warning and signs; the patient reads, prints and asks; the clinician answers."""

    async def story() -> None:
        async with browser(database_url) as doctor, browser(database_url) as patient:
            await sign_in(doctor, "mary")
            await sign_in(patient, "pat")
            form = await doctor.get(f"{HERE}/write?patient=p&name=Amoxicillin+500+mg")
            assert "Amoxicillin 500 mg: the patient has an allergy" in form.text
            wrong = await send(doctor, form, f"{HERE}/write", **(DOSE | {"amount": "some"}))
            assert (wrong.status_code, "is a number" in wrong.text) == (400, True)
            made = await send(doctor, form, f"{HERE}/write", **DOSE)
            assert made.status_code == 303, made.text
            address = made.headers["location"]
            draft = await doctor.get(address)
            assert "1 capsule by mouth 3 times a day for 7 days. Finish all of them" in draft.text
            assert "Danger: Amoxicillin 500 mg" in draft.text
            assert "Nothing is prescribed at present" in (await patient.get(HERE)).text
            assert "Amoxicillin" not in (await patient.get(HERE)).text
            assert (await send(doctor, draft, f"{address}/sign")).status_code == 422
            (field,) = re.findall(r'name="(reason-[0-9a-f]+)"', draft.text)
            signed = await send(doctor, draft, f"{address}/sign", **{field: "tolerated since"})
            assert signed.headers["location"] == f"{HERE}?patient=p&done=signed", signed.text
            assert "The prescription is signed." in (await doctor.get(signed.headers["location"])).text
            mine = await patient.get(HERE)
            assert "can be dispensed 2 more times" in mine.text
            printed = await patient.get(f"{address}/pdf")
            assert printed.headers["content-type"] == "application/pdf"
            text = " ".join(read_pdf(printed.content).text.split())
            for said in ("Prescription", "Person p", "Doctor d", "Amoxicillin 500 mg", "3 times a day", "tonsillitis"):
                assert said in text
            asked = await send(patient, mine, f"{address}/refill", note="I travel on Monday")
            assert asked.headers["location"].endswith("done=asked"), asked.text
            assert (await send(patient, mine, f"{address}/refill")).status_code == 409
            inbox = await doctor.get("/account/refills")
            assert "I travel on Monday" in inbox.text
            (proposal,) = re.findall(rf'action="({HERE}/[^/"]+)/renew"', inbox.text)
            renewed = await send(doctor, inbox, f"{proposal}/renew")
            again = await doctor.get(renewed.headers["location"])
            answers = dict.fromkeys(re.findall(r'name="(reason-[0-9a-f]+)"', again.text), "goes on")
            assert len(answers) == 1  # the allergy; what it follows on is no duplicate
            done = await send(doctor, again, f"{renewed.headers['location']}/sign", **answers)
            assert done.status_code == 303, done.text
            assert "No patient in your care has asked" in (await doctor.get("/account/refills")).text

    asyncio.run(story())
    statuses = {one["intent"]: one["status"] for one in resources(people, "MedicationRequest?patient=p")}
    assert statuses == {"order": "active", "proposal": "completed"}
    assert len(resources(people, "DetectedIssue?patient=p")) == 2


def test_what_goes_on_with_a_prescription(people: Prescribing, database_url: str) -> None:
    """Paused and stopped with a reason, dispensed as often as it may be, thrown away, declined; medicines beside."""
    with people.system() as system:
        active = written(system, order("active", dispenseRequest={"numberOfRepeatsAllowed": 1}))["id"]

    async def story() -> None:
        async with browser(database_url) as doctor, browser(database_url) as patient:
            await sign_in(doctor, "mary")
            await sign_in(patient, "pat")
            shown = await doctor.get(f"{HERE}?patient=p")
            for expected in (303, 303, 422):
                dispensed = await send(doctor, shown, f"{HERE}/{active}/dispense", day="2026-03-01")
                assert dispensed.status_code == expected
            assert "nothing left to be dispensed" in (await patient.get(HERE)).text
            mine = await patient.get(HERE)
            assert (await send(patient, mine, f"{HERE}/{active}/refill")).status_code == 303
            assert (await send(patient, mine, f"{HERE}/{active}/withdraw")).status_code == 303
            assert (await send(patient, mine, f"{HERE}/{active}/refill")).status_code == 303
            inbox = await doctor.get("/account/refills")
            (proposal,) = re.findall(rf'action="({HERE}/[^/"]+)/decline"', inbox.text)
            assert (await send(doctor, inbox, f"{proposal}/decline")).status_code == 422
            assert (await send(doctor, inbox, f"{proposal}/decline", reason="see me first")).status_code == 303
            assert (await send(doctor, shown, f"{HERE}/{active}/status", status="stopped")).status_code == 422
            for status, reason in (("on-hold", "fever"), ("active", ""), ("stopped", "it made her dizzy")):
                changed = await send(doctor, shown, f"{HERE}/{active}/status", status=status, reason=reason)
                assert changed.status_code == 303, changed.text
            assert "because: it made her dizzy" in (await patient.get(HERE)).text
            for browsing in (doctor, patient):
                page = await browsing.get(f"{HERE}?patient=p")
                fields = {"patient": "p", "name": "Vitamin D", "dose": "once a day", "since": "2026-01-01"}
                assert (await send(browsing, page, "/account/medicines", **fields)).status_code == 303
            (one, _) = resources(people, "MedicationStatement?patient=p")
            assert (await send(patient, mine, f"/account/medicines/{one['id']}/end")).status_code == 303
            form = await doctor.get(f"{HERE}/write?patient=p&q=amox")
            assert "as a text without a code" in form.text
            draft = (await send(doctor, form, f"{HERE}/write", **DOSE)).headers["location"]
            assert (await send(doctor, form, f"{draft}/remove")).status_code == 303

    asyncio.run(story())
    told = resources(people, "MedicationStatement?patient=p")
    assert sorted(one["status"] for one in told) == ["active", "stopped"]
    assert {one["informationSource"]["reference"] for one in told} == {"Patient/p", "Practitioner/d"}


def test_who_is_kept_out(people: Prescribing, database_url: str) -> None:
    """Nobody without a session, no patient from prescribing, no clinician without a relation, no foreign form."""
    with people.system() as system:
        active = written(system, order("active"))["id"]
    with people.doctor() as doctor:
        draft = written(doctor, order("draft"))["id"]

    async def story() -> None:
        async with browser(database_url) as nobody, browser(database_url) as patient, browser(database_url) as stranger:
            for path in (HERE, f"{HERE}/{active}/pdf", "/account/refills"):
                assert (await nobody.get(path)).headers["location"] == "/account/login"
            await sign_in(patient, "pat")
            await sign_in(stranger, "stranger")
            for path in ("/account/refills", f"{HERE}/write?patient=p", f"{HERE}/{draft}"):
                assert (await patient.get(path)).status_code == 403
            page = await patient.get(HERE)
            for path in (f"{HERE}/{draft}/sign", f"{HERE}/{active}/status", f"{HERE}/write"):
                assert (await send(patient, page, path, status="stopped", reason="x")).status_code == 403
            assert (await patient.post(f"{HERE}/{active}/refill", data={"csrf": "0"})).status_code == 403
            assert (await patient.get(f"{HERE}/{draft}/pdf")).status_code == 404
            for path in (f"{HERE}?patient=p", f"{HERE}/{draft}", f"{HERE}/{active}/pdf", f"{HERE}/write?patient=p"):
                assert (await stranger.get(path)).status_code == 404
            inbox = await stranger.get("/account/refills")
            stopping = await send(stranger, inbox, f"{HERE}/{active}/status", status="stopped", reason="x")
            assert stopping.status_code == 404

    asyncio.run(story())
    assert {one["status"] for one in resources(people, "MedicationRequest?patient=p")} == {"active", "draft"}


def test_a_request_is_answered_for_whom_it_is_of(people: Prescribing, database_url: str) -> None:
    """A patient who names another one's prescription gets no draft for that one; and one who names a version of
    herself is in the list as well.
    """
    with people.system() as system:
        other = {"resourceType": "Patient", "id": "r", "generalPractitioner": [{"reference": "Practitioner/d"}]}
        assert system.put("/fhir/Patient/r", json=other).is_success
        theirs = written(system, order("active", subject={"reference": "Patient/r"}))["id"]
    relate(people.pool)
    with people.patient() as patient:
        mine = {"requester": {"reference": "Patient/p"}, "basedOn": [{"reference": f"MedicationRequest/{theirs}"}]}
        asked = written(patient, order("active", "proposal", **mine))["id"]
        version: Json = {"requester": {"reference": "Patient/p"}, "subject": {"reference": "Patient/p/_history/1"}}
        further = written(patient, order("active", "proposal", **version))["id"]

    async def story() -> None:
        async with browser(database_url) as doctor:
            await sign_in(doctor, "mary")
            inbox = await doctor.get("/account/refills")
            assert all(f"{HERE}/{one}/renew" in inbox.text for one in (asked, further))
            assert (await send(doctor, inbox, f"{HERE}/{asked}/renew")).status_code == 422

    asyncio.run(story())
    assert [one["status"] for one in resources(people, "MedicationRequest?patient=r")] == ["active"]
