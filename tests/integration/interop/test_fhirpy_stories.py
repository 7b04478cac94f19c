"""What a clinic does, told by programs that know fhirpy and nothing else: one story for each capability."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.alerts import HEART_RATE, WEIGHT, action, condition, plan, reading
from tests.support.dicom import data_set, part10, uid
from tests.support.goals import goal
from tests.support.portal import PASSWORD
from tests.support.procedure import order
from tests.support.reading import draft
from tests.support.serve import Served, healix, wait_until
from tests.support.stow import HEADERS, body
from tests.support.topics import to_topic

fhirpy = pytest.importorskip("fhirpy")
errors = pytest.importorskip("fhirpy.base.exceptions")

STUDY = 871
ACCESSION = "FP-871"
NUMBER = {"system": "urn:oid:1.2.3.871", "value": "fp-871"}
URN = "urn:healix:topic:"


@dataclass(frozen=True)
class Cast:
    """Who takes part: programs of a back end, of the patient Ada, of her doctor, and of a stranger."""

    served: Served
    patient: str
    doctor: str
    referrer: str
    system: Any
    ada: Any
    dora: Any
    stranger: Any

    @property
    def subject(self) -> dict[str, str]:
        """A reference to Ada."""
        return {"reference": f"Patient/{self.patient}"}


@pytest.fixture(scope="module")
def cast(served: Served) -> Cast:
    """The clinic before the first story."""

    def program(*asked: str) -> Any:
        made = healix(served.data_dir, "token", "create", *asked)
        assert made.returncode == 0, made.stderr
        token = json.loads(made.stdout)["access_token"]
        return fhirpy.SyncFHIRClient(f"{served.url}/fhir", authorization=f"Bearer {token}")

    def account(name: str, role: str, whom: str) -> None:
        words = ("user", "create", name, "--role", role, "--fhir-user", whom, "--password-stdin")
        made = healix(served.data_dir, *words, stdin=PASSWORD)
        assert made.returncode == 0, made.stderr

    system = program("--scope", "system/*.cruds")
    doctor, other = (system.resource("Practitioner", name=[{"family": one}]).save() for one in ("Fhirpy", "Stranger"))
    cared = [{"reference": f"Practitioner/{doctor.id}"}]
    patient = system.resource(
        "Patient", name=[{"family": "Fhirpy", "given": ["Ada"]}], birthDate="1970-01-02", identifier=[NUMBER],
        gender="female", generalPractitioner=cared,
    ).save()  # fmt: skip
    account("fhirpy-ada", "patient", f"Patient/{patient.id}")
    account("fhirpy-dora", "practitioner", f"Practitioner/{doctor.id}")
    account("fhirpy-stranger", "practitioner", f"Practitioner/{other.id}")
    dora, stranger = (program("--scope", "user/*.cruds", "--user", name) for name in ("fhirpy-dora", "fhirpy-stranger"))
    ada = program("--scope", "patient/*.cruds", "--patient", patient.id, "--user", "fhirpy-ada")
    eventually(lambda: dora.resources("Patient").search(_id=patient.id).fetch(), "the doctor's relationship")
    return Cast(served, patient.id, doctor.id, other.id, system, ada, dora, stranger)


def eventually(look: Callable[[], Any], what: str) -> Any:
    """What a look finds at last."""
    found: list[Any] = []

    def looked() -> bool:
        found[:] = [look()]
        return bool(found[0])

    wait_until(looked, what)
    return found[0]


def parts(answer: dict[str, Any]) -> dict[str, Any]:
    """The values of a Parameters by name."""
    return {
        one["name"]: next((value for name, value in one.items() if name != "name"), None)
        for one in answer.get("parameter", [])
    }


def given(**values: Any) -> dict[str, Any]:
    """Parameters of one value each, as (type, value)."""
    each = [{"name": name.replace("_", "-"), f"value{kind}": value} for name, (kind, value) in values.items()]
    return {"resourceType": "Parameters", "parameter": each}


def hidden(client: Any, address: str) -> None:
    """Who does not care for the patient is told what would be told of nothing."""
    with pytest.raises(errors.ResourceNotFound):
        client.execute(address, method="get")


def test_wearables(cast: Cast) -> None:
    """A watch's readings become Observations, twice sent are there once, and days are summed up by themselves."""
    watch = cast.ada.resource("Device", status="active", patient=cast.subject).save()
    day = datetime.now(UTC).date() - timedelta(days=2)
    sent = [
        {"device": watch.id, "metric": "steps", "time": f"{day}T08:00:00Z", "end": f"{day}T09:00:00Z", "value": 812},
        {"device": watch.id, "metric": "temperature", "time": f"{day}T08:01:00Z", "value": 98.6, "unit": "°F"},
        {"device": watch.id, "metric": "temperature", "time": f"{day}T08:02:00Z", "value": 98.6, "unit": "kg"},
    ]
    first, second = (parts(cast.ada.execute("$ingest-measurements", data=sent)) for _ in range(2))
    assert [(one["created"], one["known"], one["refused"]) for one in (first, second)] == [(2, 0, 1), (0, 2, 1)]
    summed = cast.ada.resources("Observation").search(
        patient=cast.patient, code="urn:healix:daily-summary|steps", date=str(day)
    )
    eventually(summed.fetch, "the day's summary")
    found = cast.ada.resources("Observation").search(device=f"Device/{watch.id}").fetch_all()
    assert len(found) == 2
    hidden(cast.stranger, f"Observation/{found[0].id}")


def test_alerts(cast: Cast) -> None:
    """A rule of the doctor's, a reading beyond it, the alert, and its end; nobody else sees or ends it."""
    rule = plan(action(condition("value > 150 '/min'")), id="own", url="urn:fhirpy:rule", type_="clinical-protocol")
    cast.dora.resource(
        "CarePlan",
        status="active",
        intent="plan",
        subject=cast.subject,
        contained=[rule],
        instantiatesCanonical=["#own"],
    ).save()
    fast = reading("x", 171, datetime.now(UTC).replace(microsecond=0), cast.patient, HEART_RATE)
    del fast["id"]

    def alerted() -> Any:
        return cast.dora.resources("DetectedIssue").search(patient=cast.patient, identifier="urn:healix:alert|").first()

    def measured() -> Any:
        cast.system.resource(**fast | {"resource_type": "Observation"}).save()
        return alerted()

    issue = eventually(measured, "the alert")  # the rule itself comes into force a moment after it was written
    hidden(cast.stranger, f"DetectedIssue/{issue.id}")
    with pytest.raises(errors.ForbiddenError):
        cast.ada.execute(f"DetectedIssue/{issue.id}/$resolve")
    cast.dora.execute(f"DetectedIssue/{issue.id}/$acknowledge", data=given(note=("String", "called")))
    cast.dora.execute(f"DetectedIssue/{issue.id}/$resolve")
    assert issue.refresh()["status"] == "final"
    flags = cast.dora.resources("Flag").search(identifier=f"urn:healix:alert-flag|{issue.id}")
    eventually(lambda: [one for one in flags.fetch() if one["status"] == "inactive"], "the Flag's end")


def test_goals(cast: Cast) -> None:
    """A goal moves by itself as readings come, and says how far it is."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=4)
    target = {"detailQuantity": {"value": 80, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}}
    wanted = goal(target, start=str(start.date())) | {"subject": cast.subject}
    aim = cast.ada.resource(wanted.pop("resourceType"), **wanted).save()
    for number, kilograms in enumerate((90, 85, 80)):
        one = reading("x", kilograms, start + timedelta(days=number), cast.patient, WEIGHT, "kg")
        cast.ada.resource(
            "Observation", **{name: value for name, value in one.items() if name not in ("id", "resourceType")}
        ).save()
    eventually(lambda: aim.refresh().get("achievementStatus"), "the achievement")
    (told,) = [one for one in aim.execute("$progress", method="get")["parameter"] if one["name"] == "target"]
    assert next(one["valueInteger"] for one in told["part"] if one["name"] == "percent") == 100
    hidden(cast.stranger, f"Goal/{aim.id}")


def test_appointments(cast: Cast) -> None:
    """A time is found, booked once, cancelled, and free again."""
    at = (datetime.now(UTC) + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)
    begin, end = (one.isoformat().replace("+00:00", "Z") for one in (at, at + timedelta(minutes=30)))
    doctor = {"reference": f"Practitioner/{cast.doctor}"}
    calendar = cast.system.resource("Schedule", actor=[doctor]).save()
    schedule = {"reference": f"Schedule/{calendar.id}"}
    slot = cast.system.resource("Slot", schedule=schedule, status="free", start=begin, end=end).save()
    asked = {"start": str(at.date()), "end": str(at.date()), "practitioner": doctor["reference"]}
    (found,) = cast.ada.execute("Appointment/$find", method="get", params=asked)["entry"]
    assert found["resource"]["slot"] == [{"reference": f"Slot/{slot.id}"}]
    wanted = given(slot=("Uri", f"Slot/{slot.id}"), patient_id=("Uri", f"Patient/{cast.patient}"))
    booked = cast.ada.execute("Appointment/$book", data=wanted)["entry"][0]["resource"]
    assert booked["status"] == "booked"
    with pytest.raises(errors.OperationOutcome):
        cast.ada.execute("Appointment/$book", data=wanted)
    hidden(cast.stranger, f"Appointment/{booked['id']}")
    cast.ada.execute(f"Appointment/{booked['id']}/$cancel", data=given(comment=("String", "better again")))
    assert cast.dora.reference("Appointment", booked["id"]).to_resource()["status"] == "cancelled"
    eventually(lambda: cast.ada.execute("Appointment/$find", method="get", params=asked).get("entry"), "the free slot")


def test_prescriptions(cast: Cast) -> None:
    """An order is drafted, checked, signed and stopped; what was signed is not written over."""
    drug = {"text": "amoxicillin"}
    substance = {"text": "amoxicillin"}
    cast.dora.resource("AllergyIntolerance", patient=cast.subject, code=substance, criticality="high").save()
    made = cast.dora.resource(
        "MedicationRequest", status="draft", intent="order", subject=cast.subject, medicationCodeableConcept=drug
    ).save()
    with pytest.raises(errors.OperationOutcome):
        made.execute("$sign")
    findings = [one for one in made.execute("$check-order", method="get")["parameter"] if one["name"] == "finding"]
    keys = [part["valueString"] for one in findings for part in one["part"] if part["name"] == "key"]
    reason = {"name": "reason", "valueString": "tolerated since"}
    answers = [{"name": "answer", "part": [{"name": "finding", "valueString": key}, reason]} for key in keys]
    signed = made.execute("$sign", data={"resourceType": "Parameters", "parameter": answers})
    assert (signed["status"], signed["requester"]) == ("active", {"reference": f"Practitioner/{cast.doctor}"})
    assert cast.ada.reference("MedicationRequest", made.id).to_resource()["status"] == "active"
    made.refresh()
    made["dosageInstruction"] = [{"text": "twice as much"}]
    with pytest.raises(errors.OperationOutcome):
        made.save()
    made.refresh()
    made["status"], made["statusReason"] = "stopped", {"text": "healed"}
    made.save()
    hidden(cast.stranger, f"MedicationRequest/{made.id}")


def test_relationships(cast: Cast) -> None:
    """A patient lets a doctor in by a code, once, and shows them out again."""
    hidden(cast.stranger, f"Patient/{cast.patient}")
    code = parts(cast.ada.execute("CareTeam/$invite", data={"resourceType": "Parameters"}))["code"]
    accepted = parts(cast.stranger.execute("CareTeam/$accept", data=given(code=("String", code))))
    with pytest.raises(errors.ResourceNotFound):
        cast.stranger.execute("CareTeam/$accept", data=given(code=("String", code)))
    eventually(lambda: cast.stranger.resources("Patient").search(_id=cast.patient).fetch(), "the open record")
    team = cast.ada.resources("CareTeam").search(_id=accepted["return"]["reference"].partition("/")[2]).get()
    team["status"] = "inactive"
    team.save()
    eventually(lambda: not cast.stranger.resources("Patient").search(_id=cast.patient).fetch(), "the end")
    hidden(cast.stranger, f"Patient/{cast.patient}")


def test_imaging_and_its_report(cast: Cast) -> None:
    """An order, its images, the reading list, the report and its document; the referrer is told."""
    asked = order(
        identifier=[accession()], requester={"reference": f"Practitioner/{cast.referrer}"}, subject=cast.subject
    )
    ordered = cast.dora.resource(
        "ServiceRequest", **{one: asked[one] for one in asked if one not in ("id", "resourceType")}
    ).save()
    elements = {"PatientID": NUMBER["value"], "PatientName": "Fhirpy^Ada", "AccessionNumber": ACCESSION}
    with cast.served.client(cast.served.token("system/ImagingStudy.c")) as modality:
        images = [part10(data_set(STUDY, 1, number, **elements)) for number in (1, 2)]
        answer = modality.post("/dicomweb/studies", content=body(images), headers=HEADERS)
        assert answer.status_code == 200, answer.text
    studies = cast.dora.resources("ImagingStudy").search(identifier=f"urn:dicom:uid|urn:oid:{uid(STUDY)}")
    study = eventually(studies.first, "the study")
    assert study["numberOfInstances"] == 2
    waiting = cast.dora.resources("Task").search(based_on=f"ServiceRequest/{ordered.id}", status="requested")
    task = eventually(waiting.first, "the case")
    task["owner"], task["status"] = {"reference": f"Practitioner/{cast.doctor}"}, "in-progress"
    task.save()
    written = draft(task.serialize())
    report = cast.dora.resource(
        "DiagnosticReport", **{one: written[one] for one in written if one != "resourceType"}
    ).save()
    assert report.execute("$sign", data={"resourceType": "Parameters"})["status"] == "final"
    assert task.refresh()["status"] == "completed"
    filed = eventually(lambda: report.refresh().get("presentedForm"), "the filed report")
    document = cast.dora.execute(filed[0]["url"].partition("/fhir/")[2] or filed[0]["url"], method="get")
    assert base64.b64decode(document["data"]).startswith(b"%PDF")
    (told,) = cast.system.resources("Communication").search(recipient=f"Practitioner/{cast.referrer}").fetch()
    assert told["about"][0].reference == f"DiagnosticReport/{report.id}"
    for address in (f"DiagnosticReport/{report.id}", f"ImagingStudy/{study.id}", f"Task/{task.id}"):
        hidden(cast.stranger, address)


def test_the_report_of_a_record(cast: Cast) -> None:
    """A patient makes a PDF of the own record, which is a document in it; nobody else does."""
    made = cast.ada.execute(f"Patient/{cast.patient}/$report", data=given(language=("Code", "de")))
    stored = cast.ada.reference("DocumentReference", made["id"]).to_resource()
    binary = stored["content"][0]["attachment"]["url"].rpartition("Binary/")[2]
    assert base64.b64decode(cast.ada.reference("Binary", binary).to_resource()["data"]).startswith(b"%PDF")
    with pytest.raises(errors.ResourceNotFound):
        cast.stranger.execute(f"Patient/{cast.patient}/$report", data=given(language=("Code", "de")))


def test_subscriptions(cast: Cast) -> None:
    """A patient's app subscribes to its own record, and is told of each reading by its number; nobody else is."""
    wanted = to_topic("reading", filter=f"Observation?patient=Patient/{cast.patient}", channel={"type": "websocket"})
    wanted = {name: value for name, value in wanted.items() if name != "resourceType"}
    listening = cast.ada.resource("Subscription", **wanted).save()
    eventually(lambda: listening.refresh()["status"] == "active", "the subscription")
    one = reading("x", 66, datetime.now(UTC).replace(microsecond=0), cast.patient, HEART_RATE)
    made = cast.system.resource(one.pop("resourceType"), **{name: one[name] for name in one if name != "id"}).save()
    eventually(lambda: f"Observation/{made.id}" in json.dumps(listening.execute("$events", method="get")), "the event")
    for other in (cast.dora, cast.stranger):
        hidden(other, f"Subscription/{listening.id}/$events")
    listening.delete()


def accession() -> dict[str, Any]:
    """The number by which images know their order."""
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
    return {"type": {"coding": [coding]}, "value": ACCESSION}
