"""DCMTK's own programs against the served DIMSE port, and what they sent, read back over HTTP."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.support.dicom import ct, uid
from tests.support.serve import Served, wait_until
from tests.support.tools import require_tool

STUDY = 811
SLICES = 3


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The slices of one CT series."""
    folder = tmp_path_factory.mktemp("ct")
    paths = [folder / f"{number}.dcm" for number in range(1, SLICES + 1)]
    for number, path in enumerate(paths, 1):
        path.write_bytes(ct(STUDY, 1, number, size=64, PatientID="P811"))
    return paths


@pytest.fixture(scope="module")
def sent(served: Served, files: list[Path]) -> Served:
    """The server after `storescu` has sent the slices over one association."""
    done = scu(served, "storescu", *map(str, files))
    assert done.returncode == 0, done.stdout + done.stderr
    return served


def scu(server: Served, program: str, *files: str) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's clients against the server."""
    target = ["-aec", "HEALIX", "127.0.0.1", str(server.dimse_port)]
    return subprocess.run([require_tool(program), *target, *files], capture_output=True, text=True, check=False)


@pytest.mark.spec("PS3.4 A.5")
def test_echo(served: Served) -> None:
    """`echoscu` is answered with success."""
    assert scu(served, "echoscu").returncode == 0


def test_nobody_shuts_it_down(served: Served) -> None:
    """`termscu` asks for DCMTK's private Shutdown SOP Class, which a server of many callers does not do."""
    running = [one.pid for one in served.children("dimse")]
    done = scu(served, "termscu")
    assert (done.returncode, "No Acceptable Presentation Contexts" in done.stdout + done.stderr) == (1, True), done
    assert scu(served, "echoscu").returncode == 0
    assert [one.pid for one in served.children("dimse")] == running


@pytest.mark.spec("PS3.18 10.6")
def test_sent_study_is_found(sent: Served) -> None:
    """A study sent by `storescu` is found by QIDO-RS as soon as `storescu` has its answer."""
    with sent.client(sent.demo_token) as client:
        found = client.get("/dicomweb/studies", params={"StudyInstanceUID": uid(STUDY)}).json()
    assert [study["0020000D"]["Value"] for study in found] == [[uid(STUDY)]]
    assert found[0]["00201208"]["Value"] == [SLICES]


@pytest.mark.spec("PS3.18 10.4")
def test_pixels_are_byte_equal(sent: Served, files: list[Path]) -> None:
    """What WADO-RS gives back, as instance and as frame, has the bytes of the pixels that were sent."""
    for path in files:
        original = dcmread(path)
        address = f"/dicomweb/studies/{uid(STUDY)}/series/{uid(STUDY, 1)}/instances/{original.SOPInstanceUID}"
        with sent.client(sent.demo_token) as client:
            accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
            instance = client.get(address, headers=accept)
            accept = {"Accept": 'multipart/related; type="application/octet-stream"'}
            frame = client.get(f"{address}/frames/1", headers=accept)
        stored = dcmread(io.BytesIO(part(instance.content, instance.headers["Content-Type"])))
        assert stored.PixelData == original.PixelData
        assert part(frame.content, frame.headers["Content-Type"]) == original.PixelData


@pytest.mark.spec("PS3.4 B.2.3")
def test_sending_again(sent: Served, files: list[Path]) -> None:
    """Sending the same objects again succeeds and makes no second copy."""
    assert scu(sent, "storescu", *map(str, files)).returncode == 0
    with sent.client(sent.demo_token) as client:
        assert len(client.get("/dicomweb/instances", params={"StudyInstanceUID": uid(STUDY)}).json()) == SLICES


@pytest.mark.spec("PS3.8 7.1")
def test_wrong_called_title(served: Served) -> None:
    """An association for another AE title is rejected with that reason."""
    program = [require_tool("echoscu"), "-aec", "SOMEONE", "127.0.0.1", str(served.dimse_port)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stderr + done.stdout


def test_imaging_study_appears(served: Served, tmp_path: Path) -> None:
    """A study sent over DIMSE is soon a FHIR ImagingStudy."""
    path = tmp_path / "one.dcm"
    path.write_bytes(ct(STUDY + 1, 1, 1, size=16, PatientID="P811"))
    query = {"identifier": f"urn:dicom:uid|urn:oid:{uid(STUDY + 1)}"}
    with served.client(served.demo_token) as client:
        assert "entry" not in client.get("/fhir/ImagingStudy", params=query).json()
        assert scu(served, "storescu", str(path)).returncode == 0
        wait_until(lambda: client.get("/fhir/ImagingStudy", params=query).json().get("entry"), "the ImagingStudy")
        study = client.get("/fhir/ImagingStudy", params=query).json()["entry"][0]["resource"]
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (1, 1)
    assert study["series"][0]["instance"][0]["uid"] == uid(STUDY + 1, 1, 1)


def part(body: bytes, content_type: str) -> bytes:
    """The content of the only part of a multipart body."""
    boundary = content_type.split("boundary=")[1].split(";", maxsplit=1)[0].strip('"').encode()
    _, only, end = body.split(b"--" + boundary)
    assert end.strip() == b"--"
    return only.split(b"\r\n\r\n", 1)[1][:-2]
