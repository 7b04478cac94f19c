"""Some six hundred mutations of a CT image, over both doors: each is stored whole or refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta

import httpx
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from structlog.testing import capture_logs

from dicomweb.dimse.limits import Limits
from dicomweb.status import Reason
from healix_fhir.imaging import bridge
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Row
from tests.support.dicom import bare, uid
from tests.support.dimse import Peer, p_data, store
from tests.support.dimse_service import serving_dimse
from tests.support.hostile_dicom import mutations
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body

Pool = ConnectionPool[Connection[Row]]
SEED = 61
BATCH = 60
STORED, FAILED, OTHER, REASON = "00081199", "00081198", "0008119A", "00081197"
SECRETS = ("Doe", "19700203", "/tmp", "images/", "Traceback")
BASES = ("http://localhost/fhir",)


def kept(server: LiveServer) -> int:
    """How many files the archive holds, also those still coming in."""
    return sum(path.is_file() for path in (server.settings.data_dir / "images").rglob("*"))


def rows(pool: Pool) -> int:
    """How many instances have rows."""
    with pool.connection() as connection:
        found = connection.execute("SELECT count(*) FROM instance").fetchone()
    assert found is not None
    return int(found[0])


def faults(logs: Sequence[object]) -> list[object]:
    """What the log holds of errors of our own."""
    return [
        entry for entry in logs if isinstance(entry, dict) and (entry["log_level"] == "error" or "exc_info" in entry)
    ]


def answered(answer: httpx.Response) -> tuple[int, int]:
    """How many instances an answer to STOW-RS says are stored and refused."""
    assert answer.status_code in (200, 202, 409), answer.text
    assert not [secret for secret in SECRETS if secret in answer.text]
    said = {tag: answer.json().get(tag, {}).get("Value", []) for tag in (STORED, FAILED, OTHER)}
    for item in said[FAILED] + said[OTHER]:
        assert item[REASON]["Value"][0] in set(Reason) - {Reason.PROCESSING_FAILURE}
    return len(said[STORED]), len(said[FAILED]) + len(said[OTHER])


@pytest.mark.spec("PS3.18 10.5.3")
@pytest.mark.spec("PS3.18 I.2.2")
def test_stow(server: LiveServer, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is answered for; refused ones leave neither rows nor files, stored ones are served and reach FHIR."""
    monkeypatch.setattr(bridge, "PAUSE_PER_INSTANCE", timedelta(0))
    files = [file for _, _, file in mutations(SEED)]
    stored = 0
    with capture_logs() as logs, server.client("system/ImagingStudy.crs") as client:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            taken, refused = answered(client.post("/dicomweb/studies", content=body(batch), headers=HEADERS))
            assert taken + refused == len(batch)
            stored += taken
        assert (rows(pool), kept(server)) == (stored, stored)
        for url in served(client):
            answer = client.get(url)
            assert answer.status_code == 200, answer.text
            json.loads(answer.content)
        with pool.connection() as connection:
            while drain(connection, {"study": (bridge.studies(BASES),), "resource": (bridge.patients,)}):
                pass
    assert faults(logs) == []
    assert 50 < stored < len(files) / 2


def served(client: httpx.Client) -> Iterator[str]:
    """What a viewer asks of all that is stored."""
    for level in ("studies", "series", "instances"):
        yield f"/dicomweb/{level}?includefield=all"
    for study in client.get("/dicomweb/studies").json():
        yield f"/dicomweb/studies/{study['0020000D']['Value'][0]}/metadata"


@pytest.mark.spec("PS3.4 B.2.3")
def test_c_store(server: LiveServer, pool: Pool) -> None:
    """Each object has its status on one association, which lives on; refused ones leave neither rows nor files."""
    stored = 0
    allowed = {0, *Reason} - {Reason.PROCESSING_FAILURE}
    with capture_logs() as logs, serving_dimse(server.settings, pool, Limits(drain=1)) as port, Peer(port) as peer:
        peer.associate()
        for name, number, file in mutations(SEED):
            if " of the file " in name:
                continue  # File Meta Information does not travel
            peer.send(p_data(3, 3, store(uid(1, 1, number))) + p_data(3, 2, bare(file)))
            status, comment = peer.answer()
            assert status in allowed, name
            assert not [secret for secret in SECRETS if secret in comment]
            stored += status == 0
    assert (rows(pool), kept(server)) == (stored, stored)
    assert faults(logs) == []
    assert sum(entry["event"] == "object refused" for entry in logs) > 300
    assert stored > 20
