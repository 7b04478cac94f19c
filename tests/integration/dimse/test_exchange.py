"""What an operation does while it answers: many responses, C-CANCEL, sub-operations on the same association."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest

from dicomweb.dimse.associate import Context, ContextResult, Roles
from dicomweb.dimse.association import Association
from dicomweb.dimse.command import Command, CommandField, Element, response
from dicomweb.dimse.data_transfer import DataTransfer
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.operation import Operation
from dicomweb.dimse.wire import Wire, tune
from tests.support.dimse import ABORT, CT, ECHO, EXPLICIT, PATIENCE, RELEASE, Peer, command, p_data, pdu, pdv, store
from tests.support.dimse import request as association_request

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PENDING, CANCELLED = 0xFF00, 0xFE00
REQUEST = p_data(1, 3, command({0x0002: FIND, 0x0100: 0x0020, 0x0110: 7, 0x0800: 1})) + p_data(1, 2, b"keys")
UNEXPECTED_PARAMETER, UNEXPECTED = 5, 2


def cancel(message: int) -> bytes:
    """A C-CANCEL-RQ for a message."""
    return command({0x0100: 0x0FFF, 0x0120: message, 0x0800: 0x0101})


@dataclass
class Played:
    """What the operation of the test does, and what became of it."""

    act: Callable[[Command, Exchange], None] = lambda _request, _exchange: None
    cancelled: Event = field(default_factory=Event)
    aborted: list[str] = field(default_factory=list)


class Play:
    """An operation that does what the test says."""

    def __init__(self, request: Command, played: Played) -> None:
        self._request = request
        self._played = played

    def write(self, data: memoryview) -> None:
        """Drop the identifier."""

    def finish(self, exchange: Exchange) -> None:
        """Act."""
        self._played.act(self._request, exchange)

    def cancel(self) -> None:
        """Note it."""
        self._played.cancelled.set()


@dataclass
class Pair:
    """The two ends of an association: a raw peer, and what the server's side plays."""

    peer: Peer
    played: Played

    def identifiers(self) -> Iterator[tuple[int, bytes]]:
        """Status and identifier of each response, up to the last one."""
        while True:
            status = self.peer.status()
            if status & 0xFF00 != PENDING:
                yield status, b""
                return
            answer = self.peer.read()
            assert answer is not None
            yield status, answer[1][6:]


@pytest.fixture(params=[600], ids=[""])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """An association with one context for searches and one in which the peer is the SCP of storage.

    The parameter is how many seconds the peer has for the next PDU of a message; for an answer it has four times that.
    """
    played = Played()

    def begin(request: Command, context: Context) -> Operation:
        assert context.abstract_syntax == FIND
        return Play(request, played)

    contexts = {
        1: Context(1, ContextResult.ACCEPTANCE, FIND, EXPLICIT),
        3: Context(3, ContextResult.ACCEPTANCE, CT, EXPLICIT, Roles(scu=False, scp=True)),
    }
    limits = Limits(progress=float(request.param), idle=4 * float(request.param))

    def run(connection: socket.socket) -> None:
        with connection:
            tune(connection)
            transfer = DataTransfer(Wire(connection, limit=limits.pdu, stop=Event()), 16384)
            services = {CommandField.C_FIND_RQ: begin, CommandField.C_STORE_RQ: begin}
            Association(transfer, contexts, services, limits, played.aborted.append).run()

    with socket.create_server(("127.0.0.1", 0)) as listener, Peer(listener.getsockname()[1]) as peer:
        thread = Thread(target=run, args=listener.accept()[:1])
        thread.start()
        yield Pair(peer, played)
        peer.socket.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def until_cancelled(request: Command, exchange: Exchange) -> None:
    """Match after match, until the peer has enough."""
    deadline = time.monotonic() + PATIENCE
    while not exchange.is_cancelled() and time.monotonic() < deadline:
        exchange.respond(response(request, PENDING), b"match ")
        time.sleep(0.01)
    exchange.respond(response(request, CANCELLED if exchange.is_cancelled() else 0))


def one_object(request: Command, exchange: Exchange) -> None:
    """One sub-operation of several pieces, then what its response said."""
    asked: Command = {Element.CommandField: CommandField.C_STORE_RQ, Element.AffectedSOPClassUID: CT}
    answer = exchange.ask(3, asked, [b"abc", b"", b"d" * 40_001])
    exchange.respond(response(request, CANCELLED if exchange.is_cancelled() else int(answer[Element.Status])))


def stored(message: int, *, data_set: int = 0x0101) -> bytes:
    """The command set of a C-STORE-RSP."""
    return command({0x0002: CT, 0x0100: 0x8001, 0x0120: message, 0x0800: data_set, 0x0900: 0xB000})


def received(peer: Peer) -> tuple[int, bytes]:
    """The message ID and the data set of a C-STORE-RQ; every fragment of an even length."""
    asked = peer.read()
    assert asked is not None
    at = asked[1].index(struct.pack("<HHI", 0, 0x0110, 2))
    data = b""
    while True:
        part = peer.read()
        assert part is not None
        length, context_id, control = struct.unpack_from(">IBB", part[1])
        assert (length % 2, context_id, control & 1, len(part[1]) <= 16384) == (0, 3, 0, True)
        data += part[1][6:]
        if control & 2:
            return int(struct.unpack_from("<H", asked[1], at + 8)[0]), data


@pytest.mark.spec("PS3.7 9.3.2 (2024d)")
def test_many_responses_with_their_identifiers(pair: Pair) -> None:
    """Each pending response has its data set, the last response none; the next operation is served as before."""

    def three(request: Command, exchange: Exchange) -> None:
        for number in range(3):
            exchange.respond(response(request, PENDING), b"%d " % number)
        exchange.respond(response(request, 0))

    pair.played.act = three
    for _ in range(2):
        pair.peer.send(REQUEST)
        assert [*pair.identifiers()] == [(PENDING, b"0 "), (PENDING, b"1 "), (PENDING, b"2 "), (0, b"")]


@pytest.mark.spec("PS3.7 9.3.2.3 (2024d)")
def test_cancel_is_heard_between_responses(pair: Pair) -> None:
    """A C-CANCEL of the operation's message ends it with its status, and is no message of its own afterwards."""
    pair.played.act = until_cancelled
    pair.peer.send(REQUEST)
    found = pair.identifiers()
    assert next(found) == (PENDING, b"match ")
    pair.peer.send(p_data(1, 3, cancel(7)))
    assert [*found][-1] == (CANCELLED, b"")
    pair.played.act = lambda request, exchange: exchange.respond(response(request, 0))
    pair.peer.send(REQUEST)
    assert pair.peer.status() == 0


def test_cancel_in_pieces(pair: Pair) -> None:
    """A C-CANCEL may come in fragments, of which the first shares a PDU with the end of the request."""
    pair.played.act = until_cancelled
    whole = cancel(7)
    keys = pdu(4, pdv(1, 2, b"keys") + pdv(1, 1, whole[:9]))
    pair.peer.send(REQUEST[: -len(p_data(1, 2, b"keys"))] + keys)
    assert pair.peer.status() == PENDING
    assert pair.peer.read() is not None
    pair.peer.send(p_data(1, 1, whole[9:20]) + p_data(1, 3, whole[20:]))
    assert [*pair.identifiers()][-1] == (CANCELLED, b"")


def test_cancel_of_another_message_is_ignored(pair: Pair) -> None:
    """A C-CANCEL that names another message changes nothing."""
    answered = Event()

    def wait(request: Command, exchange: Exchange) -> None:
        assert answered.wait(PATIENCE)
        time.sleep(0.05)
        exchange.respond(response(request, CANCELLED if exchange.is_cancelled() else 0))

    pair.played.act = wait
    pair.peer.send(REQUEST + p_data(1, 3, cancel(8)))
    answered.set()
    assert pair.peer.status() == 0


OUT_OF_ORDER = {
    "another request": (REQUEST, (7, bytes((0, 0, 2, UNEXPECTED_PARAMETER)))),
    "data": (p_data(1, 2, b"more"), (7, bytes((0, 0, 2, UNEXPECTED_PARAMETER)))),
    "a response": (p_data(3, 3, stored(1)), (7, bytes((0, 0, 2, UNEXPECTED_PARAMETER)))),
    "a context that was not accepted": (p_data(9, 3, cancel(7)), (7, bytes((0, 0, 2, UNEXPECTED_PARAMETER)))),
    "an association request": (association_request(), (7, bytes((0, 0, 2, UNEXPECTED)))),
    "half a cancel": (p_data(1, 3, cancel(7))[:20], (7, bytes((0, 0, 0, 0)))),
    "release": (RELEASE, (6, bytes(4))),
    "abort": (ABORT, None),
}


@pytest.mark.spec("PS3.8 9.2 (2024d)")
@pytest.mark.parametrize(
    ("pair", "case"),
    [(0.5 if case == "half a cancel" else 600, case) for case in OUT_OF_ORDER],
    indirect=["pair"],
    ids=OUT_OF_ORDER,
)
def test_what_else_comes_between_responses(pair: Pair, case: str) -> None:
    """Whatever ends the association while an operation answers, the operation hears of it and ends."""
    sent, expected = OUT_OF_ORDER[case]
    pair.played.act = until_cancelled
    pair.peer.send(REQUEST)
    assert pair.peer.status() == PENDING
    pair.peer.send(sent)
    while (answer := pair.peer.read()) is not None and answer[0] == 4:
        pass
    assert answer == expected
    assert pair.played.cancelled.wait(PATIENCE)
    assert len(pair.played.aborted) == (expected is not None and expected[1][2:3] == b"\2")


@pytest.mark.spec("PS3.7 9.3.3 (2024d)")
def test_sub_operation_on_the_same_association(pair: Pair) -> None:
    """An object goes out in even fragments that fit the peer's PDUs, in its own context; the response comes back."""
    pair.played.act = one_object
    for _ in range(2):
        pair.peer.send(REQUEST)
        message, data = received(pair.peer)
        assert data == b"abc" + b"d" * 40_001
        pair.peer.send(p_data(3, 3, stored(message)))
        assert pair.peer.status() == 0xB000


def test_cancel_during_a_sub_operation(pair: Pair) -> None:
    """A C-CANCEL before the response to a sub-operation does not disturb it, and is known after it."""
    pair.played.act = one_object
    pair.peer.send(REQUEST)
    message, _ = received(pair.peer)
    pair.peer.send(p_data(1, 3, cancel(7)) + p_data(3, 3, stored(message)))
    assert pair.peer.status() == CANCELLED


def test_the_data_set_of_a_response_is_dropped(pair: Pair) -> None:
    """A response to a sub-operation may have a data set, which nobody needs."""
    pair.played.act = one_object
    pair.peer.send(REQUEST)
    message, _ = received(pair.peer)
    pair.peer.send(p_data(3, 3, stored(message, data_set=1)) + p_data(3, 0, b"drop") + p_data(3, 2, b"this"))
    assert pair.peer.status() == 0xB000


WRONG_ANSWERS = {
    "to another message": p_data(3, 3, stored(99)),
    "in another context": p_data(1, 3, stored(1)),
    "to another operation": p_data(3, 3, stored(1).replace(b"\x01\x80", b"\x10\x80")),
    "with a command in its data set": p_data(3, 3, stored(1, data_set=1)) + p_data(3, 3, ECHO),
    "with a data set without end": p_data(3, 3, stored(1, data_set=1)) + p_data(3, 0, bytes(16_000)) * 2,
}


@pytest.mark.parametrize("case", WRONG_ANSWERS)
def test_wrong_answers_to_a_sub_operation(pair: Pair, case: str) -> None:
    """What is not the response to the sub-operation ends the association."""
    pair.played.act = one_object
    pair.peer.send(REQUEST)
    received(pair.peer)
    pair.peer.send(WRONG_ANSWERS[case])
    assert pair.peer.read() == (7, bytes((0, 0, 2, UNEXPECTED_PARAMETER)))
    assert pair.played.cancelled.wait(PATIENCE)


@pytest.mark.parametrize("pair", [0.5], indirect=True)
def test_silence_instead_of_a_response(pair: Pair) -> None:
    """A peer that never answers a sub-operation is aborted when its time is over."""
    pair.played.act = one_object
    pair.peer.send(REQUEST)
    received(pair.peer)
    assert pair.peer.read() == (7, bytes(4))
    assert pair.played.cancelled.wait(PATIENCE)


@pytest.mark.spec("PS3.7 D.3.3.4 (2024d)")
def test_requests_without_the_role_are_refused(pair: Pair) -> None:
    """A peer that is only the SCP of storage in a context stores nothing through it."""
    pair.peer.send(p_data(3, 3, store("1.2.3")) + p_data(3, 2, b"data"))
    assert pair.peer.status() == 0x0122
