"""Storage commitment over the wire: asked by pynetdicom, told to it on another association."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.commitment import references
from dicomweb.dimse import commit, peers
from dicomweb.dimse.commitment_report import reporter
from dicomweb.dimse.contexts import COMMITMENT
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from dicomweb.errand.queue import Kind
from dicomweb.errand.work import worker
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings
from tests.bench.dimse_servers import free_port
from tests.support.commitment import CT, TRANSACTION, asking, encoded, information, modality
from tests.support.dicom import data_set, part10, uid
from tests.support.dimse import ABORT, IMPLICIT, Peer, command, p_data, pdu, proposal, request_body
from tests.support.dimse_service import serving_dimse
from tests.support.serve import wait_until
from tests.support.study import Store, open_store

Pool = ConnectionPool[Connection[Row]]
STORED, MISSING = uid(1, 1, 1), uid(1, 1, 2)
BOTH = ((CT, STORED), (CT, MISSING))


class House:
    """A DIMSE service, its store with one image, and the peer CT1 that listens on `listening`."""

    def __init__(self, store: Store, port: int, database_url: str) -> None:
        self.store = store
        self.port = port
        self.url = database_url
        self.listening = free_port()
        self.step = worker({Kind.COMMITMENT: reporter(store.archive, Event())})
        transaction(store.pool, lambda: peers.add("CT1", "127.0.0.1", self.listening))
        store.add(part10(data_set()))

    def ask(self, *items: tuple[str, str], **changes: str) -> int:
        """The status of a request of CT1."""
        return asking(self.port, information(*items, **changes))

    def work(self) -> int:
        """Do an errand, if one is due, as the job worker does; how many were done."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return self.step(connection)

    def hurry(self) -> None:
        """Let what waits be due."""
        self.store.sql("UPDATE errand SET due = now() WHERE ended IS NULL")
        self.store.sql("DELETE FROM errand_away")

    def errands(self) -> list[Row]:
        """Attempts, whether it has ended, and what the peer said."""
        return self.store.sql("SELECT attempts, ended IS NOT NULL, reason FROM errand ORDER BY seq")


@pytest.fixture
def house(pool: Pool, database_url: str, tmp_path: Path) -> Iterator[House]:
    """A running service."""
    with serving_dimse(Settings(data_dir=tmp_path), pool, Limits(drain=1)) as port:
        yield House(open_store(pool, tmp_path / "images"), port, database_url)


@pytest.mark.spec("PS3.4 J.3.3")
def test_everything_is_committed(house: House) -> None:
    """A request whose instances are all durable is told to be successful, with every instance and our title."""
    with modality(house.listening) as told:
        assert house.ask((CT, STORED)) == 0
        assert told == [], "not on the association of the request"
        assert [house.work(), house.work()] == [1, 0]
    (report,) = told
    assert (report.event, report.committed, report.failed) == (1, [STORED], {})
    assert report.information.TransactionUID == TRANSACTION
    assert report.information.RetrieveAETitle == "HEALIX"
    assert "FailedSOPSequence" not in report.information
    words = ["storage-commitment", "commitment-report"]
    rows = house.store.sql(
        "SELECT subtype, outcome, client, entity, query FROM audit_event WHERE subtype = ANY(%s) ORDER BY seq", words
    )
    assert rows == [
        ("storage-commitment", 0, "CT1", TRANSACTION, STORED),
        ("commitment-report", 0, "CT1", TRANSACTION, "1 committed, 0 failed"),
    ]


@pytest.mark.spec("PS3.4 J.3.3")
def test_failures_are_told_beside_what_is_committed(house: House) -> None:
    """Where an instance is not here the report is of the other type and names all instances of the request."""
    with modality(house.listening) as told:
        assert house.ask(*BOTH) == 0
        house.work()
    (report,) = told
    assert (report.event, report.committed, report.failed) == (2, [STORED], {MISSING: 0x0112})


def test_report_tells_what_is_true_when_it_is_told(house: House) -> None:
    """An instance that comes while the peer is away is committed when the peer is told."""
    house.ask(*BOTH)
    assert house.work() == 1
    house.store.add(part10(data_set(1, 1, 2)))
    house.hurry()
    with modality(house.listening) as told:
        house.work()
    assert told[0].event == 1


@pytest.mark.spec("PS3.4 J.3.3.1.2")
def test_peer_that_is_away_is_told_later(house: House) -> None:
    """A peer that cannot be reached, or does not take the report, is told when it does; once."""
    answers = iter([0x0110, 0])
    house.ask((CT, STORED))
    house.work()
    (waiting,) = house.errands()
    assert waiting[:2] == (1, False)
    assert "cannot be reached" in waiting[2]
    house.hurry()
    with modality(house.listening, lambda: next(answers)) as told:
        house.work()
        assert told == []
        assert "0110H" in house.errands()[0][2]
        house.hurry()
        assert [house.work(), house.work()] == [1, 0]
    assert len(told) == 1
    assert house.errands() == [(0, True, None)]


def test_report_that_is_never_taken_is_given_up_and_audited(house: House) -> None:
    """After three days in vain the trail says that the peer was not told."""
    house.ask((CT, STORED))
    house.store.sql("UPDATE errand SET asked = now() - interval '4 days'")
    house.work()
    assert house.store.sql("SELECT outcome FROM audit_event WHERE subtype = 'commitment-report'") == [(8,)]


def test_peer_that_has_lost_the_right_is_told_nothing(house: House) -> None:
    """What a peer may be told is what it may when it is told; a report that it may not have is given up, audited."""
    house.ask((CT, STORED))
    transaction(house.store.pool, lambda: peers.add("CT1", "127.0.0.1", house.listening, [Right.STORE]))
    with modality(house.listening) as told:
        house.work()
    assert told == []
    ((_, ended, reason),) = house.errands()
    assert ended
    assert "commit" in reason
    assert house.store.sql("SELECT outcome FROM audit_event WHERE subtype = 'commitment-report'") == [(8,)]


def test_peer_that_is_forgotten_is_not_called(house: House) -> None:
    """Where a peer is no longer known the report waits for it to be known again."""
    house.ask((CT, STORED))
    house.store.sql("DELETE FROM dimse_peer WHERE aet = 'CT1'")
    house.work()
    assert "healix peer add" in house.errands()[0][2]


REFUSED: list[tuple[str, dict[str, object], int]] = [
    ("wrong instance", {"instance": "1.2.840.10008.1.20.1.2"}, 0x0112),
    ("wrong action", {"action": 2}, 0x0123),
    ("no transaction", {"ds": information(*BOTH, transaction=None)}, 0x0115),
    ("no instances", {"ds": information()}, 0x0115),
]


@pytest.mark.spec("PS3.7 10.1.4.1.10")
@pytest.mark.parametrize(("changes", "status"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_bad_requests_are_refused_by_status(house: House, changes: dict[str, object], status: int) -> None:
    """What is no request is answered with why, kept nowhere, and audited."""
    assert asking(house.port, **{"ds": information(*BOTH), **changes}) == status  # type: ignore[arg-type]
    assert house.errands() == []
    assert house.store.sql("SELECT outcome FROM audit_event WHERE subtype = 'storage-commitment'") == [(4,)]


@pytest.mark.parametrize(("module", "limit"), [(commit, "LONGEST"), (references, "MOST")], ids=["bytes", "instances"])
def test_requests_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch, module: object, limit: str) -> None:
    """A request beyond the limits is refused as one of resources, and the association goes on."""
    monkeypatch.setattr(module, limit, 1)
    assert house.ask(*BOTH) == 0x0213
    assert house.errands() == []


def test_peer_without_the_right_gets_no_context(house: House) -> None:
    """A peer that may only store cannot ask for commitment."""
    transaction(house.store.pool, lambda: peers.add("CT1", "127.0.0.1", 104, [Right.STORE]))
    assert house.ask((CT, STORED)) == -1


def test_unknown_caller_cannot_be_told_and_is_refused(pool: Pool, tmp_path: Path) -> None:
    """A caller whose address nobody knows may not ask, even where every caller may do everything."""
    settings = Settings(data_dir=tmp_path, dimse_unknown_callers="all")
    with serving_dimse(settings, pool, Limits(drain=1)) as port:
        assert asking(port, information((CT, STORED)), aet="STRANGER") == 0x0124


def test_request_is_durable_before_it_is_answered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database does not keep the request the peer is told that it failed."""

    def lost(*_: object) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(commit, "transaction", lost)
    assert house.ask((CT, STORED)) == 0x0110


VICTIM = """
import sys
from pathlib import Path
from threading import Event
import psycopg
from dicomweb.archive.local import LocalArchive
from dicomweb.dimse.commitment_report import reporter
from dicomweb.errand.queue import Kind
from dicomweb.errand.work import worker

with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    worker({Kind.COMMITMENT: reporter(LocalArchive(Path(sys.argv[2])), Event())})(connection)
"""


def test_report_outlives_the_worker_that_was_killed(house: House) -> None:
    """A worker that is killed in the middle of a report leaves it to the next, and the peer is told."""
    house.ask((CT, STORED))
    with socket.create_server(("127.0.0.1", house.listening)) as listener:
        line = [sys.executable, "-c", VICTIM, house.url, str(house.store.root)]
        with subprocess.Popen(line, stderr=subprocess.DEVNULL) as victim:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10)
                assert house.work() == 0, "another worker leaves the peer alone"
                victim.kill()
    wait_until(lambda: house.store.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'") == [], "the lock's end")
    with modality(house.listening) as told:
        assert house.work() == 1
    assert told[0].committed == [STORED]


ENDS = {"aborted": ABORT, "closed": b"", "malformed": p_data(9, 0, b"x")}


@pytest.mark.parametrize("end", ENDS)
def test_request_that_ends_in_its_middle_leaves_nothing(house: House, end: str) -> None:
    """An association that ends before the whole action information has come asks for nothing."""
    asked: dict[int, int | str] = {
        0x0003: COMMITMENT,
        0x0100: 0x0130,
        0x0110: 1,
        0x0800: 1,
        0x1001: f"{COMMITMENT}.1",
        0x1008: 1,
    }
    with Peer(house.port) as peer:
        peer.send(pdu(1, request_body([proposal(1, COMMITMENT, [IMPLICIT])], calling="CT1")))
        assert (peer.read() or (0, b""))[0] == 2
        peer.send(p_data(1, 3, command(asked)) + p_data(1, 0, encoded(information(*BOTH))[:40]) + ENDS[end])
    with modality(house.listening) as told:
        assert house.ask((CT, STORED)) == 0
        house.work()
    assert len(told) == 1
    assert len(house.errands()) == 1
