"""Orthanc as the other archive: it finds and pulls from Healix, pushes to it, and is asked and sent to by it; and the
worklist of each as the other asks for it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset

from tests.support.dicom import ct, data_set, part10, rle, uid, with_pixels
from tests.support.plain import NO_TLS
from tests.support.serve import Served, free_ports, healix, serving, wait_until
from tests.support.tools import require_tool

WORKLISTS = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")
"""The plugin that comes with Orthanc: it serves the files of a folder."""
OURS, THEIRS = 1, 2
"""The studies that each has at the start."""


@dataclass(frozen=True)
class Archive:
    """A running Orthanc: its REST API, and where its DIMSE port is."""

    url: str
    port: int

    def ask(self, path: str, body: Any = None) -> Any:
        """The answer to a GET, or to a POST with a body."""
        with httpx.Client(base_url=self.url, timeout=60, verify=NO_TLS) as client:
            if body is None:
                answer = client.get(path)
            elif isinstance(body, bytes):
                answer = client.post(path, content=body)
            else:
                answer = client.post(path, json=body)
            answer.raise_for_status()
            return answer.json()

    def instances(self, study: int) -> set[str]:
        """The SOP Instance UIDs of a study."""
        found = self.ask(
            "/tools/find", {"Level": "Instance", "Query": {"StudyInstanceUID": uid(study)}, "Expand": True}
        )
        return {one["MainDicomTags"]["SOPInstanceUID"] for one in found}


@dataclass(frozen=True)
class Two:
    """Healix and Orthanc, which know each other."""

    ours: Served
    theirs: Archive

    def command(self, *words: str) -> dict[str, Any]:
        """The answer of an operator's command."""
        done = healix(self.ours.data_dir, *words)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def instances(self, study: int) -> set[str]:
        """The SOP Instance UIDs of a study that Healix has."""
        with self.ours.client(self.ours.token("system/ImagingStudy.rs")) as client:
            found = client.get("/dicomweb/instances", params={"StudyInstanceUID": uid(study)})
        return {one["00080018"]["Value"][0] for one in found.json()} if found.status_code == 200 else set()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, set_up: Callable[[str], Path]) -> Iterator[Two]:
    """Both, each with a study of its own."""
    program = require_tool("Orthanc")
    directory = tmp_path_factory.mktemp("orthanc")
    for name in ("images", "worklists"):
        (directory / name).mkdir()
    (directory / "worklists" / "one.wl").write_bytes(scheduled())
    for number in range(1, 4):
        (directory / "images" / f"{number}.dcm").write_bytes(ct(OURS, 1, number, size=32))
    (directory / "images" / "rle.dcm").write_bytes(rle(with_pixels(data_set(OURS, 2, 1))))
    http_port, port = free_ports(2)
    with serving(set_up("beside-orthanc"), "--workers", "1") as ours:
        configuration = {
            "StorageDirectory": str(directory / "storage"),
            "IndexDirectory": str(directory / "storage"),
            "DicomAet": "ORTHANC",
            "DicomPort": port,
            "DicomAlwaysAllowGet": True,
            "HttpPort": http_port,
            "AuthenticationEnabled": False,
            "Plugins": [str(WORKLISTS)] if WORKLISTS.exists() else [],
            "Worklists": {"Enable": True, "Database": str(directory / "worklists")},
            "DicomModalities": {"healix": ["HEALIX", "127.0.0.1", ours.dimse_port]},
        }
        (directory / "orthanc.json").write_text(json.dumps(configuration))
        process = subprocess.Popen(
            [program, str(directory / "orthanc.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            theirs = Archive(f"http://127.0.0.1:{http_port}", port)
            wait_until(lambda: process.poll() is not None or answers(theirs), "Orthanc")
            assert process.poll() is None
            for number in range(1, 4):
                theirs.ask("/instances", ct(THEIRS, 1, number, size=32))
            found = Two(ours, theirs)
            found.command("import", str(directory / "images"))
            found.command("peer", "add", "ORTHANC", "--host", "127.0.0.1", "--port", str(port))
            yield found
        finally:
            process.terminate()
            process.wait(20)


def scheduled() -> bytes:
    """A worklist item as Orthanc's plugin reads it."""
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle = "MR", "MR1"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "20310301", "083000"
    step.ScheduledProcedureStepID, step.ScheduledProcedureStepDescription = "SPS1", "Schädel"
    found = data_set(9, PatientName="Müller^Änne", PatientID="P9", AccessionNumber="A9")
    found.SpecificCharacterSet = "ISO_IR 100"
    found.RequestedProcedureID = "RP1"
    found.ScheduledProcedureStepSequence = [step]
    return part10(found)


def answers(archive: Archive) -> bool:
    """Whether it is there."""
    try:
        archive.ask("/system")
    except httpx.HTTPError:
        return False
    return True


@pytest.mark.spec("PS3.4 A.5")
def test_echo_both_ways(two: Two) -> None:
    """Each answers the other's C-ECHO."""
    assert two.command("peer", "echo", "ORTHANC")["answers"]
    assert two.theirs.ask("/modalities/healix/echo", {}) == {}


@pytest.mark.spec("PS3.4 C.4.1")
def test_find_both_ways(two: Two) -> None:
    """Each finds the other's study by its UID, with what there is of it."""
    found = two.command("peer", "find", "ORTHANC", f"StudyInstanceUID={uid(THEIRS)}")
    assert [one["PatientName"] for one in found["matches"]] == ["Doe^Jane"]
    query = two.theirs.ask(
        "/modalities/healix/query",
        {"Level": "Study", "Query": {"StudyInstanceUID": uid(OURS), "NumberOfStudyRelatedInstances": ""}},
    )
    (answer,) = two.theirs.ask(f"/queries/{query['ID']}/answers?expand&simplify")
    assert answer["NumberOfStudyRelatedInstances"] == "4"


@pytest.mark.spec("PS3.4 C.4.2")
def test_orthanc_pulls(two: Two) -> None:
    """Orthanc has Healix move a study to it, and has every instance then."""
    query = two.theirs.ask("/modalities/healix/query", {"Level": "Study", "Query": {"StudyInstanceUID": uid(OURS)}})
    two.theirs.ask(f"/queries/{query['ID']}/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
    assert two.theirs.instances(OURS) == two.instances(OURS)
    assert len(two.instances(OURS)) == 4


@pytest.mark.spec("PS3.4 B")
def test_orthanc_pushes(two: Two) -> None:
    """Orthanc sends a study, and Healix has every instance then."""
    for number in range(1, 3):
        two.theirs.ask("/instances", ct(3, 1, number, size=32))
    (study,) = two.theirs.ask("/tools/find", {"Level": "Study", "Query": {"StudyInstanceUID": uid(3)}})
    two.theirs.ask("/modalities/healix/store", {"Resources": [study], "Synchronous": True})
    assert two.instances(3) == two.theirs.instances(3) == {uid(3, 1, 1), uid(3, 1, 2)}


@pytest.mark.spec("PS3.4 B")
def test_healix_pushes(two: Two, tmp_path: Path) -> None:
    """Healix sends a study, and Orthanc has every instance then."""
    (tmp_path / "image.dcm").write_bytes(ct(4, 1, 1, size=32))
    two.command("import", str(tmp_path))
    told = two.command("peer", "push", "ORTHANC", "--study", uid(4))
    assert (told["state"], told["sent"], told["failed"]) == ("done", 1, 0)
    assert two.theirs.instances(4) == {uid(4, 1, 1)}


@pytest.mark.spec("PS3.4 C.4.3")
def test_healix_gets(two: Two) -> None:
    """Healix has Orthanc send a study back over the association on which it asks, and has every instance then."""
    for number in range(1, 3):
        two.theirs.ask("/instances", ct(5, 1, number, size=32))
    told = two.command("peer", "pull", "ORTHANC", "--study", uid(5), "--method", "get")
    assert (told["state"], told["received"], told["failed"]) == ("done", 2, 0)
    assert two.instances(5) == two.theirs.instances(5)


@pytest.mark.spec("PS3.4 C.4.2")
def test_healix_pulls(two: Two) -> None:
    """Healix has Orthanc move a study to it, and has every instance then."""
    told = two.command("peer", "pull", "ORTHANC", "--study", uid(THEIRS))
    assert (told["state"], told["received"], told["failed"]) == ("done", 3, 0)
    assert two.instances(THEIRS) == two.theirs.instances(THEIRS)


@pytest.mark.spec("PS3.4 K.4.1")
@pytest.mark.skipif(not WORKLISTS.exists(), reason="Orthanc has come without its worklist plugin")
@pytest.mark.parametrize(("modality", "names"), [("MR", ["Müller^Änne"]), ("CT", [])])
def test_healix_asks_for_the_worklist(two: Two, modality: str, names: list[str]) -> None:
    """Healix finds what is on Orthanc's worklist, by keys of the patient and of the step, in its character set."""
    key = f"ScheduledProcedureStepSequence.Modality={modality}"
    found = two.command("peer", "find", "ORTHANC", "--level", "worklist", "PatientID=P9", key)["matches"]
    assert [one["PatientName"] for one in found] == names
    for one in found:
        (step,) = one["ScheduledProcedureStepSequence"]
        assert (one["AccessionNumber"], step["ScheduledProcedureStepDescription"]) == ("A9", "Schädel")


@pytest.mark.spec("PS3.4 K.4.1")
def test_orthanc_asks_for_the_worklist(two: Two) -> None:
    """Orthanc finds what is on Healix's worklist, by keys of the patient and of the step."""
    about = ["--patient-id", "P7", "--name", "Müller^Änne", "--at", "2031-03-01T08:30", "--description", "Schädel"]
    step = two.command("worklist", "add", "--modality", "CT", *about)["step"]
    two.command("worklist", "add", "--modality", "MR", *about)
    wanted = {"Modality": "CT", "ScheduledProcedureStepID": "", "ScheduledProcedureStepDescription": ""}
    query = {"PatientID": "P7", "PatientName": "", "ScheduledProcedureStepSequence": [wanted]}
    (found,) = two.theirs.ask("/modalities/healix/find-worklist", query)
    assert found["PatientName"] == "Müller^Änne"
    assert found["ScheduledProcedureStepSequence"] == [
        {"Modality": "CT", "ScheduledProcedureStepDescription": "Schädel", "ScheduledProcedureStepID": step}
    ]
