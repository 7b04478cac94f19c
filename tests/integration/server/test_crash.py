"""A part killed while it stores: what was acknowledged is there, the rest is there whole or not at all."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dicomweb.archive.local import LocalArchive
from dicomweb.study.sweep import sweep
from healix_fhir.kernel.database import run
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.processes import open_database
from tests.support.dicom import bare, ct, uid
from tests.support.dimse import Peer, p_data, pdu, pdv, store
from tests.support.serve import Served, ready, serving, wait_until

PIECE = 100_000
BOUNDARY = "part"
SCOPE = "system/ImagingStudy.crs"
WRITING = "SELECT count(*) FROM pg_locks WHERE relation = 'instance'::regclass AND mode = 'RowExclusiveLock'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose parts these tests kill."""
    with serving(tmp_path_factory.mktemp("crash") / "data", "--demo") as served:
        yield served


@pytest.fixture(scope="module")
def url(server: Served) -> Iterator[str]:
    """The URL of its database."""
    with open_database(Settings(data_dir=server.data_dir)) as found:
        yield found


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    """A token that stores and reads images."""
    return server.token(SCOPE)


def kill(server: Served, role: str) -> None:
    """Kill every process of a role and wait until others have taken its place."""
    victims = server.children(role)
    for victim in victims:
        victim.kill()
    old = {victim.pid for victim in victims}
    wait_until(lambda: len({child.pid for child in server.children(role)} - old) == len(old), f"a new {role}")
    if role == "dimse":
        wait_until(lambda: _associates(server), "DIMSE to answer")
    else:
        wait_until(lambda: ready(server.port), "the web to answer")


def _associates(server: Served) -> bool:
    try:
        with Peer(server.dimse_port) as peer:
            peer.associate()
    except (OSError, AssertionError):
        return False
    return True


def send(peer: Peer, file: bytes, instance: str, *, whole: bool = True) -> None:
    """A C-STORE of a file, or of all but its last piece."""
    data = bare(file)
    peer.send(p_data(3, 3, store(instance)))
    for start in range(0, len(data), PIECE):
        last = start + PIECE >= len(data)
        if whole or not last:
            peer.send(pdu(4, pdv(3, 2 if last else 0, data[start : start + PIECE])))


def blobs(server: Served) -> set[str]:
    """The keys of all blobs."""
    root = server.data_dir / "images" / "blobs"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def incoming(server: Served) -> list[Path]:
    """Objects on their way in."""
    return list((server.data_dir / "images" / "incoming").iterdir())


def settled(server: Served, url: str) -> None:
    """After the sweep there are exactly the blobs that rows name, each as long as its row says."""
    archive = LocalArchive(server.data_dir / "images")
    with psycopg.connect(url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(WRITING).fetchall() == [(0,)], "statements of the dead to end")
        run(connection, sweep(archive, age=-1))
        rows: dict[str, int] = dict(connection.execute("SELECT blob, size FROM instance").fetchall())
    assert blobs(server) == set(rows)
    assert all((server.data_dir / "images" / "blobs" / key).stat().st_size == size for key, size in rows.items())
    assert incoming(server) == []


def studies(server: Served, token: str, study: str) -> int:
    """How many instances of a study QIDO-RS finds."""
    with server.client(token) as client:
        found = client.get("/dicomweb/instances", params={"StudyInstanceUID": study})
    return len(found.json()) if found.status_code == 200 else 0


def test_dimse_killed_within_an_object(server: Served, url: str, token: str) -> None:
    """Nothing of an object whose last byte had not come is found, and the sweep clears what was left of it."""
    with Peer(server.dimse_port) as peer:
        peer.associate()
        send(peer, ct(71, size=1024), uid(71, 1, 1), whole=False)  # more than is gathered in memory
        wait_until(lambda: incoming(server), "the first bytes")
        kill(server, "dimse")
        assert peer.read() is None
    assert len(incoming(server)) == 1
    assert studies(server, token, uid(71)) == 0
    settled(server, url)


def test_dimse_killed_before_the_commit(server: Served, url: str, token: str) -> None:
    """An object that was whole but not acknowledged is there whole or not at all; sent again it is accepted."""
    before = blobs(server)
    with psycopg.connect(url) as holder, Peer(server.dimse_port) as peer:
        holder.execute("LOCK TABLE instance IN EXCLUSIVE MODE")
        peer.associate()
        send(peer, ct(72), uid(72, 1, 1))
        wait_until(lambda: len(blobs(server) - before) == 1, "the blob")
        kill(server, "dimse")
        assert peer.read() is None
    settled(server, url)
    with Peer(server.dimse_port) as peer:
        peer.associate()
        send(peer, ct(72), uid(72, 1, 1))
        assert peer.status() == 0
    assert studies(server, token, uid(72)) == 1
    settled(server, url)


def test_acknowledged_objects_outlive_a_kill(server: Served, url: str, token: str) -> None:
    """Every object that was answered with success is there, byte for byte, after the process was killed."""
    files = {uid(73, 1, number): ct(73, 1, number, size=64) for number in range(1, 21)}
    with Peer(server.dimse_port) as peer:
        peer.associate()
        for instance, file in files.items():
            send(peer, file, instance)
            assert peer.status() == 0
        send(peer, ct(73, 1, 99, size=1024), uid(73, 1, 99), whole=False)
        kill(server, "dimse")
    assert studies(server, token, uid(73)) == len(files)
    with server.client(token) as client:
        for instance, file in files.items():
            path = f"/dicomweb/studies/{uid(73)}/series/{uid(73, 1)}/instances/{instance}"
            stored = client.get(path, headers={"Accept": 'multipart/related; type="application/dicom"'})
            assert bare(file) in stored.content
    settled(server, url)


def test_web_killed_within_a_request(server: Served, url: str, token: str) -> None:
    """A STOW-RS request whose workers are killed before its end stores nothing that it was not told of."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    file = ct(74)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/dicomweb/studies")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Type", f'multipart/related; type="application/dicom"; boundary={BOUNDARY}')
    connection.putheader("Content-Length", str(10 * len(file)))
    connection.endheaders()
    for _ in range(3):
        connection.send(b"\r\n" + head + file)
    wait_until(lambda: incoming(server) or len(blobs(server)) > 1, "the first bytes")
    kill(server, "web")
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()
    assert studies(server, token, uid(74)) == 0
    settled(server, url)
