"""A server with a hidden patient, and the callers that may not see that patient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import httpx
import psycopg
from psycopg import Connection
from pydicom import dcmread
from pydicom.uid import UID

from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Row, open_pool, run
from healix_fhir.model.json import encode
from healix_fhir.server.composition import consumers
from healix_fhir.store import settling
from smart_auth import flood
from smart_auth.oauth.passwords import hash_password
from smart_auth.store import create_user
from tests.support.attacks.defined import PARAMETERS, indexed
from tests.support.attacks.hidden import SYSTEM, hidden, measurement
from tests.support.attacks.names import CANARY, OWN_IMAGES, OWN_STUDY, names
from tests.support.attacks.own import PLAIN, TYPES, own
from tests.support.consents import actors, consent, deny
from tests.support.ct import ct_image
from tests.support.live_server import LiveServer, live_server
from tests.support.plain import NO_TLS
from tests.support.query_recorder import query_recorder
from tests.support.research import seeded as copies
from tests.support.stow import HEADERS, body, file_of
from tests.support.workitems import members, workitem

FHIR = {"Content-Type": "application/fhir+json"}
EVERYTHING = "registry"
"""Who sees everything."""
RESEARCH = "research app"
"""Who sees a de-identified copy of the hidden patient's study, and no original; for attacks on images."""
CALLERS = ("patient app", "clinician", "app of a clinician", "administrator", "denied clinician", "narrow service")
"""Who may not see the hidden patient: by relationship, but for the last two. The denied clinician cares for that
patient, whose Consent denies everything to the house of which that clinician's organization is a part; the narrow
service may see of all patients what is tagged as open.
"""


BESIDE = {"CarePlan", "DetectedIssue", "Goal", "Location", "Organization", "Practitioner", "PractitionerRole"}
TAGGED = sorted({*TYPES.values(), *BESIDE})
OPEN_ONLY = f"system/{{}}.cruds?_tag={SYSTEM}|open"
_RECORD = """
WITH whose AS MATERIALIZED (SELECT pat FROM patient_key WHERE id = ANY(%s)),
   held AS (SELECT r.version, r.deleted FROM resource r WHERE r.pat IN (SELECT pat FROM whose)
            UNION ALL SELECT r.version, r.deleted FROM compartment c JOIN resource r USING (pk)
            WHERE c.pat IN (SELECT pat FROM whose))
SELECT count(*), sum(version), count(*) FILTER (WHERE deleted), (
  SELECT count(*) FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
  WHERE s.pat IN (SELECT pat FROM whose)),
       (SELECT array_agg(md5(dataset) ORDER BY w.pk) FROM workitem w WHERE w.pat IN (SELECT pat FROM whose))
FROM held"""


@dataclass
class Scene:
    """The server, its callers and what its statements are."""

    server: LiveServer
    url: str
    callers: Mapping[str, httpx.Client]
    everything: httpx.Client
    statements: list[str]
    look: Connection[Row]
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

    def define(self) -> None:
        """Make all resources there are searchable by `PARAMETERS`."""
        self.put(*PARAMETERS)
        with patch.object(settling, "WHILE", 0.0), open_pool(self.url, size=1) as pool:
            indexed(pool, (self.server.settings.fhir_base,))

    def record(self, *patients: str) -> list[Row]:
        """What would not be the same after any change of patients' records."""
        return self.look.execute(_RECORD, (list(patients),)).fetchall()


@contextmanager
def scene(database_url: str, directory: Path, tokens: Mapping[str, str], standby: str = "") -> Iterator[Scene]:
    """Serve a database that `seeded` has filled, and its hot standby where there is one."""
    with (
        patch.object(flood, "PER_ADDRESS", 1 << 30),
        patch.object(flood, "IN_ALL", 1 << 30),
        live_server(database_url, directory, database_replica_url=standby) as server,
        query_recorder(apart="parameters") as statements,
        psycopg.connect(database_url, autocommit=True) as look,
        ExitStack() as stack,
    ):
        callers = {name: stack.enter_context(_client(server, token)) for name, token in tokens.items()}
        everything = callers.pop(EVERYTHING)
        everything.get("/fhir/Patient?_count=0")  # what a process looks up once belongs to no attack
        yield Scene(server, database_url, callers, everything, statements, look)


ASKED = ("administrative-gender", "condition-clinical", "condition-ver-status")
"""Value sets that attacks ask for."""


def seeded(database_url: str, directory: Path) -> dict[str, str]:
    """Fill a database with the hidden patient's data and the caller's own: the tokens of all callers."""
    with live_server(database_url, directory) as server:
        everything = {EVERYTHING: server.token("system/*.cruds", client="registry")}
    with scene(database_url, directory, everything) as made:
        present, absent = names("hidq", "first"), names("misq", "first")
        made.put(*PLAIN, *hidden(present))
        made.put(consent("denying", deny(actor=actors("Organization/house")), patient=present["patient"]))
        made.put(*own(present), *own(absent))
        made.define()
        _images(made, present, directory)
        _workitem(made, present)
        made.work()
        for name in ASKED:  # whoever asks first puts their code systems into tables, with more statements
            made.everything.get("/fhir/ValueSet/$expand", params={"url": f"http://hl7.org/fhir/ValueSet/{name}"})
        copies(database_url, directory, "trial", [present["study"]])
        return everything | _tokens(made)


def _client(server: LiveServer, token: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30, verify=NO_TLS)


def _images(made: Scene, name: Mapping[str, str], directory: Path) -> None:
    """Two studies of the hidden patient, with canaries in attributes and pixels; one of them was deleted."""
    study, series = name["study"], name["series"]
    for uids in (
        (study, series, name["instance"]),
        (study, series, f"{series}.8"),
        (study, f"{study}.8", f"{study}.8.1"),
    ):
        _image(made, name, directory, *uids)
    path = directory / "own.dcm"
    image = ct_image(path, study=OWN_STUDY, series=f"{OWN_STUDY}.1")
    image.PatientID = OWN_IMAGES
    answer = made.everything.post("/dicomweb/studies", content=body([file_of(image)]), headers=HEADERS)
    assert answer.is_success, answer.text
    gone = name["gone"]
    _image(made, name, directory, gone, f"{gone}.1", f"{gone}.1.1")
    made.work()  # it is known whose it is when it is deleted
    assert made.everything.delete(f"/dicomweb/studies/{gone}").status_code == 204


def _image(made: Scene, name: Mapping[str, str], directory: Path, study: str, series: str, instance: str) -> None:
    path = directory / "hidden.dcm"
    ct_image(path, study=study, series=series)
    image = dcmread(path)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(instance)
    image.PatientID, image.PatientName = name["mrn"], f"{name['family']}^{CANARY}"
    image.AccessionNumber, image.StudyDescription = name["accession"], f"{name['description']} {CANARY}"
    image.SeriesDescription = image.PatientComments = image.InstitutionName = CANARY
    image.StudyDate = name["date"].replace("-", "")
    pixels = (CANARY.encode() * (len(image.PixelData) // len(CANARY) + 1))[: len(image.PixelData)]
    image.PixelData = pixels
    answer = made.everything.post("/dicomweb/studies", content=body([file_of(image)]), headers=HEADERS)
    assert answer.is_success, answer.text


def _workitem(made: Scene, name: Mapping[str, str]) -> None:
    """A workitem of the hidden patient, with canaries in what it says."""
    item = workitem(
        PatientID=name["mrn"],
        PatientName=f"{name['family']}^{CANARY}",
        ProcedureStepLabel=f"{name['description']} {CANARY}",
        CommentsOnTheScheduledProcedureStep=CANARY,
        StudyInstanceUID=name["study"],
        ReferencedRequestSequence=[members(AccessionNumber=name["accession"], StudyInstanceUID=name["study"])],
    )
    answer = made.everything.post(f"/dicomweb/workitems?{name['workitem']}", json=[item])
    assert answer.is_success, answer.text


def _tokens(made: Scene) -> dict[str, str]:
    with psycopg.connect(made.url, autocommit=True) as connection:
        password = hash_password("correct horse battery")
        run(
            connection,
            create_user("doctor", role="practitioner", fhir_user="Practitioner/doctor", password_hash=password),
        )
        run(
            connection,
            create_user("denied", role="practitioner", fhir_user="Practitioner/denied", password_hash=password),
        )
        run(
            connection, create_user("admin", role="practitioner", fhir_user="Practitioner/none", password_hash=password)
        )
    server = made.server
    found = {
        "patient app": server.token("patient/*.cruds", client="portal", patient="own"),
        "clinician": server.token("user/*.cruds", client="ehr", username="doctor"),
        "app of a clinician": server.token("patient/*.cruds", client="chart", username="doctor", patient="own"),
        "denied clinician": server.token("user/*.cruds", client="ehr", username="denied"),
        "narrow service": server.token(" ".join(map(OPEN_ONLY.format, TAGGED)), client="service"),
        RESEARCH: server.token("system/ImagingStudy.rs", client="analysis", project="trial"),
        "administrator": server.token("user/*.cruds", client="console", username="admin"),
    }
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute("UPDATE account SET role = 'admin' WHERE username = 'admin'")
    return found
