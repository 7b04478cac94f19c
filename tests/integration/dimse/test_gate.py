"""The gate keeps serving good peers whatever others do with their connections."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from tempfile import TemporaryFile
from threading import Event, Thread
from types import SimpleNamespace

import psutil
import pytest

from dicomweb.dimse import association
from dicomweb.dimse.door import Door, listen
from dicomweb.dimse.gate import Gate
from dicomweb.dimse.limits import Limits
from tests.integration.dimse.conftest import serving
from tests.support.dimse import ECHO, PATIENCE, Peer, p_data, request, store
from tests.support.serve import wait_until

LIMITS = Limits(artim=600, progress=600, idle=600, drain=1.0)
"""A peer's deadlines are ten times as long as the patience of who is kept out by it."""
LOCAL_LIMIT_EXCEEDED = (3, bytes((0, 2, 3, 2)))


def verifies(port: int) -> bool:
    """Whether an association is accepted."""
    with Peer(port) as peer:
        peer.send(request())
        answer = peer.read()
        return answer is not None and answer[0] == 2


def echo(port: int) -> None:
    """Associate and verify."""
    with Peer(port) as peer:
        peer.associate()
        peer.send(p_data(1, 3, ECHO))
        assert peer.status() == 0


MEMORY = 64 << 20
BEGUN = p_data(3, 3, store("1.2.3")) + p_data(3, 0, bytes(16_000))
HALVES = (b"", BEGUN, BEGUN[:40], BEGUN + p_data(3, 0, bytes(100_000))[:60_000])
"""What 40 associations say and then no more: nothing, half an object, half a command, half a PDU of an object."""


def test_idle_connections_keep_nobody_out() -> None:
    """With 200 silent connections, 20 that drip a request byte by byte and 40 associations that go no further, each
    C-ECHO completes, and memory grows by at most 64 MB.
    """
    before = psutil.Process().memory_info().rss
    with serving(LIMITS) as server, ExitStack() as open_:
        for _ in range(200):
            open_.enter_context(Peer(server.port))
        for n in range(40):
            peer = open_.enter_context(Peer(server.port))
            peer.associate()
            peer.send(HALVES[n % len(HALVES)])
        dripping = [open_.enter_context(Peer(server.port)) for _ in range(20)]
        for n in range(8):
            for peer in dripping:
                peer.send(request()[n : n + 1])
            echo(server.port)
        assert psutil.Process().memory_info().rss - before < MEMORY


def test_half_sent_requests_end_with_artim() -> None:
    """A request that is not whole within its time is not waited for any longer, however it drips."""
    with serving(replace(LIMITS, artim=0.5)) as server, Peer(server.port) as peer:
        peer.send(request()[:20])
        assert peer.read() is None


def test_oldest_connection_makes_room() -> None:
    """When as many connections wait as may wait, the oldest of them is closed for a new one."""
    with serving(replace(LIMITS, waiting=3)) as server, ExitStack() as open_:
        first = open_.enter_context(Peer(server.port))
        for _ in range(3):
            open_.enter_context(Peer(server.port))
        assert first.read() is None
        echo(server.port)


def test_bytes_of_waiting_connections_are_bounded() -> None:
    """Half-sent requests hold no more memory together than the limit: the oldest of them are closed."""
    with serving(replace(LIMITS, waiting_bytes=5000)) as server, ExitStack() as open_:
        head = b"\x01\x00\x00\x02\x00\x00" + bytes(2000)
        peers = [open_.enter_context(Peer(server.port)) for _ in range(3)]
        for peer in peers:
            peer.send(head)
            time.sleep(0.05)
        assert peers[0].read() is None
        echo(server.port)


def test_associations_beyond_the_limit_are_rejected_as_transient() -> None:
    """The association after the last allowed one gets an A-ASSOCIATE-RJ, local limit exceeded; later it may come."""
    with serving(replace(LIMITS, associations=2, per_address=2)) as server:
        with Peer(server.port) as one, Peer(server.port) as two, Peer(server.port) as three:
            one.associate()
            two.associate()
            three.send(request())
            assert three.read() == LOCAL_LIMIT_EXCEEDED
        wait_until(lambda: verifies(server.port), "room for an association")


def test_one_address_leaves_room_for_others() -> None:
    """One address holds no more associations than its share."""
    with serving(replace(LIMITS, associations=5, per_address=1)) as server, Peer(server.port) as one:
        one.associate()
        with Peer(server.port) as two:
            two.send(request())
            assert two.read() == LOCAL_LIMIT_EXCEEDED


def test_idle_association_is_aborted() -> None:
    """An association that says nothing for its time is aborted by the service user."""
    with serving(replace(LIMITS, idle=0.5)) as server, Peer(server.port) as peer:
        peer.associate()
        assert peer.read() == (7, bytes(4))


def test_nobody_stays_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An association that has lasted its time is aborted by the service user when it is between two messages."""
    with serving(LIMITS) as server, Peer(server.port) as peer:
        peer.associate()
        peer.send(p_data(3, 3, store("1.2.3")))
        wait_until(lambda: server.kept.begun, "the object")
        later = time.monotonic() + LIMITS.total + 1
        monkeypatch.setattr(association, "time", SimpleNamespace(monotonic=lambda: later))
        peer.send(p_data(3, 2, b"ab"))
        assert peer.status() == 0
        assert peer.read() == (7, bytes(4))


def test_stop_finishes_the_message_under_way() -> None:
    """On stop, idle associations are aborted, an object under way is still received and answered."""
    with serving(replace(LIMITS, drain=60)) as server, Peer(server.port) as idle, Peer(server.port) as busy:
        idle.associate()
        busy.associate()
        busy.send(p_data(3, 3, store("1.2.3")) + p_data(3, 0, b"ab"))
        wait_until(lambda: server.kept.received == 2, "the object")
        server.stop.set()
        assert idle.read() == (7, bytes(4))
        busy.send(p_data(3, 2, b"cd"))
        assert busy.status() == 0
        server.thread.join(PATIENCE)
        assert server.kept.whole == [b"abcd"]


def test_stop_does_not_wait_for_ever() -> None:
    """An object that does not go on within the drain time is dropped, and the gate ends."""
    with serving(replace(LIMITS, drain=0.5)) as server, Peer(server.port) as peer:
        peer.associate()
        peer.send(p_data(3, 3, store("1.2.3")) + p_data(3, 0, b"ab"))
        wait_until(lambda: server.kept.received == 2, "the object")
        server.stop.set()
        server.thread.join(PATIENCE)
        assert not server.thread.is_alive()
        assert server.kept.cancelled == [b"ab"]


def test_association_that_outlives_the_gate_writes_nowhere() -> None:
    """What ends after the gate is closed does not reach into a file that has been opened meanwhile."""
    begun, go_on, ended = Event(), Event(), Event()

    def serve(*_: object) -> None:
        begun.set()
        go_on.wait(PATIENCE)

    class Telling(Gate):
        def _associate(self, connection: socket.socket, body: bytes, address: str) -> None:
            super()._associate(connection, body, address)
            connection.close()
            ended.set()

    door = Door(listen("127.0.0.1", 0))
    stop = Event()
    gate = Telling([door], serve, replace(LIMITS, drain=0.1), lambda *_: None)
    thread = Thread(target=gate.run, args=(stop,))
    thread.start()
    with Peer(int(door.listener.getsockname()[1])) as peer:
        peer.send(request())
        assert begun.wait(PATIENCE)
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        with ExitStack() as files:
            opened = [files.enter_context(TemporaryFile()) for _ in range(20)]
            go_on.set()
            assert ended.wait(PATIENCE)
            assert [file.seek(0, os.SEEK_END) for file in opened] == [0] * 20
