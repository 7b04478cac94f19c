"""Each event in each state that a requestor of associations has: PS3.8 Table 9-10 restated, one row a state.

What a peer can tell of a state is what it hears next. Sta4 (awaiting the connection) has no PDU, Sta9 (awaiting the
local answer to a release that crossed ours) no length here, and Sta13 is left at once: the connection is closed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeAlias

import pytest

from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.contexts import VERIFICATION
from dicomweb.dimse.requestor import Patience, PeerError, associate
from tests.support.dimse import ABORT, IMPLICIT, RELEASE, command, item, p_data, pdu, request
from tests.support.serve import PATIENCE
from tests.support.storage_peers import local

Answer: TypeAlias = int | tuple[int, bytes]
"""A PDU by its type, or by its type and body."""


def aborted(reason: int, source: int = 2) -> Answer:
    """An A-ABORT as read from the wire."""
    return 7, bytes((0, 0, source, reason))


DATA, RELEASING, RELEASED = 4, (5, bytes(4)), (6, bytes(4))
UNRECOGNIZED, UNEXPECTED, INVALID, GIVEN_UP = *map(aborted, (1, 2, 6)), aborted(0, 0)
SILENCE, CLOSED = b"", None
ACCEPTANCE = pdu(
    2,
    b"\x00\x01\x00\x00" + bytes(64) + item(0x10, b"1.2.840.10008.3.1.1.1")
    + item(0x21, b"\x01\x00\x00\x00" + item(0x40, IMPLICIT.encode())) + item(0x50, item(0x51, bytes(4))),
)  # fmt: skip
RESPONSE = command({0x0100: 0x8030, 0x0120: 1, 0x0800: 0x0101, 0x0900: 0})
ECHO: Command = {Element.AffectedSOPClassUID: VERIFICATION, Element.CommandField: CommandField.C_ECHO_RQ}

EVENTS: Mapping[str, bytes | None] = {
    "Evt3 A-ASSOCIATE-AC": ACCEPTANCE,
    "Evt4 A-ASSOCIATE-RJ": pdu(3, bytes((0, 1, 1, 1))),
    "Evt6 A-ASSOCIATE-RQ": request(),
    "Evt10 P-DATA-TF": p_data(1, 3, RESPONSE),
    "Evt12 A-RELEASE-RQ": RELEASE,
    "Evt13 A-RELEASE-RP": pdu(6, bytes(4)),
    "Evt16 A-ABORT": ABORT,
    "Evt17 closed": CLOSED,
    "Evt18 expired": SILENCE,
    "Evt19 unrecognized": pdu(0x16, bytes(4)),
    "Evt19 malformed": pdu(5, bytes(3)),
    "Evt19 too long": b"\x04\x00\xff\xff\xff\xff",
}
ENDED: tuple[Answer, ...] = ()
LAST: tuple[tuple[Answer, ...], ...] = (
    ENDED, ENDED, (GIVEN_UP,), (UNRECOGNIZED,), (INVALID,), (INVALID,),
)  # fmt: skip
"""From the abort on all states are alike."""


def row(*first: tuple[Answer, ...]) -> Mapping[str, tuple[Answer, ...]]:
    """What is heard after each event."""
    return dict(zip(EVENTS, (*first, *LAST), strict=True))


AWAITING = row((DATA,), ENDED, (UNEXPECTED,), (UNEXPECTED,), (UNEXPECTED,), (UNEXPECTED,))
ESTABLISHED = row((UNEXPECTED,), (UNEXPECTED,), (UNEXPECTED,), (RELEASING,), (RELEASED,), (UNEXPECTED,))
WITHIN = {**ESTABLISHED, "Evt10 P-DATA-TF": (INVALID,)}
RELEASE_ASKED = row((UNEXPECTED,), (UNEXPECTED,), (UNEXPECTED,), ENDED, (RELEASED,), ENDED)
CROSSED = row(*[(UNEXPECTED,)] * 5, ENDED)


class Acceptor:
    """The peer that is called, as far as a state needs it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.stream = connection.makefile("rb")

    def read(self) -> tuple[int, bytes] | None:
        """The next PDU, None at the end."""
        try:
            head = self.stream.read(6)
            return (head[0], self.stream.read(int.from_bytes(head[2:], "big"))) if len(head) == 6 else None
        except ConnectionResetError:
            return None

    def send(self, data: bytes | None) -> None:
        """Send it, or hang up."""
        with suppress(OSError):  # who has ended the association is gone
            if data is None:
                self.connection.shutdown(socket.SHUT_WR)
            else:
                self.connection.sendall(data)


def _asked(peer: Acceptor) -> None:
    assert peer.read() is not None


def _established(peer: Acceptor) -> None:
    _asked(peer)
    peer.send(ACCEPTANCE)
    assert peer.read() is not None


def _command_begun(peer: Acceptor) -> None:
    _established(peer)
    peer.send(p_data(1, 1, RESPONSE[:20]))


def _release_asked(peer: Acceptor) -> None:
    _established(peer)
    peer.send(p_data(1, 3, RESPONSE))
    assert peer.read() == RELEASING


def _crossed(peer: Acceptor) -> None:
    _release_asked(peer)
    peer.send(RELEASE)
    assert peer.read() == RELEASED


SHORT = 0.6
STATES: Mapping[str, tuple[Callable[[Acceptor], None], Mapping[str, tuple[Answer, ...]], Patience]] = {
    "Sta5": (_asked, AWAITING, Patience(associate=SHORT)),
    "Sta6": (_established, ESTABLISHED, Patience(answer=SHORT)),
    "Sta6 within a command": (_command_begun, WITHIN, Patience(progress=SHORT)),
    "Sta7": (_release_asked, RELEASE_ASKED, Patience(release=SHORT)),
    "Sta11": (_crossed, CROSSED, Patience(release=SHORT)),
}
"""How each is come to, what is heard in it, and which wait is short where it is to expire."""


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Where the peer is called."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def played(
    listener: socket.socket, come: Callable[[Acceptor], None], event: bytes | None, count: int
) -> list[tuple[int, bytes]]:
    """What the peer hears after the event: so many PDUs, then what comes before the end when it aborts."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(PATIENCE)
        peer = Acceptor(connection)
        come(peer)
        peer.send(event)
        heard = [one for _ in range(count) if (one := peer.read()) is not None]
        peer.send(ABORT)
        return [*heard, *iter(peer.read, None)]


@pytest.mark.spec("PS3.8 Table 9-10 (2024d)")
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_each_event_in_each_state(state: str, event: str) -> None:
    """It is answered as the table says; before all is said it is an error, afterwards none."""
    come, table, short = STATES[state]
    expected = table[event]
    patience = short if EVENTS[event] == SILENCE else Patience()
    with listening() as listener, ThreadPoolExecutor(1) as thread:
        heard = thread.submit(played, listener, come, EVENTS[event], len(expected))
        failed = False
        try:
            with associate(local(listener.getsockname()[1]), [(VERIFICATION, [IMPLICIT])], patience=patience) as ours:
                ours.ask(ours.needed(VERIFICATION), ECHO)
        except PeerError:
            failed = True
        got = heard.result()
    assert [one[0] if isinstance(wanted, int) else one for one, wanted in zip(got, expected, strict=True)] == [
        *expected
    ]
    answered = come in (_release_asked, _crossed) or (state == "Sta6" and event == "Evt10 P-DATA-TF")
    assert failed is not answered
