"""What is signed is printed and kept, in every language, and stands as the order does."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.consume import drain
from healix_fhir.operation.prescription.kept import FILE
from healix_fhir.server.composition import consumers
from healix_fhir.server.tasks import tasks
from tests.integration.prescription.conftest import Prescribing
from tests.integration.prescription.test_lifecycle import URL, order, written
from tests.support.pdf import read as read_pdf

Json = dict[str, Any]
TITLES = {"en": "Prescription", "de": "Rezept", "es": "Receta", "fr": "Ordonnance", "hi": "दवा का पर्चा"}


def settle(clinic: Prescribing) -> None:
    """Do the job worker's part: what waits in the outbox, and the jobs that keep prescriptions."""
    settings = clinic.server.settings
    with clinic.pool.connection() as connection:
        while drain(connection, consumers(settings)):
            pass
        rows = connection.execute(
            "DELETE FROM procrastinate_jobs WHERE task_name = %s RETURNING args - '_request'", (FILE,)
        ).fetchall()
    for (arguments,) in rows:
        tasks(settings)[FILE](**arguments)


def documents(client: httpx.Client, id_: str) -> list[Json]:
    """The documents of an order."""
    answer = client.get(f"/fhir/DocumentReference?related=MedicationRequest/{id_}")
    return [one["resource"] for one in answer.json().get("entry", [])]


@pytest.mark.spec("FHIR R4 documentreference.html")
def test_what_is_signed_is_kept_in_every_language(clinic: Prescribing) -> None:
    """The version that was signed, as one document with a PDF for each language, for who may see the order."""
    repeat = {"frequency": 2, "period": 1, "periodUnit": "d"}
    with clinic.doctor() as doctor, clinic.patient() as patient, clinic.system() as system:
        draft = written(doctor, order("draft", dosageInstruction=[{"timing": {"repeat": repeat}}]))
        address = f"{URL}/{draft['id']}"
        assert patient.get(f"{address}/$print").status_code == 409
        signed = doctor.post(f"{address}/$sign")
        assert signed.status_code == 200, signed.text
        assert patient.get(f"{address}/$print").status_code == 404
        settle(clinic)
        (kept,) = documents(patient, draft["id"])
        version = f"MedicationRequest/{draft['id']}/_history/{signed.json()['meta']['versionId']}"
        assert kept["context"]["related"] == [{"reference": version}]
        assert kept["status"] == "current"
        assert {one["attachment"]["language"]: one["attachment"]["title"] for one in kept["content"]} == TITLES
        for language, title in TITLES.items():
            answer = patient.get(f"{address}/$print?language={language}")
            printed = read_pdf(base64.b64decode(answer.json()["data"]))
            text = " ".join(printed.text.split())
            assert title in text or language == "hi"  # whose signs are shaped, and not read back in their order
            assert version in "".join(text.split()).replace("\u200b", "")  # where a line could end
            raw = patient.get(answer.headers["content-location"], headers={"Accept": "application/pdf"})
            assert raw.content == base64.b64decode(answer.json()["data"])
        german = base64.b64decode(patient.get(f"{address}/$print?language=de-AT").json()["data"])
        assert "zweimal am Tag" in " ".join(read_pdf(german).text.split())
        assert system.get(f"{address}/$print?language=xx").status_code == 400

        before = kept["meta"]["versionId"]
        tasks(clinic.server.settings)[FILE](order=draft["id"], version=int(version.rpartition("/")[2]))
        (again,) = documents(patient, draft["id"])
        assert again["meta"]["versionId"] == before  # a job that is done twice keeps once


def test_a_document_stands_as_its_order_does(clinic: Prescribing) -> None:
    """Who stops an order has no current document of it any more; one that was a mistake says so."""
    with clinic.doctor() as doctor:
        draft = written(doctor, order("draft"))
        address = f"{URL}/{draft['id']}"
        resource = doctor.post(f"{address}/$sign").json()
        settle(clinic)
        for status, standing in (("stopped", "superseded"), ("entered-in-error", "entered-in-error")):
            resource |= {"status": status, "statusReason": {"text": "a rash"}}
            answer = doctor.put(address, json=resource)
            assert answer.is_success, answer.text
            resource = answer.json()
            settle(clinic)
            assert [one["status"] for one in documents(doctor, draft["id"])] == [standing]
            assert doctor.get(f"{address}/$print").status_code == 409


def test_only_who_sees_the_order_gets_its_document(clinic: Prescribing) -> None:
    """No other patient, no clinician without a relationship, no token that opens only one of the two, none at all."""
    with clinic.doctor() as doctor:
        draft = written(doctor, order("draft"))
        assert doctor.post(f"{URL}/{draft['id']}/$sign").status_code == 200
        settle(clinic)
        address = f"{URL}/{draft['id']}/$print"
        assert doctor.get(address).status_code == 200
    callers = (
        (clinic.server.client(), 401),
        (clinic.server.client("patient/*.cruds", patient="q"), 404),
        (clinic.doctor(name="other"), 404),
        (clinic.patient("patient/MedicationRequest.r"), 403),
        (clinic.patient("patient/Binary.r"), 403),
    )
    for caller, status in callers:
        with caller as client:
            answer = client.get(address)
            assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


def test_what_was_not_signed_here_is_not_printed(clinic: Prescribing) -> None:
    """Whatever a system says of an order: nobody here answers for it."""
    with clinic.system() as system:
        brought = written(system, order("active"))
        settle(clinic)
        assert documents(system, brought["id"]) == []
        assert system.get(f"{URL}/{brought['id']}/$print").status_code == 404
