"""Orthanc as the one that asks for storage commitment or is asked, and as the one that a route sends to."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse import commitment_request, peers
from dicomweb.dimse.commitment_report import reporter
from dicomweb.dimse.commitment_request import seeker
from dicomweb.dimse.forwarding import to_peer
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.pushing import pusher, wanted
from dicomweb.errand.queue import Kind, begin
from dicomweb.errand.work import worker
from dicomweb.events import study_changed
from dicomweb.routing.arrived import arrived
from dicomweb.routing.forward import forwarder, to_url
from dicomweb.routing.rules import Route, put
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings
from tests.support.dicom import ct, uid
from tests.support.dimse_service import serving_dimse
from tests.support.plain import NO_TLS
from tests.support.serve import free_ports, wait_until
from tests.support.study import SYSTEM, Store, open_store
from tests.support.tools import require_tool


class Pair:
    """Our service and Orthanc, which know each other."""

    def __init__(self, store: Store, url: str, client: httpx.Client) -> None:
        self.store = store
        self.url = url
        self.client = client
        send = forwarder(to_peer(store.archive, store.pool, Event()), to_url(store.archive, "here:443"))
        self.step = worker(
            {
                Kind.COMMITMENT: reporter(store.archive, Event()),
                Kind.COMMIT: seeker(store.pool, Event()),
                Kind.PUSH: pusher(store.archive, store.pool, Event()),
                Kind.SEND: send,
            }
        )

    def ask(self, path: str, body: Any = None) -> Any:
        """Orthanc's answer to a GET, or to a POST with a body."""
        if body is None:
            answer = self.client.get(path)
        elif isinstance(body, bytes):
            answer = self.client.post(path, content=body)
        else:
            answer = self.client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    def work(self) -> None:
        """Do the errands that are due."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            while self.step(connection):
                pass

    def told(self) -> Row:
        """What Orthanc said last when it was asked for commitment, once it did: the reason of the errand, how it is."""
        latest = "FROM errand WHERE kind = 'commit' ORDER BY seq DESC LIMIT 1"
        wait_until(lambda: self.store.sql(f"SELECT due <= now() {latest}") == [(True,)], "the report of Orthanc")
        self.work()
        return self.store.sql(f"SELECT reason, ended IS NOT NULL, given_up {latest}")[0]


@pytest.fixture
def pair(pool: ConnectionPool[Connection[Row]], database_url: str, tmp_path: Path) -> Iterator[Pair]:
    """Both."""
    program = require_tool("Orthanc")
    http_port, port = free_ports(2)
    transaction(pool, lambda: peers.add("ORTHANC", "127.0.0.1", port))
    with serving_dimse(Settings(data_dir=tmp_path), pool, Limits(drain=1)) as ours:
        configuration = {
            "StorageDirectory": str(tmp_path / "orthanc"),
            "IndexDirectory": str(tmp_path / "orthanc"),
            "DicomAet": "ORTHANC",
            "DicomPort": port,
            "HttpPort": http_port,
            "AuthenticationEnabled": False,
            "Plugins": [],
            "DicomModalities": {
                "healix": {"AET": "HEALIX", "Host": "127.0.0.1", "Port": ours, "AllowStorageCommitment": True}
            },
        }
        (tmp_path / "orthanc.json").write_text(json.dumps(configuration))
        process = subprocess.Popen([program, str(tmp_path / "orthanc.json")], stderr=subprocess.DEVNULL)
        base = f"http://127.0.0.1:{http_port}"
        try:
            with httpx.Client(base_url=base, timeout=60, verify=NO_TLS) as client:
                wait_until(lambda: _answers(client), "Orthanc")
                yield Pair(open_store(pool, tmp_path / "images"), database_url, client)
        finally:
            process.terminate()
            process.wait(20)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/system").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.spec("PS3.4 J.3.3")
def test_orthanc_learns_what_is_safe(pair: Pair) -> None:
    """Orthanc stores an image here, asks for commitment to it and to one that it did not store, and learns of both."""
    stored, kept = (pair.ask("/instances", ct(1, 1, n, size=16))["ID"] for n in (1, 2))
    pair.ask("/modalities/healix/store", [stored])
    asked = pair.ask("/modalities/healix/storage-commitment", {"Resources": [stored, kept]})["ID"]
    assert pair.ask(f"/storage-commitment/{asked}")["Status"] == "Pending"
    pair.work()
    told = pair.ask(f"/storage-commitment/{asked}")
    assert told["Status"] == "Failure"
    assert [one["SOPInstanceUID"] for one in told["Success"]] == [uid(1, 1, 1)]
    assert [(one["SOPInstanceUID"], one["FailureReason"]) for one in told["Failures"]] == [(uid(1, 1, 2), 0x0112)]


@pytest.mark.spec("PS3.4 J.3.2")
def test_orthanc_says_what_it_has_committed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a push Orthanc is asked, and says on an association of its own what it has, and what it has lost since."""
    monkeypatch.setattr(commitment_request, "MOMENT", 0.05)
    pair.store.add(ct(3, 1, 1, size=16), ct(3, 1, 2, size=16))
    pair.store.run(begin(wanted(Kind.PUSH, "ORTHANC", [uid(3)], commit=True)))
    with psycopg.connect(pair.url, autocommit=True) as connection:
        pair.step(connection)  # pushed, not asked yet
    (lost,) = pair.ask("/tools/find", {"Level": "Instance", "Query": {"SOPInstanceUID": uid(3, 1, 2)}})
    pair.client.delete(f"/instances/{lost}").raise_for_status()
    pair.work()
    said = f"1 committed, 1 failed; 0112H no such object instance (1, the first {uid(3, 1, 2)})"
    assert pair.told() == (said, True, True)


@pytest.mark.spec("PS3.4 B.2.2")
def test_orthanc_gets_what_a_route_sends(pair: Pair) -> None:
    """A study that came here goes to Orthanc by a route, and what Orthanc itself stored here does not go back."""
    pair.store.run(put(SYSTEM, Route("all", peer="ORTHANC", quiet=0)))
    theirs = pair.ask("/instances", ct(2, 1, 1, size=16))["ID"]
    pair.ask("/modalities/healix/store", [theirs])
    pair.store.add(ct(1, 1, 1, size=16))
    pair.store.run(arrived(study_changed([uid(1), uid(2)])))
    assert [row[0] for row in pair.store.sql("SELECT about FROM errand")] == [uid(1)]
    pair.work()
    found = pair.ask("/tools/find", {"Level": "Study", "Query": {"StudyInstanceUID": uid(1)}})
    assert len(found) == 1
