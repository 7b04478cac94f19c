"""Some six hundred mutations of a CT image, over both doors: each is stored whole or refused with a reason.

`make fuzz CASES=100000` makes as many as that for each door.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import httpx
import psutil
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse.limits import Limits
from dicomweb.status import Reason
from healix_fhir.imaging import bridge
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Row
from tests.support.dicom import bare
from tests.support.dimse import Peer, p_data, store
from tests.support.dimse_service import serving_dimse
from tests.support.faults_logged import faults_logged
from tests.support.hostile_dicom import mutations
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body

Pool = ConnectionPool[Connection[Row]]
SEED = 61
CASES = int(os.environ.get("HEALIX_FUZZ_CASES", "0"))
BATCH = 60
MEMORY = 64 << 20
"""Bytes by which this process, in which the servers are, may grow over the second half of the mutations."""
STORED, FAILED, OTHER, REASON, UID = "00081199", "00081198", "0008119A", "00081197", "00081155"
SECRETS = ("Doe", "19700203", "/tmp", "images/", "Traceback")
BASES = ("http://localhost/fhir",)

pytestmark = pytest.mark.timeout(0 if CASES else 300)


def kept(server: LiveServer) -> int:
    """How many files the archive holds, also those still coming in."""
    return sum(path.is_file() for path in (server.settings.data_dir / "images").rglob("*"))


def rows(pool: Pool) -> int:
    """How many instances have rows."""
    with pool.connection() as connection:
        found = connection.execute("SELECT count(*) FROM instance").fetchone()
    assert found is not None
    return int(found[0])


def answered(answer: httpx.Response) -> tuple[list[str], int]:
    """The instances that an answer to STOW-RS says are stored, and how many are refused."""
    assert answer.status_code in (200, 202, 409), answer.text
    assert not [secret for secret in SECRETS if secret in answer.text]
    said = {tag: answer.json().get(tag, {}).get("Value", []) for tag in (STORED, FAILED, OTHER)}
    for item in said[FAILED] + said[OTHER]:
        assert item[REASON]["Value"][0] in set(Reason) - {Reason.PROCESSING_FAILURE}
    return [item[UID]["Value"][0] for item in said[STORED]], len(said[FAILED]) + len(said[OTHER])


@pytest.mark.spec("PS3.18 10.5.3")
@pytest.mark.spec("PS3.18 I.2.2")
def test_stow(server: LiveServer, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is answered for; refused ones leave neither rows nor files, stored ones are served and reach FHIR."""
    monkeypatch.setattr(bridge, "PAUSE_PER_INSTANCE", timedelta(0))
    files = [file for _, _, file in mutations(SEED, CASES)]
    stored: set[str] = set()  # one that was given the UID of another may be refused, or be the same
    sizes: list[int] = []
    with faults_logged() as logs, server.client("system/ImagingStudy.crs") as client:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            taken, refused = answered(client.post("/dicomweb/studies", content=body(batch), headers=HEADERS))
            assert len(taken) + refused == len(batch)
            stored.update(taken)
            sizes.append(psutil.Process().memory_info().rss)
        assert (rows(pool), kept(server)) == (len(stored), len(stored))
        for url in served(client):
            answer = client.get(url)
            assert answer.status_code == 200, answer.text
            json.loads(answer.content)
        with pool.connection() as connection:
            while drain(connection, {"study": (bridge.studies(BASES),), "resource": (bridge.patients,)}):
                pass
    assert logs == []
    assert 50 < len(stored) < len(files) / 2
    assert sizes[-1] - sizes[len(sizes) // 2] < MEMORY


def served(client: httpx.Client) -> Iterator[str]:
    """What a viewer asks of all that is stored."""
    for level in ("studies", "series", "instances"):
        yield f"/dicomweb/{level}?includefield=all"
    for study in client.get("/dicomweb/studies").json():
        yield f"/dicomweb/studies/{study['0020000D']['Value'][0]}/metadata"


@pytest.mark.spec("PS3.4 B.2.3")
def test_c_store(server: LiveServer, pool: Pool) -> None:
    """Each object has its status on one association, which lives on; refused ones leave neither rows nor files."""
    statuses: Counter[int] = Counter()
    sizes: list[int] = []
    allowed = {0, *Reason} - {Reason.PROCESSING_FAILURE}
    with faults_logged() as logs, serving_dimse(server.settings, pool, Limits(drain=1)) as port, Peer(port) as peer:
        peer.associate()
        for name, instance, file in mutations(SEED, CASES):
            if " of the file " in name:
                continue  # File Meta Information does not travel
            peer.send(p_data(3, 3, store(instance)) + p_data(3, 2, bare(file)))
            status, comment = peer.answer()
            assert status in allowed, name
            assert not [secret for secret in SECRETS if secret in comment]
            statuses[status] += 1
            sizes.append(psutil.Process().memory_info().rss)
    stored = statuses[0]
    assert (rows(pool), kept(server)) == (stored, stored)
    assert logs == []
    assert statuses.total() - stored > 300
    assert stored > 20
    assert sizes[-1] - sizes[len(sizes) // 2] < MEMORY
