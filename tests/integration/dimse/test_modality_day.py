"""A modality's day: from the order to the images, with other makers' programs, and FHIR asserted at each step.

Spec: IHE RAD TF-1, Scheduled Workflow (SWF.b): RAD-2, RAD-5, RAD-6, RAD-7, RAD-8, RAD-10, RAD-14, RAD-16
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import pydicom
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid
from pynetdicom import AE

from dicomweb.archive.local import LocalArchive
from dicomweb.dimse import peers
from dicomweb.dimse.commitment_report import reporter
from dicomweb.dimse.limits import Limits
from dicomweb.errand.queue import Kind
from dicomweb.errand.work import worker
from healix_fhir.imaging.imaging_study import imaging_study_id, procedure_id
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings
from tests.bench.dimse_servers import free_port
from tests.support.certificate import Authority
from tests.support.clinic import Clinic
from tests.support.commitment import CT, asking, information
from tests.support.commitment import modality as reports
from tests.support.ct import ct_image
from tests.support.dimse_service import Ports, serving_ports
from tests.support.procedure import AE_TITLE, begun, ended, order, patient, series
from tests.support.study import open_store
from tests.support.tools import require_tool
from tests.support.workitems import members

LIMITS = Limits(drain=2)
MPPS = UID("1.2.840.10008.3.1.2.3.3")
STEP_UID = generate_uid()
PLANNED = [{"reference": "ServiceRequest/o1"}]
SCANNER = {"resourceType": "Device", "id": "ct", "identifier": [{"system": AE_TITLE, "value": "MODALITY"}]}
TASK = {"resourceType": "Task", "id": "t", "status": "accepted", "intent": "order", "focus": PLANNED[0]}
APPOINTMENT = {
    "resourceType": "Appointment",
    "id": "a",
    "status": "booked",
    "start": "2026-03-01T08:30:00+01:00",
    "end": "2026-03-01T09:00:00+01:00",
    "basedOn": PLANNED,
    "participant": [
        {"actor": {"reference": "Patient/p"}, "status": "accepted"},
        {"actor": {"reference": "Device/ct"}, "status": "accepted"},
    ],
}


@dataclass
class Modality:
    """A CT named MODALITY, beside the server that it speaks with."""

    ports: Ports
    folder: Path

    def run(self, tool: str, *arguments: str, port: int = 0, status: int = 0) -> str:
        """Run a tool of dcmtk against the server; what it says."""
        titles = ["-aet", "MODALITY", "-aec", "HEALIX"]
        command = [require_tool(tool), *titles, "127.0.0.1", str(port or self.ports.plain), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=self.folder)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def find(self, model: str, *keys: str) -> list[Dataset]:
        """The answers of findscu."""
        for old in self.folder.glob("rsp*.dcm"):
            old.unlink()
        self.run("findscu", model, "-X", *(part for key in keys for part in ("-k", key)))
        return [pydicom.dcmread(path, force=True) for path in sorted(self.folder.glob("rsp*.dcm"))]

    def worklist(self) -> list[Dataset]:
        """What is to be done here on that day."""
        step = "(0040,0100)[0]."
        return self.find(
            "-W", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AccessionNumber",
            "StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureDescription", f"{step}Modality=CT",
            f"{step}ScheduledStationAETitle=MODALITY", f"{step}ScheduledProcedureStepStartDate=20260301",
            f"{step}ScheduledProcedureStepStartTime", f"{step}ScheduledProcedureStepID",
            f"{step}ScheduledProcedureStepStatus", f"{step}ScheduledProcedureStepDescription",
        )  # fmt: skip

    def retrieve(self, tool: str, study: Dataset, *arguments: str) -> list[str]:
        """The UIDs of what movescu or getscu receives of a study."""
        into = self.folder / tool
        into.mkdir()
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study.StudyInstanceUID}")
        self.run(tool, "-S", "-od", str(into), *keys, *arguments)
        return sorted(str(pydicom.dcmread(path).SOPInstanceUID) for path in into.iterdir())

    def tell(self, kind: str, given: Dataset) -> int:
        """Send N-CREATE or N-SET of the performed step; the status."""
        entity = AE(ae_title="MODALITY")
        entity.add_requested_context(MPPS)
        association = entity.associate("127.0.0.1", self.ports.plain, ae_title="HEALIX")
        send = association.send_n_create if kind == "create" else association.send_n_set
        status, _ = send(given, MPPS, STEP_UID)
        association.release()
        return int(status.Status)


def statuses(clinic: Clinic) -> list[str]:
    """Of order, task and appointment."""
    return [clinic.get(*one)["status"] for one in (("ServiceRequest", "o1"), ("Task", "t"), ("Appointment", "a"))]


def store(modality: Modality, item: Dataset, series_uid: str) -> list[str]:
    """Send two images with the identifiers of a worklist item; their UIDs."""
    paths = [modality.folder / f"{number}.dcm" for number in (1, 2)]
    uids = []
    for number, path in enumerate(paths, 1):
        image = ct_image(path, study=str(item.StudyInstanceUID), series=series_uid, number=number)
        for keyword in ("PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber"):
            setattr(image, keyword, item[keyword].value)
        image.SpecificCharacterSet = "ISO_IR 192"
        image.save_as(path, enforce_file_format=True)
        uids.append(str(image.SOPInstanceUID))
    modality.run("storescu", "-xe", *map(str, paths))
    return uids


@pytest.mark.spec("IHE RAD TF-1 3.3")
def test_a_modalitys_day(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> None:
    """Order, worklist, begin, images, end, commitment, and the images again: each is seen on the FHIR side and by the
    modality.
    """
    clinic = Clinic(open_store(pool, tmp_path / "other"))
    authority = Authority.made(tmp_path, "clinic")
    ours, device = authority.issue(tmp_path, "healix", address="127.0.0.1"), authority.issue(tmp_path, "ct")
    settings = replace(
        Settings(), data_dir=tmp_path / "data", dimse_tls_certificate=str(ours), dimse_tls_ca=str(authority.file)
    )
    with serving_ports(settings, pool, LIMITS) as ports:
        modality = Modality(ports, tmp_path)
        modality.run("echoscu")
        modality.run("echoscu", "+tls", str(device), str(device), "+cf", str(authority.file), port=ports.tls)
        assert modality.worklist() == []

        clinic.put(patient(), SCANNER, order(), TASK, APPOINTMENT)  # RAD-2
        (item,) = modality.worklist()  # RAD-5
        item.decode()
        (step,) = item.ScheduledProcedureStepSequence
        assert (str(item.PatientName), item.PatientID) == ("Müller^Änne^Maria^Dr.", "mrn-1")
        assert (step.ScheduledProcedureStepStartTime, step.ScheduledProcedureStepStatus) == ("083000", "SCHEDULED")

        said = {"StudyInstanceUID": str(item.StudyInstanceUID), "AccessionNumber": str(item.AccessionNumber),
                "ScheduledProcedureStepID": str(step.ScheduledProcedureStepID)}  # fmt: skip
        assert modality.tell("create", Dataset.from_json(begun(said))) == 0  # RAD-6
        assert modality.worklist()[0].ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "STARTED"
        clinic.settle()
        assert statuses(clinic) == ["active", "in-progress", "arrived"]
        assert clinic.get("Procedure", procedure_id(STEP_UID))["status"] == "in-progress"

        series_uid = generate_uid()
        uids = store(modality, item, series_uid)  # RAD-8
        clinic.settle()
        study = clinic.get("ImagingStudy", imaging_study_id(item.StudyInstanceUID))
        assert (study["subject"], study["numberOfInstances"]) == ({"reference": "Patient/p"}, 2)
        assert [one["reference"] for one in study["basedOn"]] == ["ServiceRequest/o1"]
        assert study["procedureReference"] == {"reference": f"Procedure/{procedure_id(STEP_UID)}"}

        references = [
            members(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=uid) for uid in uids
        ]
        done = ended(PerformedSeriesSequence=[series(SeriesInstanceUID=series_uid, ReferencedImageSequence=references)])
        assert modality.tell("set", Dataset.from_json(done)) == 0  # RAD-7
        assert modality.worklist() == []
        clinic.settle()
        assert statuses(clinic) == ["completed", "completed", "fulfilled"]
        assert clinic.get("Procedure", procedure_id(STEP_UID))["status"] == "completed"
        assert modality.tell("set", Dataset.from_json(done)) == 0x0110

        keys = ("QueryRetrieveLevel=STUDY", f"AccessionNumber={item.AccessionNumber}", "StudyInstanceUID", "PatientID")
        (found,) = modality.find("-S", *keys)  # RAD-14
        assert (found.StudyInstanceUID, found.PatientID) == (item.StudyInstanceUID, "mrn-1")

        listening = free_port()
        transaction(pool, lambda: peers.add("MODALITY", "127.0.0.1", listening))
        with reports(listening) as told:
            assert asking(ports.plain, information(*((CT, uid) for uid in uids)), aet="MODALITY") == 0  # RAD-10
            archive = LocalArchive(settings.data_dir / "images")
            with pool.connection() as connection:
                assert worker({Kind.COMMITMENT: reporter(archive, Event())})(connection) == 1
        assert [(one.event, one.committed) for one in told] == [(1, uids)]

        moving = free_port()
        transaction(pool, lambda: peers.add("CONSOLE", "127.0.0.1", moving))
        assert modality.retrieve("movescu", item, "-aem", "CONSOLE", "+P", str(moving)) == sorted(uids)  # RAD-16
        assert modality.retrieve("getscu", item) == sorted(uids)
        assert "No Acceptable Presentation Contexts" in modality.run("termscu", status=1)
        modality.run("echoscu")
