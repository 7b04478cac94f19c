"""Fifty connections that stall beside one good sender: it keeps its pace, they are closed at their deadlines."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import httpx
import psutil
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse.limits import Limits
from healix_fhir.kernel.database import Row
from healix_fhir.server import deadlines
from tests.support.dicom import bare, ct, uid
from tests.support.dimse import Peer, p_data, request, store
from tests.support.dimse_service import serving_dimse
from tests.support.live_server import LiveServer, live_server
from tests.support.stow import BOUNDARY, HEADERS, body

STALLED = 50
ROUND = 8
DEADLINE = 4.0
MEMORY = 64 << 20
ABORTED = (7, bytes(4))


@pytest.fixture
def server(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    """A web server with short deadlines."""
    for name in ("HEADERS", "BODY"):
        monkeypatch.setattr(deadlines, name, DEADLINE)
    monkeypatch.setattr(deadlines, "SWEEP", 0.1)
    with live_server(database_url, tmp_path / "data") as running:
        yield running


@pytest.fixture
def dimse_port(server: LiveServer, pool: ConnectionPool[Connection[Row]]) -> Iterator[int]:
    """A DIMSE service with short deadlines."""
    with serving_dimse(
        server.settings, pool, Limits(artim=DEADLINE, progress=DEADLINE, idle=DEADLINE, drain=1)
    ) as port:
        yield port


def pace(send: Callable[[], None]) -> float:
    """The median time of an object, of a round of them."""
    times = []
    for _ in range(ROUND):
        started = time.perf_counter()
        send()
        times.append(time.perf_counter() - started)
    return median(times)


def incoming(server: LiveServer) -> int:
    """How many objects are on their way in."""
    return len(list((server.settings.data_dir / "images" / "incoming").iterdir()))


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until `done`."""
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def keeps_its_pace(send: Callable[[], None], stall: Callable[[ExitStack], list[Callable[[], None]]]) -> None:
    """Send beside stalled connections, each of which must then end as its check says, at its deadline."""
    send()
    alone = pace(send)
    before = psutil.Process().memory_info().rss
    with ExitStack() as held:
        started = time.monotonic()
        ends = stall(held)
        beside = pace(send)
        grown = psutil.Process().memory_info().rss - before
        for end in ends:
            end()
        lasted = time.monotonic() - started
    assert beside < alone + DEADLINE / 2, "an object waits for a connection that stalls"
    assert grown < MEMORY
    assert lasted > DEADLINE - 0.5


def test_http(server: LiveServer) -> None:
    """Headers without end and bodies that stop within an image answer 408, and nothing of them stays."""
    token = server.token("system/ImagingStudy.cruds")
    part = body([ct(99)])
    head = (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f'Content-Type: multipart/related; type="application/dicom"; boundary="{BOUNDARY}"\r\n'
    )
    halves = (head.encode(), f"{head}Content-Length: {len(part)}\r\n\r\n".encode() + part[: len(part) // 2])
    numbers = iter(range(1, 100))

    def stall(held: ExitStack) -> list[Callable[[], None]]:
        ends: list[Callable[[], None]] = []
        for n in range(STALLED):
            connection = held.enter_context(socket.create_connection(server.address, timeout=60))
            connection.sendall(halves[n % 2])
            ends.append(partial(_refused, connection))
        return ends

    with httpx.Client(base_url=server.url, headers=HEADERS | {"Authorization": f"Bearer {token}"}) as client:

        def send() -> None:
            answer = client.post("/dicomweb/studies", content=body([ct(1, 1, next(numbers))]))
            assert answer.status_code == 200

        keeps_its_pace(send, stall)
        assert len(client.get("/dicomweb/studies").json()) == 1
    wait_for(lambda: incoming(server) == 0)  # removed by the thread that held it, once its peer is told


def _refused(connection: socket.socket) -> None:
    assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_dimse(server: LiveServer, dimse_port: int) -> None:
    """Associations that say nothing, or stop within a PDU or between two of an object, are aborted; half-sent requests
    are closed.
    """
    numbers = iter(range(1, 100))
    fragment = p_data(3, 0, bare(ct(99))[:20_000])
    begun = p_data(3, 3, store(uid(99, 1, 1)))
    last_words = (b"", begun + fragment, begun + fragment + fragment[:5000])

    def stall(held: ExitStack) -> list[Callable[[], None]]:
        ends: list[Callable[[], None]] = []
        for n in range(STALLED - 10):
            peer = held.enter_context(Peer(dimse_port, address="127.0.0.2"))
            peer.associate()
            peer.send(last_words[n % 3])
            ends.append(partial(_aborted, peer))
        for _ in range(10):
            peer = held.enter_context(Peer(dimse_port, address="127.0.0.2"))
            peer.send(request()[:20])
            ends.append(partial(_closed, peer))
        return ends

    with Peer(dimse_port) as good:
        good.associate()

        def send() -> None:
            number = next(numbers)
            data = bare(ct(1, 1, number))
            good.send(p_data(3, 3, store(uid(1, 1, number))))
            for start in range(0, len(data), 100_000):
                last = start + 100_000 >= len(data)
                good.send(p_data(3, 2 if last else 0, data[start : start + 100_000]))
            assert good.status() == 0

        keeps_its_pace(send, stall)
    wait_for(lambda: incoming(server) == 0)  # removed by the thread that held it, once its peer is told


def _aborted(peer: Peer) -> None:
    assert peer.read() == ABORTED


def _closed(peer: Peer) -> None:
    assert peer.read() is None
