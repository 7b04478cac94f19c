"""Each event in each state that an acceptor of associations has: PS3.8 Table 9-10 restated, one row a state.

What a peer can tell of a state is what it reads next, so the states are named by how they are come to. Sta3 (awaiting
the local answer to a request) is what a peer meets that does not wait for ours: what comes early is kept, and answered
as in Sta6. Sta8 (awaiting the local answer to a release) has no length here. In Sta13 our last PDU is sent and the
sending side closed, so that nothing is answered any more (AA-6, AA-2).

Where the table sends an A-ABORT of the service-user for what comes in Sta2 (AA-1), ours is of the provider, since only
that one may say why (PS3.8 Table 9-26).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

import pytest

from dicomweb.dimse.limits import Limits
from tests.integration.dimse.conftest import PATIENT, Server, serving
from tests.support.dimse import ABORT, ECHO, RELEASE, Peer, p_data, pdu, request, store

Answer: TypeAlias = int | tuple[int, bytes]
"""A PDU by its type, or by its type and body."""


def aborted(reason: int, source: int = 2) -> Answer:
    """An A-ABORT as read from the wire."""
    return 7, bytes((0, 0, source, reason))


ACCEPTANCE, DATA, RELEASED = 2, 4, (6, bytes(4))
UNRECOGNIZED, UNEXPECTED, FOREIGN, INVALID, EXPIRED = *map(aborted, (1, 2, 5, 6)), aborted(0, 0)
SILENCE, CLOSED = b"", None

EVENTS: Mapping[str, bytes | None] = {
    "Evt3 A-ASSOCIATE-AC": pdu(2, request()[6:]),
    "Evt4 A-ASSOCIATE-RJ": pdu(3, bytes((0, 1, 1, 1))),
    "Evt6 A-ASSOCIATE-RQ": request(),
    "Evt10 P-DATA-TF": p_data(1, 3, ECHO),
    "Evt12 A-RELEASE-RQ": RELEASE,
    "Evt13 A-RELEASE-RP": pdu(6, bytes(4)),
    "Evt16 A-ABORT": ABORT,
    "Evt17 closed": CLOSED,
    "Evt18 expired": SILENCE,
    "Evt18 expired within a PDU": request()[:3],
    "Evt19 unrecognized": pdu(0x16, bytes(4)),
    "Evt19 malformed": pdu(5, bytes(3)),
    "Evt19 too long": b"\x04\x00\xff\xff\xff\xff",
}
ENDED: tuple[Answer, ...] = ()
BEFORE = dict(
    zip(
        EVENTS,
        (
            (UNEXPECTED,), (UNEXPECTED,), (ACCEPTANCE, EXPIRED), (UNEXPECTED,), (UNEXPECTED,), (UNEXPECTED,),
            ENDED, ENDED, ENDED, ENDED, (UNRECOGNIZED,), (INVALID,), (INVALID,),
        ),
        strict=True,
    )
)  # fmt: skip
ESTABLISHED = dict(
    zip(
        EVENTS,
        (
            (UNEXPECTED,), (UNEXPECTED,), (UNEXPECTED,), (DATA, EXPIRED), (RELEASED,), (UNEXPECTED,),
            ENDED, ENDED, (EXPIRED,), (EXPIRED,), (UNRECOGNIZED,), (INVALID,), (INVALID,),
        ),
        strict=True,
    )
)  # fmt: skip
WITHIN = ESTABLISHED | {"Evt10 P-DATA-TF": (FOREIGN,)}
OVER = dict.fromkeys(EVENTS, ENDED)


def _nothing(peer: Peer) -> None:
    del peer


def _established(peer: Peer) -> None:
    peer.associate()


def _command_begun(peer: Peer) -> None:
    peer.associate()
    peer.send(p_data(3, 1, store("1.2.3")[:20]))


def _data_begun(peer: Peer) -> None:
    peer.associate()
    peer.send(p_data(3, 3, store("1.2.3")) + p_data(3, 0, b"part"))


def _released(peer: Peer) -> None:
    peer.associate()
    peer.send(RELEASE)
    assert peer.read() == RELEASED


def _thrown_out(peer: Peer) -> None:
    peer.associate()
    peer.send(request())
    assert peer.read() == UNEXPECTED


def _turned_away(peer: Peer) -> None:
    peer.send(ABORT[:1] + b"\x00\x00\x00\x00\x05")
    assert peer.read() == INVALID


STATES: Mapping[str, tuple[Callable[[Peer], None], Mapping[str, tuple[Answer, ...]]]] = {
    "Sta2": (_nothing, BEFORE),
    "Sta6": (_established, ESTABLISHED),
    "Sta6 within a command": (_command_begun, WITHIN),
    "Sta6 within a data set": (_data_begun, WITHIN),
    "Sta13 after a release": (_released, OVER),
    "Sta13 after our abort": (_thrown_out, OVER),
    "Sta13 without an association": (_turned_away, OVER),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One gate for the whole table; at its end everything that was begun has ended."""
    yield from _served(PATIENT)


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """Another with short times, for what expires: no slow machine may take the rest for expired."""
    yield from _served(replace(PATIENT, artim=0.5, progress=0.5, idle=1.0))


def _served(limits: Limits) -> Iterator[Server]:
    with serving(limits) as running:
        yield running
    assert running.kept.whole == []
    assert running.kept.begun == len(running.kept.cancelled)


def heard(peer: Peer) -> tuple[tuple[int, bytes], ...]:
    """All that comes until the end."""
    return tuple(iter(peer.read, None))


def agrees(got: tuple[tuple[int, bytes], ...], expected: tuple[Answer, ...]) -> bool:
    """Whether these are the answers."""
    return len(got) == len(expected) and all(
        pdu[0] == one if isinstance(one, int) else pdu == one for pdu, one in zip(got, expected, strict=True)
    )


@pytest.mark.spec("PS3.8 Table 9-10 (2024d)")
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_each_event_in_each_state(server: Server, hasty: Server, state: str, event: str) -> None:
    """It is answered as the table says, then the connection is at its end; the next peer is served."""
    come, table = STATES[state]
    sent = EVENTS[event]
    asked = hasty if EXPIRED in table[event] or "expired" in event else server
    with Peer(asked.port) as peer:
        come(peer)
        if sent is CLOSED:
            peer.socket.shutdown(socket.SHUT_WR)
        else:
            peer.send(sent)
        got = heard(peer)
    assert agrees(got, table[event]), got
    with Peer(asked.port) as good:
        good.send(request() + p_data(1, 3, ECHO))
        assert good.read() is not None
        assert good.status() == 0


@pytest.mark.spec("PS3.8 Table 9-10 (2024d)")
@pytest.mark.parametrize("event", EVENTS)
def test_what_comes_with_the_request(server: Server, hasty: Server, event: str) -> None:
    """In Sta3 what a peer sends before it has our answer is answered after it, as in Sta6."""
    sent = EVENTS[event]
    with Peer((hasty if EXPIRED in ESTABLISHED[event] else server).port) as peer:
        peer.send(request() + (sent or b""))
        if sent is CLOSED:
            peer.socket.shutdown(socket.SHUT_WR)
        got = heard(peer)
    assert agrees(got, (ACCEPTANCE, *ESTABLISHED[event])), got
