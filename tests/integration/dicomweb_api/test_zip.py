"""Studies as ZIP files, read by the standard library, pydicom and dcmtk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from tests.support.dicom import data_set, encapsulated, implicit, part10, rle, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body
from tests.support.tools import require_tool

STUDY = f"/dicomweb/studies/{uid(1)}"
ZIP = {"Accept": "application/zip"}
SR, PRESENTATION, PDF = (f"1.2.840.10008.5.1.4.1.1.{name}" for name in ("88.22", "11.1", "104.1"))


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of a server with a study of two series of images, a report, a presentation state and a document."""
    report = data_set(1, 3, 1, SOPClassUID=SR, Modality="SR", ContentDate="20260102", ContentTime="03")
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121", "DCM", "Befund für Ärzte"
    report.ConceptNameCodeSequence, report.CompletionFlag, report.VerificationFlag = [name], "COMPLETE", "VERIFIED"
    report.SpecificCharacterSet, report.PatientName = "ISO_IR 100", "Müller^Jörg"
    state = data_set(1, 4, 1, SOPClassUID=PRESENTATION, Modality="PR", ContentLabel="STATE")
    document = data_set(1, 5, 1, SOPClassUID=PDF, Modality="DOC", MIMETypeOfEncapsulatedDocument="application/pdf")
    document.EncapsulatedDocument = bytes(2048)
    files = [part10(with_pixels(data_set(1, 1, number))) for number in (1, 2, 3)]
    files += [implicit(with_pixels(data_set(1, 2, 1))), rle(with_pixels(data_set(1, 2, 2)))]
    files += [part10(report), part10(state), part10(document)]
    with server.client("system/ImagingStudy.cruds") as opened:
        assert opened.post("/dicomweb/studies", content=body(files), headers=HEADERS).status_code == 200
        yield opened


@pytest.mark.spec("PS3.18 8.6.1.3")
def test_a_study_is_a_file_set_in_a_zip_file(client: httpx.Client) -> None:
    """Every instance is a file with a name of PS3.10, in Explicit VR Little Endian; the same request the same file."""
    answer = client.get(STUDY, headers=ZIP)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="{uid(1)}.zip"'
    assert client.get(STUDY, headers=ZIP).content == answer.content
    assert client.get(STUDY, headers=ZIP | {"If-None-Match": answer.headers["etag"]}).status_code == 304
    with ZipFile(BytesIO(answer.content)) as file:
        assert file.testzip() is None
        names = file.namelist()
        found = [dcmread(BytesIO(file.read(name))) for name in names if name != "DICOMDIR"]
    assert names[:2] == ["DICOMDIR", "DICOM/SE000001/IM000001"]
    assert all(len(part) <= 8 and part == part.upper() for name in names for part in name.split("/"))
    assert {one.file_meta.TransferSyntaxUID for one in found} == {"1.2.840.10008.1.2.1"}
    assert len(found) == 8


def test_series_and_instances_may_be_zipped_as_they_are_stored(client: httpx.Client) -> None:
    """`transfer-syntax=*` takes files as they are; an unknown one is refused, as no file-set is partial."""
    series = f"{STUDY}/series/{uid(1, 2)}"
    with ZipFile(BytesIO(client.get(series, headers={"Accept": "application/zip; transfer-syntax=*"}).content)) as file:
        syntaxes = [dcmread(BytesIO(file.read(name))).file_meta.TransferSyntaxUID for name in file.namelist()[1:]]
    assert syntaxes == ["1.2.840.10008.1.2", "1.2.840.10008.1.2.5"]
    with ZipFile(BytesIO(client.get(f"{series}/instances/{uid(1, 2, 1)}", headers=ZIP).content)) as file:
        assert len(file.namelist()) == 2
    jpeg = {"Accept": "application/zip; transfer-syntax=1.2.840.10008.1.2.4.50"}
    assert client.get(STUDY, headers=jpeg).status_code == 406


@pytest.mark.spec("PS3.3 F")
def test_the_directory_names_every_file(client: httpx.Client, tmp_path: Path) -> None:
    """The DICOMDIR leads by patient, study and series to each instance, with the record that its class has."""
    with ZipFile(BytesIO(client.get(STUDY, headers=ZIP).content)) as file:
        file.extractall(tmp_path)
    files = FileSet(tmp_path / "DICOMDIR")
    assert len(files) == 8
    for one in files:
        assert one.load().SOPInstanceUID == one.SOPInstanceUID
    files._stage["t"].cleanup()  # its directory for changes, which it would warn of else
    records = dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence
    assert [record.DirectoryRecordType for record in records] == [
        *("PATIENT", "STUDY", "SERIES", "IMAGE", "IMAGE", "IMAGE", "SERIES", "IMAGE", "IMAGE"),
        *("SERIES", "SR DOCUMENT", "SERIES", "PRESENTATION", "SERIES", "ENCAP DOC"),
    ]
    (report,) = (record for record in records if record.DirectoryRecordType == "SR DOCUMENT")
    assert report.ConceptNameCodeSequence[0].CodeMeaning == "Befund für Ärzte"


def test_dcmtk_reads_the_directory_and_goes_on_with_it(client: httpx.Client, tmp_path: Path) -> None:
    """`dcmdump` finds nothing to warn of, and dcmgpdir adds another file to the directory, which it keeps."""
    with ZipFile(BytesIO(client.get(STUDY, headers=ZIP).content)) as file:
        file.extractall(tmp_path)
    dumped = subprocess.run(
        [require_tool("dcmdump"), "-v", "DICOMDIR"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "W:" not in dumped.stderr
    assert "E:" not in dumped.stderr
    (tmp_path / "DICOM" / "EXTRA").write_bytes(part10(with_pixels(data_set(2, 1, 1, PatientID="P2"))))
    added = subprocess.run(
        [require_tool("dcmgpdir"), "+A", "+I", "-v", "DICOM/EXTRA"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert added.returncode == 0, added.stderr
    records = dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence
    assert [record.DirectoryRecordType for record in records].count("IMAGE") == 6


def test_a_lossy_image_goes_as_it_is(server: LiveServer) -> None:
    """What was compressed with loss is in the file-set as it is stored."""
    lossy = encapsulated(with_pixels(data_set(3), bits=8), [b"\xff\xd8 no matter what\xff\xd9"])
    with server.client("system/ImagingStudy.cruds") as client:
        assert client.post("/dicomweb/studies", content=body([lossy]), headers=HEADERS).status_code == 200
        with ZipFile(BytesIO(client.get(f"/dicomweb/studies/{uid(3)}", headers=ZIP).content)) as file:
            assert file.read("DICOM/SE000001/IM000001") == lossy
