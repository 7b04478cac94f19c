"""A clinic that reads images: who orders, two who read, and the job worker's part done on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from dicomweb.procedure.performed.change import change as set_step
from dicomweb.procedure.performed.create import create
from dicomweb.procedure.scheduled.search import query, search
from healix_fhir.imaging.imaging_study import imaging_study_id
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Work, transaction
from healix_fhir.server.composition import consumers
from healix_fhir.server.tasks import tasks
from tests.support.clinic import MODALITY
from tests.support.dicom import data_set, part10
from tests.support.gate import Pool
from tests.support.live_server import LiveServer, live_server
from tests.support.portal import account
from tests.support.procedure import begun, ended, order, patient, request
from tests.support.stow import HEADERS, body

Json = dict[str, Any]
SYSTEM = "system/*.cruds"
READER = "user/*.cruds"
STEP = "1.2.826.0.1.3680043.10.1714.92.1"


@dataclass(frozen=True)
class ReadingRoom:
    """A running server. `ann` and `ben` read, `ref` orders; all three care for Patient/p, nobody for Patient/q."""

    server: LiveServer
    pool: Pool

    def system(self, scope: str = SYSTEM) -> httpx.Client:
        """A back end."""
        return self.server.client(scope)

    def as_(self, name: str, scope: str = READER) -> httpx.Client:
        """An app of a practitioner."""
        return self.server.client(scope, username=name)

    def settle(self) -> None:
        """Do what the job worker does with the outbox, and file what was signed."""
        handle = consumers(self.server.settings)
        for _ in range(30):
            with self.pool.connection() as connection:
                connection.execute("UPDATE outbox SET due = now() - interval '1 s' WHERE attempts = 0")
                connection.commit()
                if not drain(connection, handle) and not self.jobs():
                    failed = connection.execute("SELECT payload FROM outbox WHERE attempts > 0").fetchall()
                    assert failed == []
                    return
        pytest.fail("the outbox never becomes empty")

    def jobs(self) -> int:
        """Run the waiting jobs that file reports; how many."""
        with self.pool.connection() as connection:
            rows = connection.execute(
                "DELETE FROM procrastinate_jobs WHERE task_name = 'reports.file' RETURNING id, args"
            ).fetchall()
        for _, arguments in sorted(rows):
            tasks(self.server.settings)["reports.file"](**arguments)
        return len(rows)

    def run(self, work: Work[Any]) -> Any:
        """Run one use case in a transaction."""
        return transaction(self.pool, lambda: work)

    def put(self, *resources: Json) -> None:
        """Store resources as a system, and let the worker work."""
        with self.system() as system:
            for one in resources:
                answer = system.put(f"/fhir/{one['resourceType']}/{one['id']}", json=one)
                assert answer.is_success, answer.text
        self.settle()

    def get(self, reference: str) -> Json:
        """A resource as a system reads it."""
        with self.system() as system:
            answer = system.get(f"/fhir/{reference}")
            assert answer.is_success, answer.text
            found: Json = msgspec.json.decode(answer.content)
            return found

    def found(self, query_: str, client: httpx.Client | None = None) -> list[Json]:
        """What a search finds for a client, or a system."""
        with client or self.system() as asking:
            answer = asking.get(f"/fhir/{query_}")
            assert answer.is_success, answer.text
            return [one["resource"] for one in answer.json().get("entry", []) if one["search"]["mode"] == "match"]

    def item(self) -> dict[str, str]:
        """What the modality worklist says of its one step."""
        keys = request({"ScheduledProcedureStepID": None}, StudyInstanceUID=None, AccessionNumber=None)
        (step,) = self.run(search(MODALITY, query(keys, "CT1"))).answers
        return {
            "StudyInstanceUID": step["0020000D"]["Value"][0],
            "AccessionNumber": step["00080050"]["Value"][0],
            "ScheduledProcedureStepID": step["00400100"]["Value"][0]["00400009"]["Value"][0],
        }

    def images(self, study: str, number: int = 1, **elements: Any) -> None:
        """Send images by STOW-RS."""
        given = {
            "StudyInstanceUID": study, "SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Änne",
            "PatientID": "mrn-1", "BodyPartExamined": "HEAD",
        } | elements  # fmt: skip
        files = [part10(data_set(number, 1, one, **given)) for one in (1, 2)]
        with self.system() as system:
            answer = system.post("/dicomweb/studies", content=body(files), headers=HEADERS)
            assert answer.status_code == 200, answer.text
        self.settle()

    def case(
        self, id_: str = "o1", number: int = 1, step: str = "1.2.826.0.1.3680043.10.1714.92.1", **more: Any
    ) -> Json:
        """Order, step and images of a CT; the Task of reading."""
        self.put(order(id_, **({"requester": {"reference": "Practitioner/ref"}} | more)))
        item = self.item()
        self.run(create(MODALITY, step, begun(item)))
        self.settle()
        self.images(item["StudyInstanceUID"], number, AccessionNumber=item["AccessionNumber"])
        assert self.found(f"Task?based-on=ServiceRequest/{id_}") == []
        self.run(set_step(MODALITY, step, ended()))
        self.settle()
        (task,) = self.found(f"Task?based-on=ServiceRequest/{id_}")
        assert task["focus"] == {"reference": f"ImagingStudy/{imaging_study_id(item['StudyInstanceUID'])}"}
        return task


def draft(task: Json, **more: Any) -> Json:
    """A draft of the report of a case."""
    return {
        "resourceType": "DiagnosticReport",
        "status": "preliminary",
        "category": [{"coding": [{"system": "http://loinc.org", "code": "LP29684-5"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "18748-4"}]},
        "subject": task["for"],
        "basedOn": task["basedOn"],
        "imagingStudy": [task["focus"]],
        "contained": [
            {
                "resourceType": "Observation", "id": "findings", "status": "preliminary",
                "code": {"coding": [{"system": "http://loinc.org", "code": "59776-5"}]},
                "valueString": "No haemorrhage.\nVentricles of normal width.",
            }
        ],
        "result": [{"reference": "#findings"}],
        "conclusion": "Normal CT of the head.",
    } | more  # fmt: skip


@contextmanager
def reading_room(database_url: str, pool: Pool, data_dir: Path) -> Iterator[ReadingRoom]:
    """The clinic, until the block ends."""
    with live_server(database_url, data_dir) as running:
        found = ReadingRoom(running, pool)
        for name in ("ann", "ben", "ref", "out"):
            account(pool, name, "practitioner", f"Practitioner/{name}")
        account(pool, "pat", "patient", "Patient/p")
        doctors = [
            {"resourceType": "Practitioner", "id": one, "name": [{"family": one.title(), "given": ["Dr"]}]}
            for one in ("ann", "ben", "ref", "out")
        ]
        cared = [{"reference": f"Practitioner/{one}"} for one in ("ann", "ben", "ref")]
        other = patient("q", identifier=[{"system": "urn:oid:1.2.3", "value": "mrn-2"}])
        found.put(*doctors, patient(generalPractitioner=cared), other)
        yield found
