"""Objects of several peers that arrive together share a transaction, and the trail says of each who sent it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from msgspec.structs import replace
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse import group_commit
from dicomweb.dimse.reception import Reception, reception
from dicomweb.study.outcome import Disposition, Outcome
from dicomweb.study.receive import Received
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from tests.support.dicom import ct, uid
from tests.support.study import SYSTEM, Store, open_store

PATIENCE = 60
TRAIL = "SELECT client, entity, outcome FROM audit_event ORDER BY client"


@pytest.fixture
def store(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> Store:
    """An empty study store."""
    return open_store(pool, tmp_path / "images")


@pytest.fixture
def receiving(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reception:
    """The reception of a process that waits for whoever is coming."""
    monkeypatch.setattr(group_commit, "PATIENCE", PATIENCE)
    return reception(Settings(data_dir=tmp_path), store.pool)


def together(receiving: Reception, files: dict[str, bytes]) -> dict[str, Outcome]:
    """Store an object of each peer, all of which come before one is committed."""
    all_come = Barrier(len(files))

    def finished(file: bytes) -> Received:
        incoming = receiving.receiver.begin()
        incoming.write(file)
        all_come.wait(PATIENCE)
        return incoming.finish()

    def stored(peer: str) -> Outcome:
        access = replace(SYSTEM, origin=Origin(client=peer))
        return receiving.commit.store(access, lambda: finished(files[peer]))

    with ThreadPoolExecutor(len(files)) as pool:
        return dict(zip(files, pool.map(stored, files), strict=True))


def test_peers_share_a_transaction(receiving: Reception, store: Store) -> None:
    """Three peers, two of them in one study."""
    outcomes = together(receiving, {"CT1": ct(1, 1, 1), "CT2": ct(1, 1, 2), "CT3": ct(2, 1, 1)})
    assert [one.status for one in outcomes.values()] == [Disposition.STORED] * 3
    assert store.sql("SELECT count(DISTINCT xmin::text), count(*) FROM instance") == [(1, 3)]
    assert store.sql(TRAIL) == [("CT1", uid(1), 0), ("CT2", uid(1), 0), ("CT3", uid(2), 0)]


def test_what_is_refused_is_told_to_its_sender_alone(receiving: Reception, store: Store) -> None:
    """Another object under the UID of a stored one: the trail has the failure under who sent it."""
    store.add(ct(1, 1, 1, size=8), access=replace(SYSTEM, origin=Origin(client="CT0")))
    outcomes = together(receiving, {"CT1": ct(1, 1, 1, size=16), "CT2": ct(2, 1, 1)})
    assert [one.status for one in outcomes.values()] == [Disposition.REFUSED, Disposition.STORED]
    assert store.sql(TRAIL) == [("CT0", uid(1), 0), ("CT1", uid(1), 4), ("CT2", uid(2), 0)]
