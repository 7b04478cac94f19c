"""pynetdicom's own programs: its SCUs against the served port, and its SCPs called by Healix."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.support.dicom import ct, uid
from tests.support.serve import Served, free_ports, healix, wait_until

STUDY = 821
SLICES = 3
PATIENT = "P821"
QUERY = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(STUDY)}"]
OWN = {uid(STUDY, 1, number) for number in range(1, SLICES + 1)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the slices of one CT series."""
    folder = tmp_path_factory.mktemp("ct")
    for number in range(1, SLICES + 1):
        (folder / f"{number}.dcm").write_bytes(ct(STUDY, 1, number, size=64, PatientID=PATIENT))
    return folder


@pytest.fixture(scope="module")
def sent(served: Served, files: Path) -> Served:
    """The server after `storescu` has sent the slices."""
    scu(served, "storescu", str(files))
    return served


def scu(server: Served, program: str, *options: str, cwd: Path | None = None) -> None:
    """Run one of pynetdicom's clients against the server, and see it succeed."""
    target = ["127.0.0.1", str(server.dimse_port)]
    done = subprocess.run(
        [sys.executable, "-m", "pynetdicom", program, *target, "-aec", "HEALIX", *options],
        capture_output=True, text=True, check=False, timeout=60, cwd=cwd,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "E: " not in said, said


def command(server: Served, *words: str) -> dict[str, Any]:
    """The answer of an operator's command."""
    done = healix(server.data_dir, *words)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def instances(folder: Path) -> set[str]:
    """The SOP Instance UIDs of the files in a folder."""
    return {str(dcmread(path).SOPInstanceUID) for path in folder.rglob("*") if path.is_file()}


@contextmanager
def scp(server: Served, program: str, aet: str, port: int, options: Sequence[str], cwd: Path) -> Iterator[None]:
    """One of pynetdicom's servers, which Healix knows, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pynetdicom", program, *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd,
    )  # fmt: skip
    try:
        command(server, "peer", "add", aet, "--host", "127.0.0.1", "--port", str(port))
        wait_until(lambda: healix(server.data_dir, "peer", "echo", aet).returncode == 0, program)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.spec("PS3.4 A.5")
def test_echoscu(served: Served) -> None:
    """It is answered with success."""
    scu(served, "echoscu")


@pytest.mark.spec("PS3.4 B.2")
def test_storescu(sent: Served) -> None:
    """What it has sent is found."""
    with sent.client(sent.demo_token) as client:
        found = client.get("/dicomweb/instances", params={"StudyInstanceUID": uid(STUDY)}).json()
    assert {one["00080018"]["Value"][0] for one in found} == OWN


@pytest.mark.spec("PS3.4 C.4.1")
def test_findscu(sent: Served, tmp_path: Path) -> None:
    """It finds the study and writes the answer."""
    scu(sent, "findscu", *QUERY, "-k", "PatientID", "-w", cwd=tmp_path)
    (answer,) = (dcmread(path, force=True) for path in tmp_path.iterdir())
    assert (answer.StudyInstanceUID, answer.PatientID) == (uid(STUDY), PATIENT)


@pytest.mark.spec("PS3.4 K.4")
def test_findscu_on_the_worklist(served: Served, tmp_path: Path) -> None:
    """It finds what an operator has scheduled."""
    with served.client(served.demo_token) as client:
        patient = client.get("/fhir/Patient", params={"_count": "1"}).json()["entry"][0]["resource"]["id"]
    when = ["--at", "2031-03-01T08:30", "--description", "Head"]
    step = command(served, "worklist", "add", "--patient", patient, "--modality", "CT", *when)["step"]
    date = "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate=20310301"
    wanted = "ScheduledProcedureStepSequence[0].ScheduledProcedureStepID"
    scu(served, "findscu", "-W", "-k", date, "-k", wanted, "-w", cwd=tmp_path)
    (answer,) = (dcmread(path, force=True) for path in tmp_path.iterdir())
    assert answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID == step


@pytest.mark.spec("PS3.4 C.4.2")
def test_movescu(sent: Served, tmp_path: Path) -> None:
    """It has the study sent to itself."""
    (port,) = free_ports(1)
    command(sent, "peer", "add", "MOVER", "--host", "127.0.0.1", "--port", str(port))
    store = ["--store", "--store-port", str(port), "--store-aet", "MOVER", "-od", str(tmp_path)]
    scu(sent, "movescu", *QUERY, "-aet", "MOVER", "-aem", "MOVER", *store)
    assert instances(tmp_path) == OWN


@pytest.mark.spec("PS3.4 C.4.3")
def test_getscu(sent: Served, tmp_path: Path) -> None:
    """It gets the study back over its association."""
    scu(sent, "getscu", *QUERY, "-od", str(tmp_path))
    assert instances(tmp_path) == OWN


def test_echoscp(served: Served, tmp_path: Path) -> None:
    """It answers."""
    (port,) = free_ports(1)
    with scp(served, "echoscp", "ECHOSCP", port, [str(port), "-aet", "ECHOSCP"], tmp_path):
        assert command(served, "peer", "echo", "ECHOSCP")["answers"]


@pytest.mark.spec("PS3.4 B.2")
def test_storescp(sent: Served, tmp_path: Path) -> None:
    """It gets what is pushed."""
    (port,) = free_ports(1)
    folder = tmp_path / "received"
    folder.mkdir()
    with scp(sent, "storescp", "STORESCP", port, [str(port), "-aet", "STORESCP", "-od", str(folder)], tmp_path):
        told = command(sent, "peer", "push", "STORESCP", "--study", uid(STUDY))
    assert (told["sent"], told["failed"]) == (SLICES, 0)
    assert instances(folder) == OWN


CONFIGURATION = """
[DEFAULT]
    ae_title: QRSCP
    port: {port}
    max_pdu: 16382
    acse_timeout: 30
    dimse_timeout: 30
    network_timeout: 30
    bind_address: 127.0.0.1
    instance_location: instances
    database_location: instances.sqlite
    log_identifier: False
[HEALIX]
    address: 127.0.0.1
    port: {healix}
"""


@pytest.mark.spec("PS3.4 C.4")
def test_qrscp(sent: Served, tmp_path: Path) -> None:
    """It is sent a study and asked for it; another one it moves here, and gives back."""
    (port,) = free_ports(1)
    (tmp_path / "instances").mkdir()
    (tmp_path / "qrscp.ini").write_text(CONFIGURATION.format(port=port, healix=sent.dimse_port))
    other = tmp_path / "other.dcm"
    other.write_bytes(ct(STUDY + 1, 1, 1, size=64, PatientID=PATIENT))
    with scp(sent, "qrscp", "QRSCP", port, ["-c", "qrscp.ini"], tmp_path):
        assert command(sent, "peer", "push", "QRSCP", "--study", uid(STUDY))["sent"] == SLICES
        subprocess.run(
            [sys.executable, "-m", "pynetdicom", "storescu", "127.0.0.1", str(port), str(other), "-aec", "QRSCP"],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        found = command(sent, "peer", "find", "QRSCP", f"PatientID={PATIENT}")["matches"]
        assert {one["StudyInstanceUID"] for one in found} == {uid(STUDY), uid(STUDY + 1)}
        told = command(sent, "peer", "pull", "QRSCP", "--study", uid(STUDY + 1))
        again = command(sent, "peer", "pull", "QRSCP", "--study", uid(STUDY + 1), "--method", "get")
    assert [(one["received"], one["failed"]) for one in (told, again)] == [(1, 0)] * 2
    with sent.client(sent.demo_token) as client:
        assert len(client.get("/dicomweb/instances", params={"StudyInstanceUID": uid(STUDY + 1)}).json()) == 1
