"""What the DIMSE port refuses is in the audit trail: to whom, and why; a flood of it is bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse.limits import Limits
from dicomweb.dimse.refusals import ASSOCIATE, Refusals
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from smart_auth import flood
from tests.support.dimse import ECHO, Peer, p_data, pdu, request
from tests.support.dimse_service import CALLER, serving_dimse
from tests.support.serve import wait_until

Pool = ConnectionPool[Connection[Row]]
PATIENT = Limits(associations=1, per_address=1, waiting=3, artim=600, progress=600, idle=600, drain=1)
HASTY = replace(PATIENT, artim=0.5)


def trail(pool: Pool) -> list[Row]:
    """What the trail says was refused: word, calling title, reason."""
    with pool.connection() as connection:
        return connection.execute(
            "SELECT subtype, client, query FROM audit_event WHERE outcome = 4 AND address = '127.0.0.1' ORDER BY seq"
        ).fetchall()


def asked(content: bytes) -> Callable[[int], None]:
    """A peer that sends this and reads the answer."""

    def ask(port: int) -> None:
        with Peer(port) as peer:
            peer.send(content)
            peer.read()

    return ask


def one_too_many(port: int) -> None:
    """A second association while one is open."""
    with Peer(port) as one, Peer(port) as two:
        one.associate()
        two.send(request())
        two.read()


def broken(port: int) -> None:
    """An association, and in it what belongs in none."""
    with Peer(port) as peer:
        peer.associate()
        peer.send(request())
        peer.read()


def pushed_out(port: int) -> None:
    """A connection that makes room for three later ones."""
    with Peer(port) as first, Peer(port), Peer(port), Peer(port):
        first.read()


WORD = "A-ASSOCIATE"
REFUSED: dict[str, tuple[Callable[[int], None], tuple[str, str | None, str]]] = {
    "unknown caller": (asked(request(calling="STRANGER")), (WORD, "STRANGER", "CALLING_AE_TITLE_NOT_RECOGNIZED")),
    "wrong title": (asked(request(called="ORTHANC")), (WORD, CALLER, "CALLED_AE_TITLE_NOT_RECOGNIZED")),
    "too many": (one_too_many, (WORD, None, "LOCAL_LIMIT_EXCEEDED")),
    "no DICOM": (asked(b"GET / HTTP/1.1\r\n\r\n"), (WORD, None, "")),
    "malformed request": (asked(pdu(1, request()[6:66])), (WORD, None, "")),
    "half a request": (asked(request()[:20]), (WORD, None, "no whole A-ASSOCIATE-RQ within 0.5 s")),
    "pushed out": (pushed_out, (WORD, None, "dropped for connections that came later")),
    "malformed message": (broken, ("A-P-ABORT", CALLER, "A_ASSOCIATE_RQ within an association")),
}
"""What a peer does, and the row: word, calling title where it is known, and what the reason begins with."""


@pytest.mark.parametrize("name", REFUSED)
def test_each_refusal_is_recorded(pool: Pool, database_url: str, tmp_path: Path, name: str) -> None:
    """One row with the peer's address, its title as far as it is known, and the reason."""
    do, (word, client, reason) = REFUSED[name]
    limits = HASTY if name == "half a request" else PATIENT
    with serving_dimse(Settings(data_dir=tmp_path, database_url=database_url), pool, limits) as port:
        do(port)
    ((*row, said),) = trail(pool)
    assert row == [word, client]
    assert said
    assert said.startswith(reason)


def test_what_is_answered_is_no_refusal(pool: Pool, database_url: str, tmp_path: Path) -> None:
    """A peer that verifies, one that only looks whether somebody listens, and one that goes away leave no refusal."""
    settings = Settings(data_dir=tmp_path, database_url=database_url)
    with serving_dimse(settings, pool, PATIENT) as port:
        with Peer(port) as peer:
            peer.associate()
            peer.send(p_data(1, 3, ECHO))
            assert peer.status() == 0
        with Peer(port):
            pass
    with serving_dimse(settings, pool, HASTY) as port, Peer(port) as peer:
        peer.read()
    assert trail(pool) == []


def test_a_flood_is_counted(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first refusals have rows of their own, the others one with their number; nobody waits for the database."""
    monkeypatch.setattr(flood, "PER_ADDRESS", 3)
    with Refusals(pool) as refusals, pool.connection() as other, other.transaction():
        other.execute("LOCK audit_event")
        for n in range(5000):
            refusals.refused(Origin("STRANGER", address="127.0.0.1"), ASSOCIATE, f"{n}\0")
    counted = "4997 further refusals within 60 s have no row of their own"
    single = [(ASSOCIATE, "STRANGER", str(n)) for n in range(3)]
    assert trail(pool) == [*single, (ASSOCIATE, None, counted)]


def test_counts_are_written_when_their_window_ends(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count does not wait for the next refusal, nor for the end of the process."""
    monkeypatch.setattr(flood, "PER_ADDRESS", 1)
    monkeypatch.setattr(flood, "WINDOW", 0.2)
    with Refusals(pool) as refusals:
        for _ in range(3):
            refusals.refused(Origin(address="127.0.0.1"), ASSOCIATE, "why")
        wait_until(lambda: len(trail(pool)) == 2, "the count")
        assert [row[2] for row in trail(pool)] == ["why", "2 further refusals within 0 s have no row of their own"]
