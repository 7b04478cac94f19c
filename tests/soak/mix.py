"""What a hospital's clients do all day, in the shares of the table: FHIR, DICOMweb and DIMSE mixed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from tests.faults.clients import PIECE, SYSTEM, observation
from tests.support.dicom import bare, ct, uid
from tests.support.dimse import ECHO, RELEASE, Peer, p_data, pdu, pdv, store
from tests.support.stow import HEADERS, body

KEPT = 200
"""Resources and studies that a client goes on using; older ones stay on the server, untouched."""
WADO = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


@dataclass
class Client:
    """One client, and what it has stored; `numbers` are its own study numbers."""

    http: httpx.Client
    dimse_port: int
    name: str
    numbers: range
    chance: random.Random
    resources: list[tuple[str, int]] = field(default_factory=list)
    studies: list[int] = field(default_factory=list)
    made: int = 0

    def next_study(self) -> int:
        """The number of a new study."""
        self.made += 1
        number = self.numbers[self.made % len(self.numbers)]
        self.studies = [*self.studies[-KEPT:], number]
        return number


Work: TypeAlias = Callable[[Client], str | None]
"""Does one thing; what is wrong with the answer, or None."""


def _status(answer: httpx.Response, *good: int) -> str | None:
    return None if answer.status_code in good else f"{answer.status_code} {answer.text[:300]}"


def create(client: Client) -> str | None:
    """A reading comes."""
    key = f"{client.name}-{len(client.resources)}"
    answer = client.http.post("/fhir/Observation", json=observation(key, "new", client.name))
    if answer.status_code == 201:
        client.resources = [*client.resources[-KEPT:], (str(answer.json()["id"]), 1)]
    return _status(answer, 201)


def update(client: Client) -> str | None:
    """A reading is corrected by who has seen its last version."""
    if not client.resources:
        return create(client)
    id_, version = client.resources.pop(client.chance.randrange(len(client.resources)))
    resource = observation(client.name, f"version {version + 1}", client.name, id=id_)
    answer = client.http.put(f"/fhir/Observation/{id_}", json=resource, headers={"If-Match": f'W/"{version}"'})
    client.resources.append((id_, version + 1))
    return _status(answer, 200)


def read(client: Client) -> str | None:
    """A reading is looked at."""
    if not client.resources:
        return create(client)
    id_, version = client.chance.choice(client.resources)
    answer = client.http.get(f"/fhir/Observation/{id_}")
    if answer.status_code == 200 and int(answer.json()["meta"]["versionId"]) != version:
        return f"{id_} has version {answer.json()['meta']['versionId']} and not {version}"
    return _status(answer, 200)


def search(client: Client) -> str | None:
    """A page of a patient's readings, the last first."""
    path = f"/fhir/Observation?subject=Patient/{client.name}&_sort=-_lastUpdated&_count=20&_include=Observation:subject"
    return _status(client.http.get(path), 200)


def transaction(client: Client) -> str | None:
    """Ten readings at once."""
    entry = [
        {"resource": observation(SYSTEM, str(n), client.name), "request": {"method": "POST", "url": "Observation"}}
        for n in range(10)
    ]
    answer = client.http.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entry})
    return _status(answer, 200)


def stow(client: Client) -> str | None:
    """A study of two instances by STOW-RS."""
    number = client.next_study()
    files = [ct(number, 1, n, size=64) for n in (1, 2)]
    return _status(client.http.post("/dicomweb/studies", content=body(files), headers=HEADERS), 200)


def qido(client: Client) -> str | None:
    """Whether a study is there."""
    if not client.studies:
        return stow(client)
    study = uid(client.chance.choice(client.studies))
    answer = client.http.get("/dicomweb/instances", params={"StudyInstanceUID": study})
    return _status(answer, 200)


def wado(client: Client) -> str | None:
    """A study as it was stored."""
    if not client.studies:
        return stow(client)
    study = uid(client.chance.choice(client.studies))
    return _status(client.http.get(f"/dicomweb/studies/{study}", headers=WADO), 200)


def c_store(client: Client) -> str | None:
    """A study of three instances by C-STORE over one association."""
    number = client.next_study()
    with Peer(client.dimse_port) as peer:
        peer.associate()
        for n in (1, 2, 3):
            content = bare(ct(number, 2, n, size=64))
            peer.send(p_data(3, 3, store(uid(number, 2, n))))
            for start in range(0, len(content), PIECE):
                last = start + PIECE >= len(content)
                peer.send(pdu(4, pdv(3, 2 if last else 0, content[start : start + PIECE])))
            if status := peer.status():
                return f"status {status:04X}"
        peer.send(RELEASE)
        peer.read()
    return None


def c_find(client: Client) -> str | None:
    """A query for a study."""
    if not client.studies:
        return c_store(client)
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.StudyInstanceUID = uid(client.chance.choice(client.studies))
    entity = AE("SOAK")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = entity.associate("127.0.0.1", client.dimse_port, ae_title="HEALIX")
    if not association.is_established:
        return "no association"
    answers = association.send_c_find(keys, StudyRootQueryRetrieveInformationModelFind)
    found = sum(answer is not None for _, answer in answers)
    association.release()
    return None if found == 1 else f"{found} studies"


def c_echo(client: Client) -> str | None:
    """Whether it is there."""
    with Peer(client.dimse_port) as peer:
        peer.associate()
        peer.send(p_data(1, 3, ECHO))
        status = peer.status()
        peer.send(RELEASE)
        peer.read()
    return f"status {status:04X}" if status else None


SHARES: dict[Work, int] = {
    read: 30, search: 15, create: 12, update: 8, transaction: 3, qido: 8, wado: 8, stow: 5, c_store: 5, c_find: 4,
    c_echo: 2,
}  # fmt: skip
"""How often of a hundred times a client does each."""
