"""A live server whose audit trail the tests read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydicom import dcmread

from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.json import encode
from tests.support.ct import ct_image
from tests.support.live_server import LiveServer, live_server
from tests.support.resources import observation, patient
from tests.support.stow import HEADERS, body, file_of

FHIR = {"Content-Type": "application/fhir+json"}


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that the tests of a module share."""
    with live_server(module_database_url, tmp_path_factory.mktemp("audit")) as running:
        yield running


@dataclass(frozen=True)
class Clinic:
    """Two patients, an Observation of the first, a study of the first; a client that may do all, one of the second."""

    server: LiveServer
    url: str
    all: httpx.Client
    other: httpx.Client
    one: str
    two: str
    seen: str
    study: str
    images: Path

    def trail(self, after: int) -> list[tuple[Any, ...]]:
        """What was recorded since."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(
                """SELECT action, subtype, outcome, patient, client, account, address FROM audit_event
                   WHERE seq > %s ORDER BY seq""",
                (after,),
            ).fetchall()

    def last(self) -> int:
        """The number of the last event."""
        with psycopg.connect(self.url) as connection:
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM audit_event").fetchall()[0][0])

    def bundle(self, kind: str, *entries: dict[str, Any]) -> httpx.Response:
        """Post a bundle."""
        return self.all.post(
            "/fhir", content=encode({"resourceType": "Bundle", "type": kind, "entry": entries}), headers=FHIR
        )

    def put(self, type_name: str, resource: dict[str, Any]) -> httpx.Response:
        """Update a resource."""
        return self.all.put(f"/fhir/{type_name}/{resource['id']}", content=encode(resource), headers=FHIR)


@pytest.fixture
def clinic(server: LiveServer, module_database_url: str, tmp_path: Path) -> Iterator[Clinic]:
    """Names that no other test uses."""
    own = logical_id()[:8]
    one, two, seen = f"one-{own}", f"two-{own}", f"seen-{own}"
    study = f"1.2.826.0.1.{int(own, 36) if own.isalnum() and own.islower() else abs(hash(own))}"
    with (
        server.client("system/*.cruds", client="registry") as everything,
        server.client("patient/*.cruds", client="portal", patient=two) as other,
    ):
        made = Clinic(server, module_database_url, everything, other, one, two, seen, study, tmp_path)
        for id_ in (one, two):
            made.put("Patient", patient(id=id_, identifier=[{"value": f"mrn-{id_}"}])).raise_for_status()
        made.put("Observation", observation(f"Patient/{one}", id=seen)).raise_for_status()
        yield made


def image(clinic: Clinic) -> bytes:
    """An image of the first patient."""
    path = clinic.images / "image.dcm"
    ct_image(path, study=clinic.study, series=f"{clinic.study}.1")
    made = dcmread(path)
    made.PatientID = f"mrn-{clinic.one}"
    return file_of(made)


def stored(clinic: Clinic) -> None:
    """Store the image, of a study that is known to be the first patient's."""
    with psycopg.connect(clinic.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO study_patient SELECT %s, '', pat FROM patient_key WHERE id = %s ON CONFLICT DO NOTHING",
            (f"mrn-{clinic.one}", clinic.one),
        )
    clinic.all.post("/dicomweb/studies", content=body([image(clinic)]), headers=HEADERS).raise_for_status()
