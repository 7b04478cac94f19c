"""A server with a hidden patient, and the callers that may not see that patient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import httpx
import psycopg
from pydicom import dcmread
from pydicom.uid import UID

from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import run
from healix_fhir.model.json import encode
from healix_fhir.server.composition import consumers
from smart_auth import denials
from smart_auth.oauth.passwords import hash_password
from smart_auth.store import create_user
from tests.support.attacks.hidden import hidden, measurement
from tests.support.attacks.names import CANARY, names
from tests.support.attacks.own import PLAIN, own
from tests.support.ct import ct_image
from tests.support.live_server import LiveServer, live_server
from tests.support.query_recorder import query_recorder
from tests.support.stow import HEADERS, body, file_of

FHIR = {"Content-Type": "application/fhir+json"}
CALLERS = ("patient app", "clinician", "app of a clinician", "administrator")


@dataclass
class Scene:
    """The server, its callers and what its statements are."""

    server: LiveServer
    url: str
    callers: Mapping[str, httpx.Client]
    everything: httpx.Client
    statements: list[str]
    runs: Iterator[int] = field(default_factory=itertools.count)

    def targets(self, *, changes: bool) -> tuple[dict[str, str], dict[str, str]]:
        """What is asked about: the missing names first, then the hidden ones; with `changes` a fresh measurement."""
        run_ = f"{next(self.runs):06}"
        if changes:
            self.put(measurement(f"hidq-{run_}", "hidqpatient"))
        return names("misq", run_), names("hidq", run_)

    def put(self, *resources: dict[str, object]) -> None:
        """Store resources under their ids."""
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in resources
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = self.everything.post("/fhir", content=encode(bundle), headers=FHIR)
        assert answer.is_success, answer.text

    def work(self) -> None:
        """Do what the job worker does with the changes so far."""
        with psycopg.connect(self.url) as connection:
            while drain(connection, consumers(self.server.settings)):
                pass

    def unharmed(self, id_: str) -> bool:
        """Whether an Observation is as it was first stored."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute("SELECT version, deleted FROM resource WHERE id = %s", (id_,)).fetchall()
        return rows == [(1, False)]


@contextmanager
def scene(database_url: str, directory: Path) -> Iterator[Scene]:
    """Serve a database with the hidden patient's data and the caller's own in it."""
    with (
        patch.object(denials, "PER_ADDRESS", 1 << 30),
        patch.object(denials, "IN_ALL", 1 << 30),
        live_server(database_url, directory) as server,
        server.client("system/*.cruds", client="registry") as everything,
        query_recorder(apart="parameters") as statements,
    ):
        made = Scene(server, database_url, {}, everything, statements)
        present, absent = names("hidq", "first"), names("misq", "first")
        made.put(*PLAIN, *hidden(present))
        made.put(*own(present), *own(absent))
        _images(made, present, directory)
        made.work()
        made.callers = _callers(made)
        yield made
        for caller in made.callers.values():
            caller.close()


def _images(made: Scene, name: Mapping[str, str], directory: Path) -> None:
    """A study of the hidden patient, with canaries in its attributes and its pixels."""
    path = directory / "hidden.dcm"
    ct_image(path, study=name["study"], series=name["series"])
    image = dcmread(path)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(name["instance"])
    image.PatientID, image.PatientName = name["mrn"], f"{name['family']}^{CANARY}"
    image.AccessionNumber, image.StudyDescription = name["accession"], f"{name['description']} {CANARY}"
    image.SeriesDescription = image.PatientComments = image.InstitutionName = CANARY
    image.StudyDate = name["date"].replace("-", "")
    pixels = (CANARY.encode() * (len(image.PixelData) // len(CANARY) + 1))[: len(image.PixelData)]
    image.PixelData = pixels
    answer = made.everything.post("/dicomweb/studies", content=body([file_of(image)]), headers=HEADERS)
    assert answer.is_success, answer.text


def _callers(made: Scene) -> dict[str, httpx.Client]:
    with psycopg.connect(made.url, autocommit=True) as connection:
        password = hash_password("correct horse battery")
        run(
            connection,
            create_user("doctor", role="practitioner", fhir_user="Practitioner/doctor", password_hash=password),
        )
        run(
            connection, create_user("admin", role="practitioner", fhir_user="Practitioner/none", password_hash=password)
        )
    server = made.server
    made_ = {
        "patient app": server.client("patient/*.cruds", client="portal", patient="own"),
        "clinician": server.client("user/*.cruds", client="ehr", username="doctor"),
        "app of a clinician": server.client("patient/*.cruds", client="chart", username="doctor", patient="own"),
        "administrator": server.client("user/*.cruds", client="console", username="admin"),
    }
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute("UPDATE account SET role = 'admin' WHERE username = 'admin'")
    return made_
