"""What a label or a Consent hides of ImagingStudies, it hides of their images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydicom.dataset import Dataset

from healix_fhir.imaging import bridge
from healix_fhir.kernel.consume import drain
from tests.integration.dicomweb_api.test_access import READ, SEARCH, address
from tests.support.consents import actors, consent, deny, instances, level, permit
from tests.support.ct import ct_image
from tests.support.live_server import LiveServer, live_server
from tests.support.stow import HEADERS, body, file_of

Json = dict[str, Any]
RENDERED = "/studies/{0}/series/{1}/instances/{2}"
SHOWN = [
    *READ,
    "/studies/{0}/rendered",
    "/studies/{0}/thumbnail",
    "/studies/{0}/series/{1}/rendered",
    "/studies/{0}/series/{1}/thumbnail",
    f"{RENDERED}/rendered",
    f"{RENDERED}/thumbnail",
    f"{RENDERED}/frames/1/rendered",
    f"{RENDERED}/frames/1/thumbnail",
    "/wado?requestType=WADO&studyUID={0}&seriesUID={1}&objectUID={2}",
]
FOUND = [*SEARCH, "/studies?StudyInstanceUID={0}", "/instances?SOPInstanceUID={2}&includefield=all"]
ACCOUNTS = """INSERT INTO account (username, role, fhir_user, password_hash, clearance) VALUES
  ('doc', 'practitioner', 'Practitioner/d', '', '{}'), ('er', 'practitioner', 'Practitioner/f', '', '{}'),
  ('trusted', 'practitioner', 'Practitioner/d', '',
   '{http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R}')"""
CARE = """INSERT INTO care_relationship (practitioner, pat, source)
  SELECT 'd', pat, 'test' FROM patient_key WHERE id = %s"""


class Scene:
    """A server with two studies of one patient, of whom Practitioner/d cares."""

    def __init__(self, server: LiveServer, hidden: Dataset, plain: Dataset) -> None:
        self.server, self.hidden, self.plain = server, hidden, plain
        with server.client("system/*.cruds") as client:
            self.store(client, hidden, plain)
            self.study: Json = self.resource(client, hidden)
        self.patient = str(self.study["subject"]["reference"]).removeprefix("Patient/")
        self.sql(ACCOUNTS)
        self.sql(CARE, self.patient)

    def sql(self, statement: str, *params: object) -> None:
        """Run a statement."""
        with psycopg.connect(self.server.settings.database_url, autocommit=True) as connection:
            connection.execute(statement, params or None)

    def store(self, client: httpx.Client, *objects: Dataset) -> httpx.Response:
        """Store objects, and let their ImagingStudies be made."""
        answer = client.post("/dicomweb/studies", content=body([file_of(one) for one in objects]), headers=HEADERS)
        consumers = {"study": (bridge.studies((self.server.settings.fhir_base,)),), "resource": (bridge.patients,)}
        with psycopg.connect(self.server.settings.database_url, autocommit=True) as connection:
            connection.execute("UPDATE outbox SET due = now()")
            while drain(connection, consumers):
                pass
        return answer

    def resource(self, client: httpx.Client, one: Dataset) -> Json:
        """The ImagingStudy of an object."""
        found = client.get("/fhir/ImagingStudy", params={"identifier": f"urn:oid:{one.StudyInstanceUID}"})
        (entry,) = found.json()["entry"]
        return dict(entry["resource"])

    def put(self, resource: Json) -> None:
        """Store a resource."""
        with self.server.client("system/*.cruds") as client:
            answer = client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.is_success, answer.text

    def label(self, *codes: str) -> None:
        """Label the ImagingStudy of the study that is to be hidden."""
        self.put(self.study | {"meta": {"security": [level(code) for code in codes]}})

    def clinician(self, username: str) -> httpx.Client:
        """A clinician's app."""
        return self.server.client("user/*.cruds", username=username)

    def sees(self, **owner: str) -> bool:
        """Whether a new token sees the study; every address must agree, and answer as of a missing one where not."""
        one = self.hidden
        with self.server.client("user/*.rs" if "username" in owner else "patient/*.rs", **owner) as client:
            shown = {"FHIR": client.get(f"/fhir/ImagingStudy/{self.study['id']}").is_success}
            for path in SHOWN:
                answer = client.get(address(path, one))
                absent = client.get("/dicomweb" + path.format("1.2.3", "1.2.4", "1.2.5"))
                assert absent.status_code == 404
                assert answer.is_success or (answer.status_code, answer.content) == (404, absent.content), path
                shown[path] = answer.is_success
            for path in FOUND:
                found = {match["0020000D"]["Value"][0] for match in client.get(address(path, one)).json()}
                shown[path] = one.StudyInstanceUID in found
        sees = shown["FHIR"]
        assert shown == dict.fromkeys(shown, sees)
        return sees

    def finds(self, username: str) -> int:
        """How many studies a clinician finds."""
        with self.clinician(username) as client:
            return len(client.get("/dicomweb/studies").json())


@pytest.fixture
def images(tmp_path: Path) -> list[Dataset]:
    """An image of each of two studies of one patient."""
    uids = ("1.2.840.99.1", "1.2.840.99.2")
    return [ct_image(tmp_path / f"{uid}.dcm", study=uid, series=f"{uid}.1") for uid in uids]


@pytest.fixture
def scene(server: LiveServer, images: list[Dataset]) -> Scene:
    """A server whose emergency access lifts what hides."""
    return Scene(server, *images)


D = actors("Practitioner/d")
RULES: dict[str, Callable[[Scene], Json]] = {
    "a label": lambda scene: deny(securityLabel=[level("N")], actor=D),
    "a single resource": lambda scene: deny(data=instances(f"ImagingStudy/{scene.study['id']}"), actor=D),
    "all but a label": lambda scene: deny(permit(securityLabel=[level("L")]), actor=D),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.spec("FHIR R4 consent.html#6.2.0")
def test_a_consent_hides_images(scene: Scene, rule: str) -> None:
    """A study whose ImagingStudy a Consent denies is like a missing one to the clinician, and there for the patient."""
    scene.label("N")
    with scene.server.client("system/*.cruds") as client:
        scene.put(scene.resource(client, scene.plain) | {"meta": {"security": [level("L")]}})
    denied = RULES[rule](scene)
    assert scene.sees(username="doc")
    scene.put(consent("c", denied, patient=scene.patient))
    assert not scene.sees(username="doc")
    assert scene.finds("doc") == 1
    assert scene.sees(patient=scene.patient)
    scene.put(consent("c", denied, patient=scene.patient, status="inactive"))
    assert scene.sees(username="doc")


@pytest.mark.spec("FHIR R4 security-labels.html#6.1.1")
def test_a_label_hides_images(scene: Scene) -> None:
    """A restricted study is shown to clinicians who are cleared, and to the patient; to others it is not there."""
    assert scene.sees(username="doc")
    scene.label("R")
    assert not scene.sees(username="doc")
    assert scene.finds("doc") == 1
    assert scene.sees(username="trusted")
    assert scene.sees(patient=scene.patient)
    scene.label("N")
    assert scene.sees(username="doc")


def test_nothing_is_added_to_a_hidden_study(scene: Scene, tmp_path: Path) -> None:
    """Who does not see a study stores nothing into it and hears nothing of it; by what others store it stays hidden."""
    scene.label("R")
    uid = str(scene.hidden.StudyInstanceUID)
    further = ct_image(tmp_path / "further.dcm", study=uid, series=f"{uid}.1", number=2)
    with scene.clinician("doc") as doctor:
        for one in (further, scene.hidden):
            refused = scene.store(doctor, one)
            assert refused.status_code == 409
            assert refused.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0x0124]
        with scene.clinician("trusted") as trusted:
            assert scene.store(trusted, further).status_code == 200
            assert scene.resource(trusted, further)["numberOfInstances"] == 2
    assert not scene.sees(username="doc")


@pytest.mark.parametrize("lifts", [True, False])
def test_break_glass_shows_images_where_the_operator_lets_it(
    database_url: str, tmp_path: Path, images: list[Dataset], lifts: bool
) -> None:
    """An emergency access lifts what hides images by default; with the setting off it opens the others only."""
    with live_server(database_url, tmp_path / "data", break_glass_lifts=lifts) as server:
        scene = Scene(server, *images)
        scene.label("R")
        rule = deny(data=instances(f"ImagingStudy/{scene.study['id']}"))
        scene.put(consent("c", rule, patient=scene.patient))
        assert not scene.sees(username="er")
        assert scene.finds("er") == 0
        with scene.clinician("er") as doctor:
            opened = doctor.post(f"/fhir/Patient/{scene.patient}/$break-glass?reason=unconscious")
            assert opened.status_code == 201
        assert scene.sees(username="er") is lifts
        assert scene.finds("er") == 1 + lifts
