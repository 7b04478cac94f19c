"""What the upper layer does with each PDU in each state, restated from PS3.8 Table 9-10."""

from __future__ import annotations

import struct

import pytest

from tests.integration.dimse.conftest import Server
from tests.support.dimse import ABORT, CT, ECHO, RELEASE, Peer, p_data, pdu, pdv, request, store
from tests.support.serve import wait_until

PROVIDER, USER = 2, 0
UNRECOGNIZED, UNEXPECTED, UNEXPECTED_PARAMETER, INVALID = 1, 2, 5, 6
CLOSED = None


def aborted(reason: int, source: int = PROVIDER) -> tuple[int, bytes]:
    """An A-ABORT as read from the wire."""
    return 7, bytes((0, 0, source, reason))


GARBAGE = b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n"
ACCEPTED, REJECTED = pdu(2, bytes(68)), pdu(3, bytes(4))
HUGE = struct.pack(">BxI", 4, 600 << 20)
BODY = request()[6:]

AWAITING_REQUEST = {
    "garbage": (GARBAGE, aborted(UNRECOGNIZED)),
    "acceptance": (ACCEPTED, aborted(UNEXPECTED)),
    "rejection": (REJECTED, aborted(UNEXPECTED)),
    "data": (p_data(1, 3, ECHO), aborted(UNEXPECTED)),
    "release": (RELEASE, aborted(UNEXPECTED)),
    "release response": (pdu(6, bytes(4)), aborted(UNEXPECTED)),
    "abort": (ABORT, CLOSED),
    "600 MB of data": (HUGE, aborted(INVALID)),
    "4 GB request": (struct.pack(">BxI", 1, 0xFFFFFFFF), aborted(INVALID)),
    "request cut short": (pdu(1, BODY[:60]), aborted(INVALID)),
    "request with half an item": (pdu(1, BODY + b"\x50\x00"), aborted(INVALID)),
    "item longer than the request": (pdu(1, BODY + b"\x50\x00\xff\xff"), aborted(INVALID)),
    "request without contexts": (pdu(1, BODY[:68]), aborted(INVALID)),
    "blank calling title": (request(calling=""), aborted(INVALID)),
    "control characters in a title": (request(calling="CT\x00\x07"), aborted(INVALID)),
    "UID with a path": (request().replace(CT.encode(), b"../../../../../etc/passwd"), aborted(INVALID)),
    "context identifier that is even": (
        request().replace(b"\x20\x00\x00\x2e\x01", b"\x20\x00\x00\x2e\x02"),
        aborted(INVALID),
    ),
}

ESTABLISHED = {
    "garbage": (GARBAGE, aborted(UNRECOGNIZED)),
    "request": (request(), aborted(UNEXPECTED)),
    "acceptance": (ACCEPTED, aborted(UNEXPECTED)),
    "rejection": (REJECTED, aborted(UNEXPECTED)),
    "release": (RELEASE, (6, bytes(4))),
    "release response": (pdu(6, bytes(4)), aborted(UNEXPECTED)),
    "abort": (ABORT, CLOSED),
    "release of a wrong length": (pdu(5, bytes(5)), aborted(INVALID)),
    "600 MB of data": (HUGE, aborted(INVALID)),
    "data without a value": (pdu(4, b""), aborted(INVALID)),
    "half a value": (pdu(4, b"\x00\x00\x00"), aborted(INVALID)),
    "value of length 0": (pdu(4, struct.pack(">IBB", 0, 1, 3)), aborted(INVALID)),
    "value longer than its PDU": (pdu(4, struct.pack(">IBB", 9999, 1, 3)), aborted(INVALID)),
    "context that was not proposed": (p_data(99, 3, ECHO), aborted(UNEXPECTED_PARAMETER)),
    "data set before a command": (p_data(3, 2, b"data"), aborted(UNEXPECTED_PARAMETER)),
    "command that ends in an element": (p_data(1, 3, ECHO[:-1]), aborted(INVALID)),
    "command with a length beyond its end": (p_data(1, 3, ECHO[:-6] + b"\xff\xff\xff\xff\0\0"), aborted(INVALID)),
    "command of a foreign group": (p_data(1, 3, b"\x08\x00" + ECHO[2:]), aborted(INVALID)),
    "command without a field": (p_data(1, 3, ECHO[:12]), aborted(INVALID)),
    "command too long": (p_data(1, 1, bytes(20000)), aborted(INVALID)),
    "response to nothing": (p_data(1, 3, ECHO.replace(b"\x30\x00", b"\x30\x80", 1)), aborted(UNEXPECTED_PARAMETER)),
}

STORING = p_data(3, 3, store("1.2.3"))
RECEIVING = {
    "garbage": (GARBAGE, aborted(UNRECOGNIZED)),
    "request": (request(), aborted(UNEXPECTED)),
    "release": (RELEASE, (6, bytes(4))),
    "abort": (ABORT, CLOSED),
    "another command": (p_data(3, 3, ECHO), aborted(UNEXPECTED_PARAMETER)),
    "data of another context": (p_data(1, 2, b"data"), aborted(UNEXPECTED_PARAMETER)),
    "more than the largest object": (p_data(3, 0, bytes(100_000)) * 11, aborted(0)),
}
EXPIRING = {"silence": b"", "half a PDU": STORING[:40]}


@pytest.mark.spec("PS3.8 9.2 (2024d)")
@pytest.mark.parametrize("case", AWAITING_REQUEST)
def test_before_an_association(server: Server, case: str) -> None:
    """In Sta2 everything but a whole, sound A-ASSOCIATE-RQ is answered with an A-ABORT and the connection is closed."""
    sent, expected = AWAITING_REQUEST[case]
    with Peer(server.port) as peer:
        peer.send(sent)
        assert peer.read() == expected
        assert peer.read() is None


@pytest.mark.spec("PS3.8 9.2 (2024d)")
@pytest.mark.parametrize("case", ESTABLISHED)
def test_in_an_association(server: Server, case: str) -> None:
    """In Sta6 a PDU that is malformed or does not belong there ends the association, with the standard's reason."""
    sent, expected = ESTABLISHED[case]
    with Peer(server.port) as peer:
        peer.associate()
        peer.send(sent)
        assert peer.read() == expected
        assert peer.read() is None


@pytest.mark.spec("PS3.8 9.2 (2024d)")
@pytest.mark.parametrize(("sent", "expected"), RECEIVING.values(), ids=RECEIVING)
def test_in_the_middle_of_an_object(server: Server, sent: bytes, expected: tuple[int, bytes] | None) -> None:
    """Whatever ends an association within a data set, the object is dropped and never acknowledged."""
    with Peer(server.port) as peer:
        peer.associate()
        peer.send(STORING + p_data(3, 0, b"part") + sent)
        assert peer.read() == expected
    wait_until(lambda: server.kept.cancelled, "the end of the object")
    assert server.kept.cancelled[0].startswith(b"part")
    assert server.kept.whole == []


@pytest.mark.spec("PS3.8 9.2 (2024d)")
@pytest.mark.parametrize("case", EXPIRING)
def test_an_object_that_does_not_go_on(hasty: Server, case: str) -> None:
    """An object whose next PDU does not come in time ends the association, and is dropped."""
    test_in_the_middle_of_an_object(hasty, EXPIRING[case], aborted(0, USER))


def test_one_byte_at_a_time(server: Server) -> None:
    """A whole conversation that comes byte by byte is the same conversation."""
    with Peer(server.port) as peer:
        for sent, kind in ((request(), 2), (p_data(1, 3, ECHO), 4), (RELEASE, 6)):
            for index in range(len(sent)):
                peer.send(sent[index : index + 1])
            answer = peer.read()
            assert answer is not None
            assert answer[0] == kind


def test_odd_and_packed_fragments_are_joined(server: Server) -> None:
    """Command and data fragments may share a PDU and have odd lengths; the data set is what they make together."""
    command = store("1.2.3")
    values = pdv(3, 1, command[:13]) + pdv(3, 3, command[13:]) + pdv(3, 0, b"abc") + pdv(3, 0, b"") + pdv(3, 2, b"defg")
    with Peer(server.port) as peer:
        peer.associate()
        peer.send(pdu(4, values))
        assert peer.status() == 0
    assert server.kept.whole == [b"abcdefg"]


def test_unknown_operation_is_refused_and_the_association_goes_on(server: Server) -> None:
    """A C-FIND is answered with 0211H (unrecognized operation), its data set dropped, the next echo with success."""
    find = store("1.2.3").replace(struct.pack("<HHIH", 0, 0x0100, 2, 1), struct.pack("<HHIH", 0, 0x0100, 2, 0x20))
    with Peer(server.port) as peer:
        peer.associate()
        peer.send(p_data(3, 3, find) + p_data(3, 2, b"data"))
        assert peer.status() == 0x0211
        peer.send(p_data(1, 3, ECHO))
        assert peer.status() == 0


def test_echo_of_another_class_is_refused(server: Server) -> None:
    """A C-ECHO in a storage context is answered with 0122H (SOP class not supported)."""
    with Peer(server.port) as peer:
        peer.associate()
        peer.send(p_data(3, 3, ECHO))
        assert peer.status() == 0x0122


def test_cancel_of_nothing_is_ignored(server: Server) -> None:
    """A C-CANCEL without an operation under way has no response."""
    cancel = ECHO.replace(struct.pack("<HHIH", 0, 0x0100, 2, 0x30), struct.pack("<HHIH", 0, 0x0100, 2, 0x0FFF))
    with Peer(server.port) as peer:
        peer.associate()
        peer.send(p_data(1, 3, cancel) + p_data(1, 3, ECHO))
        assert peer.status() == 0
