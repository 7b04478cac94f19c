"""From the order to the report in the study: worklist, MPPS, C-STORE, reading list, signature, PDF, SR, who is told."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomweb.study.requirements.required import lacking
from healix_fhir.imaging.reporting.filing import Filer
from healix_fhir.kernel.settings import Settings
from healix_fhir.search.security_labels import clearance
from healix_fhir.server.tasks import tasks
from smart_auth.account.clearance import clear
from tests.integration.dimse.test_modality_day import LIMITS, SCANNER, STEP_UID, Modality, store
from tests.integration.reading.test_reports import URL, parameters, written
from tests.support.dimse_service import serving_ports
from tests.support.pdf import read as read_pdf
from tests.support.procedure import begun, ended, order, series
from tests.support.reading import ReadingRoom, draft
from tests.support.tools import require_tool

Json = dict[str, Any]
TEXT_SR, PDF = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.104.1"
DICOM = {"Accept": 'multipart/related; type="application/dicom"'}


def objects(client: httpx.Client, study: str, sop_class: str) -> list[Dataset]:
    """The objects of a class in a study, by WADO-RS, in the order in which they were made."""
    found = client.get(f"/dicomweb/studies/{study}/instances?SOPClassUID={sop_class}")
    made = []
    for one in found.json() if found.status_code == 200 else ():
        series_uid, uid = one["0020000E"]["Value"][0], one["00080018"]["Value"][0]
        address = f"/dicomweb/studies/{study}/series/{series_uid}/instances/{uid}"
        answer = client.get(address, headers={"Accept": "application/dicom"})
        assert answer.status_code == 200, answer.text
        made.append(pydicom.dcmread(io.BytesIO(answer.content)))
    return sorted(made, key=lambda one: int(one.InstanceNumber))


def texts(item: Dataset) -> list[tuple[str, str]]:
    """Headings and texts of a content tree."""
    found = []
    for one in item.get("ContentSequence", []):
        heading = str(one.ConceptNameCodeSequence[0].CodeMeaning)
        found += [(heading, str(inner.TextValue)) for inner in one.get("ContentSequence", []) if "TextValue" in inner]
    return found


@pytest.mark.spec("DICOM PS3.16 TID 2000")
def test_from_the_order_to_the_report(room: ReadingRoom, tmp_path: Path) -> None:
    """With a modality's own protocol; the report comes back by WADO-RS as SR and PDF; the referrer is told by mail."""
    with room.pool.connection() as connection:
        connection.execute("UPDATE account SET mail = username || '@example.org', language = 'de'")
    settings = replace(Settings(), data_dir=room.server.settings.data_dir)
    with serving_ports(settings, room.pool, LIMITS) as ports:
        modality = Modality(ports, tmp_path)
        room.put(SCANNER, order(requester={"reference": "Practitioner/ref"}))
        (item,) = modality.worklist()
        (step,) = item.ScheduledProcedureStepSequence
        said = {"StudyInstanceUID": str(item.StudyInstanceUID), "AccessionNumber": str(item.AccessionNumber),
                "ScheduledProcedureStepID": str(step.ScheduledProcedureStepID)}  # fmt: skip
        assert modality.tell("create", Dataset.from_json(begun(said))) == 0
        store(modality, item, "1.2.826.0.1.3680043.10.1714.93.2")
        assert modality.tell("set", Dataset.from_json(ended(PerformedSeriesSequence=[series()]))) == 0
    assert STEP_UID
    room.settle()
    study = str(item.StudyInstanceUID)

    with room.as_("ann") as ann:
        (task,) = ann.get("/fhir/Task?status=requested&focus:ImagingStudy.modality=CT").json()["entry"]
        code = {"coding": [{"system": "http://snomed.info/sct", "code": "17621005", "display": "Normal"}]}
        report = written(ann, draft(task["resource"], conclusionCode=[code]))
        address = f"{URL}/{report['id']}"
        signed = ann.post(f"{address}/$sign", json=parameters(critical={"valueBoolean": True}))
        assert signed.status_code == 200, signed.text
        room.settle()
        final = ann.get(address).json()
        (sr,), (pdf,) = objects(ann, study, TEXT_SR), objects(ann, study, PDF)
        assert f"urn:oid:{sr.SOPInstanceUID}" == final["identifier"][0]["value"]
        for one in (sr, pdf):
            assert (one.PatientID, one.PatientName, one.AccessionNumber) == (
                "mrn-1", item.PatientName, item.AccessionNumber,
            )  # fmt: skip
        assert lacking(PDF, pdf.to_json().encode()) == []
        assert (sr.CompletionFlag, sr.VerificationFlag) == ("COMPLETE", "VERIFIED")
        assert sr.VerifyingObserverSequence[0].VerifyingObserverName == "Ann^Dr"
        assert (
            len(sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence) == 2
        )
        assert texts(sr) == [
            ("Findings", "No haemorrhage.\r\nVentricles of normal width."),
            ("Impressions", "Normal CT of the head."),
        ]
        path = tmp_path / "sr.dcm"
        sr.save_as(path)
        dumped = subprocess.run([require_tool("dsrdump"), path], capture_output=True, text=True, check=True)
        assert '<contains CODE:(,,"Impression")=(17621005,SCT,"Normal")>' in dumped.stdout
        assert not [line for line in dumped.stderr.splitlines() if "VR checker does not support" not in line]
        pdf.save_as(path)
        assert subprocess.run([require_tool("dcmdump"), "-q", path], capture_output=True, check=True).stderr == b""

        (shown,) = final["presentedForm"]
        raw = ann.get(f"/fhir/{shown['url']}", headers={"Accept": "application/pdf"})
        assert raw.content == pdf.EncapsulatedDocument[: pdf.EncapsulatedDocumentLength]
        text = " ".join(read_pdf(raw.content).text.split())
        for expected in ("Ventricles of normal width.", "Critical findings", "Dr Ann", "Änne", "Dr Ref"):
            assert expected in text
        with room.as_("out") as stranger, room.server.client() as nobody:
            assert stranger.get(f"/fhir/{shown['url']}").status_code == 404
            assert nobody.get(f"/fhir/{shown['url']}").status_code == 401

        given = parameters(status={"valueCode": "appended"}, addendum={"valueString": "Told by telephone."})
        assert ann.post(f"{address}/$amend", json=given).status_code == 200
        room.settle()
        first, second = objects(ann, study, TEXT_SR)
        (named,) = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
        assert named.SeriesInstanceUID == first.SeriesInstanceUID == second.SeriesInstanceUID
        assert named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
        assert texts(second)[-1] == ("Addendum", "Told by telephone.")
        _, later = objects(ann, study, PDF)
        (named,) = later.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
        assert named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == pdf.SOPInstanceUID
    documents = room.found("DocumentReference?subject=Patient/p")
    assert sorted(one["status"] for one in documents) == ["current", "superseded"]

    told = room.found("Communication?recipient=Practitioner/ref", room.as_("ref"))
    assert {(one["priority"], one["about"][0]["reference"]) for one in told} == {
        ("urgent", f"DiagnosticReport/{report['id']}")
    }
    assert len(told) == 2
    assert all(": Es gibt einen Befund." in str(one) or "Nachtrag" in str(one) for one in told)
    with room.pool.connection() as connection:
        mails = connection.execute("SELECT recipient, subject || ' ' || text FROM mail").fetchall()
    assert [to for to, _ in mails] == ["ref@example.org"] * 2
    said_in_mails = " ".join(text for _, text in mails)
    assert "/account/results" in said_in_mails
    assert "Ein Befund, der jetzt zu lesen ist" in said_in_mails
    assert not [one for one in ("ller", "nne", "mrn-1", "CT", "haemorrhage", report["id"]) if one in said_in_mails]


def test_a_job_that_was_cut_off_files_once(room: ReadingRoom) -> None:
    """Whatever was done before: objects without resources, all of it; a restricted report is not put into its study.
    The PDF that a draft came with stays beside ours until the report is changed.
    """
    task = room.case()
    run = tasks(room.server.settings)["reports.file"]
    with room.as_("ann") as ann:
        brought = {"contentType": "application/pdf", "url": "https://ris.example.org/1.pdf", "title": "RIS"}
        report = written(ann, draft(task, presentedForm=[brought]))
        signed = ann.post(f"{URL}/{report['id']}/$sign").json()
        assert signed["presentedForm"] == [brought]
        version = int(signed["meta"]["versionId"])
        with patch.object(Filer, "_filed", side_effect=RuntimeError("killed")), pytest.raises(RuntimeError):
            run(report["id"], version, None)
        for _ in range(2):
            run(report["id"], version, None)
        room.settle()
        study = room.get(task["focus"]["reference"])["identifier"][0]["value"].removeprefix("urn:oid:")
        assert (len(objects(ann, study, TEXT_SR)), len(objects(ann, study, PDF))) == (1, 1)
        assert len(room.found("DocumentReference?subject=Patient/p")) == 1
        assert len(room.found("Communication?recipient=Practitioner/ref")) == 1
        restricted = [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]
        given = room.get(f"DiagnosticReport/{report['id']}")
        own, other = given["presentedForm"]
        assert (own["url"].partition("/")[0], other) == ("Binary", brought)
        room.put(given | {"meta": {"security": restricted}})
        given = parameters(status={"valueCode": "corrected"}, report=draft(task, conclusion="Other."))
        room.run(clear("ann", clearance(["R"])))
        answer = ann.post(f"{URL}/{report['id']}/$amend", json=given)
        assert answer.status_code == 200, answer.text
        room.settle()
        assert len(objects(ann, study, TEXT_SR)) == 1
    (shown,) = room.get(f"DiagnosticReport/{report['id']}")["presentedForm"]
    assert shown["url"] != own["url"]
    (document,) = room.found("DocumentReference?status=current")
    told = room.found("Communication?recipient=Practitioner/ref&_sort=-sent")[0]
    for one in (document, told):
        assert [label["code"] for label in one["meta"]["security"]] == ["R"]
