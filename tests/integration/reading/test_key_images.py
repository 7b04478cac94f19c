"""Key images: marked in the study or named by the report, they are in its document and in the patient's record."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat
from pydicom.dataset import Dataset

from dicomweb.archive.opening import open_archive
from healix_fhir.care.reports.record.images import Images
from healix_fhir.imaging.imaging_study import imaging_study_id
from healix_fhir.kernel.database import transaction
from healix_fhir.model.key_images import KeyImage, illustrated
from smart_auth.access import AccessContext, restored
from smart_auth.queries import CLOSED
from tests.integration.reading.test_filed import TEXT_SR, objects
from tests.integration.reading.test_reports import URL, written
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.pdf import read
from tests.support.presentation import state
from tests.support.reading import ReadingRoom, draft
from tests.support.stow import HEADERS, body
from tests.support.tools import require_tool

Json = dict[str, Any]
OURS, OTHERS = 881, 882
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"


def selection(number: int, title: str, text: str, *images: int) -> bytes:
    """A Key Object Selection in the study."""

    def coded(code: str) -> list[Dataset]:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", "x"
        return [item]

    description = Dataset()
    description.RelationshipType, description.ValueType, description.TextValue = "CONTAINS", "TEXT", text
    description.ConceptNameCodeSequence = coded("113012")
    content = [description]
    for one in images:
        reference, item = Dataset(), Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
            "1.2.840.10008.5.1.4.1.1.2",
            uid(OURS, 1, one),
        )
        item.RelationshipType, item.ValueType, item.ReferencedSOPSequence = "CONTAINS", "IMAGE", [reference]
        content.append(item)
    made = data_set(OURS, 2, number, PatientID="mrn-1", SOPClassUID=KEY_OBJECTS, Modality="KO", ValueType="CONTAINER")
    made.ConceptNameCodeSequence, made.ContentSequence = coded(title), content
    return part10(made)


def turned(*images: Dataset) -> bytes:
    """A presentation state of the study, under which black is white."""
    uids = {"StudyInstanceUID": uid(OURS), "SeriesInstanceUID": uid(OURS, 7), "SOPInstanceUID": uid(OURS, 7, 1)}
    return part10(state(*images, **uids, PatientID="mrn-1", PresentationLUTShape="INVERSE"))


def stored(room: ReadingRoom, *files: bytes) -> None:
    """Send objects."""
    with room.system() as system:
        answer = system.post("/dicomweb/studies", content=body(list(files)), headers=HEADERS)
        assert answer.status_code == 200, answer.text
    room.settle()


def access(room: ReadingRoom, scope: str) -> AccessContext:
    """The access of an app of the patient."""
    captured = {"scope": scope, "patient": "p", "practitioner": None, "client": "app", "account": None}
    found: AccessContext = transaction(room.pool, lambda: restored(captured, CLOSED))
    return found


def image(study: int, number: int, patient: str) -> Dataset:
    """A CT image with pixels, all of them black."""
    ds = with_pixels(data_set(study, 1, number, PatientID=patient), rows=32, columns=32)
    ds.PixelData = bytes(len(ds.PixelData))
    return ds


def brightness(picture: bytes) -> float:
    """The mean of its grey values."""
    with Image.open(io.BytesIO(picture)) as opened:
        return float(ImageStat.Stat(opened.convert("L")).mean[0])


@pytest.mark.spec("DICOM PS3.3 A.35.4")
@pytest.mark.spec("FHIR R4 diagnosticreport-definitions.html#DiagnosticReport.media")
@pytest.mark.spec("DICOM PS3.16 TID 2001")
def test_marked_and_named(room: ReadingRoom, tmp_path: Path) -> None:
    """What is marked for teaching is none, nor what is another patient's, or not to be seen. The structured report
    refers to them, each with its presentation state, and lists all of that as evidence.
    """
    ours = [image(OURS, number, "mrn-1") for number in (1, 2, 3)]
    stored(room, *map(part10, ours), part10(image(OTHERS, 1, "mrn-2")), turned(ours[2]))
    stored(room, selection(1, "113000", "Nodule", 2), selection(2, "113004", "Pretty", 1))
    study = f"ImagingStudy/{imaging_study_id(uid(OURS))}"
    task = {"for": {"reference": "Patient/p"}, "basedOn": [], "focus": {"reference": study}}
    named = [KeyImage(uid(OURS, 1, 3), "Left", 1, uid(OURS, 7, 1)), KeyImage(uid(OTHERS, 1, 1), "Left")]
    made = illustrated(draft(task), named)
    del made["basedOn"]
    with room.as_("ann") as ann:
        report = written(ann, made)
        signed = ann.post(f"{URL}/{report['id']}/$sign")
        assert signed.status_code == 200, signed.text
        room.settle()
        final = ann.get(f"{URL}/{report['id']}").json()
        document = ann.get(f"/fhir/{final['presentedForm'][0]['url']}", headers={"Accept": "application/pdf"})
        pictures = [one for one in read(document.content).alternatives if "Key image" in one]
        assert [one.partition(". ")[2] for one in pictures] == ["Key image 1. Left", "Key image 2. Nodule"]
        (sr,) = objects(ann, uid(OURS), TEXT_SR)
    (listed,) = sr.CurrentRequestedProcedureEvidenceSequence
    evidence = [one for each in listed.ReferencedSeriesSequence for one in each.ReferencedSOPSequence]
    expected = {uid(OURS, 7, 1), *(uid(OURS, 1, number) for number in (1, 2, 3))}
    assert {one.ReferencedSOPInstanceUID for one in evidence} == expected
    path = tmp_path / "sr.dcm"
    sr.save_as(path)
    dumped = subprocess.run([require_tool("dsrdump"), "+Pl", path], capture_output=True, text=True, check=True)
    assert not [line for line in dumped.stderr.splitlines() if "VR checker does not support" not in line]
    shown = '<inferred from IMAGE:(,,"Best illustration of finding")=(CT image,,1),(GSPS,)>'
    assert f'"Left">\n      {shown}' in dumped.stdout
    archive, bases = open_archive(room.server.settings), (room.server.settings.fhir_base,)
    for scope, comments, lost in (
        ("patient/*.rs", ["Left", "Nodule"], 1),
        ("patient/DiagnosticReport.rs patient/Media.rs", [], 3),
    ):
        images = Images(lambda work: transaction(room.pool, work), access(room, scope), "p", bases, archive)
        found = images.of([final]).get(final["id"], [])
        assert ([one.comment for one in found], images.lost) == (comments, lost), scope
        assert [brightness(one.image) > 250 for one in found] == [True, False][: len(found)]
