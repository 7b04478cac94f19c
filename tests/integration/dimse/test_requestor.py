"""Associations that this server opens: with its own gate, with dcmtk's storescp, and with peers that misbehave."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from dicomweb.dimse.associate import Reject, Roles, reject
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.contexts import VERIFICATION
from dicomweb.dimse.requestor import Failure, Patience, PeerError, Requestor, Response, associate
from tests.bench.dimse_servers import free_port
from tests.integration.dimse.conftest import Server
from tests.support.certificate import self_signed
from tests.support.ct import ct_image
from tests.support.dimse import ABORT, CT, EXPLICIT, IMPLICIT, RELEASE, command, item, p_data, pdu
from tests.support.serve import PATIENCE, wait_until
from tests.support.storage_peers import local, scripted, storescp

OFFERED = [(VERIFICATION, [IMPLICIT]), (CT, [EXPLICIT, IMPLICIT])]
ECHO: Command = {Element.AffectedSOPClassUID: VERIFICATION, Element.CommandField: CommandField.C_ECHO_RQ}
SHORT = Patience(connect=1, associate=0.6, answer=0.6, progress=0.6, release=0.6)


def echo(requestor: Requestor) -> Response:
    """The answer to a C-ECHO."""
    return requestor.ask(requestor.needed(VERIFICATION), ECHO)


def store(requestor: Requestor, instance: str, data: list[bytes]) -> Response:
    """The answer to a C-STORE."""
    fields: Command = {
        Element.AffectedSOPClassUID: CT,
        Element.CommandField: CommandField.C_STORE_RQ,
        Element.Priority: 0,
        Element.AffectedSOPInstanceUID: instance,
    }
    return requestor.ask(requestor.needed(CT), fields, data)


@pytest.mark.spec("PS3.7 9.1.5 (2024d)")
def test_several_requests_on_one_association(server: Server) -> None:
    """Requests follow each other on one association, which is released at the end."""
    with associate(local(server.port), OFFERED) as requestor:
        assert [echo(requestor).status for _ in range(3)] == [0, 0, 0]
    assert server.refused == []


@pytest.mark.spec("PS3.8 9.3.5 (2024d)")
@pytest.mark.parametrize(
    "pieces",
    [[b""], [b"ab"], [b"x" * 131066], [b"y" * 131067], [b"z" * 500_001, b"", b"abc" * 7, b"d"]],
    ids=["empty", "small", "one PDU", "one byte more", "several pieces of odd lengths"],
)
def test_data_sets_arrive_whole(server: Server, pieces: list[bytes]) -> None:
    """A data set arrives as it was given, however it was cut."""
    with associate(local(server.port), OFFERED) as requestor:
        assert store(requestor, "1.2.3", pieces).status == 0
    assert server.kept.whole == [b"".join(pieces)]


def test_a_block_that_fails_aborts(server: Server) -> None:
    """An error within the block aborts the association, in the middle of an object too."""

    def broken() -> Iterator[bytes]:
        yield bytes(1 << 18)
        raise KeyError

    with pytest.raises(KeyError), associate(local(server.port), OFFERED) as requestor:
        requestor.request(
            requestor.needed(CT),
            {Element.CommandField: CommandField.C_STORE_RQ, Element.AffectedSOPInstanceUID: "1.2"},
            broken(),
        )
    wait_until(lambda: server.kept.cancelled, "the end of the object")
    assert (len(server.kept.cancelled), server.kept.whole) == (1, [])


def an_object(folder: Path) -> tuple[Dataset, bytes]:
    """A CT image, and its data set as bytes."""
    study = generate_uid(prefix=None)
    image = ct_image(folder / "image.dcm", study=study, series=study + ".1")
    stored = (folder / "image.dcm").read_bytes()
    return image, stored[stored.index(b"\x08\x00\x16\x00UI") :]


@pytest.mark.parametrize("longest", ["4096", "16384", "131072"])
def test_storescp_of_dcmtk(tmp_path: Path, longest: str) -> None:
    """The storescp of dcmtk answers an echo and stores an object whole, with short PDUs and long ones."""
    image, data = an_object(tmp_path)
    kept = tmp_path / "kept"
    kept.mkdir()
    with storescp(kept, "-pdu", longest) as remote, associate(remote, OFFERED) as requestor:
        assert requestor.agreed.maximum == int(longest)
        assert echo(requestor).status == 0
        assert store(requestor, image.SOPInstanceUID, [data]).status == 0
    (file,) = kept.iterdir()
    assert dcmread(file).PixelData == image.PixelData


@pytest.mark.spec("PS3.15 B.9 (2024d)")
def test_over_tls(tmp_path: Path) -> None:
    """Over TLS an object is stored whole when the peer's certificate is trusted, and nothing is said when it is not."""
    file = self_signed(tmp_path, "archive.example", address="127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(file))
    image, data = an_object(tmp_path)
    (tmp_path / "kept").mkdir()
    with storescp(tmp_path / "kept", "+tls", str(file), str(file), "-ic") as remote:
        with associate(replace(remote, tls=trusting), OFFERED) as requestor:
            assert echo(requestor).status == 0
            assert store(requestor, image.SOPInstanceUID, [data]).status == 0
        stranger = replace(remote, tls=ssl.create_default_context())
        with pytest.raises(PeerError, match="over TLS") as raised, associate(stranger, OFFERED):
            pass
        assert raised.value.failure is Failure.UNREACHABLE
    assert len(list((tmp_path / "kept").iterdir())) == 1


def acceptance(context: bytes = item(0x21, b"\x01\x00\x00\x00" + item(0x40, IMPLICIT.encode()))) -> bytes:
    """An A-ASSOCIATE-AC that accepts verification."""
    user = item(0x50, item(0x51, (16384).to_bytes(4, "big")))
    return pdu(2, b"\x00\x01\x00\x00" + bytes(64) + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user)


def response(message: int = 1, *, status: bool = True, data_set: int = 0x0101) -> bytes:
    """A C-ECHO response."""
    fields: dict[int, int | str] = {0x0100: 0x8030, 0x0120: message, 0x0800: data_set}
    return p_data(1, 3, command(fields | ({0x0900: 0} if status else {})))


WRONG: dict[str, tuple[tuple[bytes, ...], Failure, str]] = {
    "hangs up": ((b"",), Failure.LOST, "lost"),
    "aborts": ((ABORT,), Failure.ABORTED, "aborted the association"),
    "sends no PDU": ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Failure.CONFUSED, "unknown PDU type"),
    "answers otherwise": ((response(),), Failure.CONFUSED, "instead of an A-ASSOCIATE-AC"),
    "accepts what was not proposed": ((acceptance(item(0x21, b"\x09\x00\x00\x00")),), Failure.CONFUSED, "proposed"),
    "accepts nothing": ((acceptance(b""),), Failure.NOT_ACCEPTED, "does not accept the SOP class"),
    "aborts later": ((acceptance(), ABORT), Failure.ABORTED, "aborted the association"),
    "hangs up later": ((acceptance(), b""), Failure.LOST, "lost"),
    "releases instead": ((acceptance(), RELEASE, b""), Failure.LOST, "ended the association"),
    "answers another message": ((acceptance(), response(9)), Failure.CONFUSED, "something else"),
    "answers without a status": ((acceptance(), response(status=False)), Failure.CONFUSED, "without a status"),
    "answers in no context": ((acceptance(), p_data(3, 3, b"x")), Failure.CONFUSED, "presentation context"),
    "sends data first": ((acceptance(), p_data(1, 2, b"x")), Failure.CONFUSED, "a data set without a command"),
    "sends a broken command": ((acceptance(), p_data(1, 3, b"xyz")), Failure.CONFUSED, "a command set"),
    "sends an endless command": ((acceptance(), p_data(1, 1, bytes(17 << 10))), Failure.CONFUSED, "too long"),
    "sends a second command for data": (
        (acceptance(), response(data_set=1) + response()),
        Failure.CONFUSED,
        "something else than the data set",
    ),
    "sends endless data": (
        (acceptance(), response(data_set=1) + 11 * p_data(1, 0, bytes(100_000))),
        Failure.CONFUSED,
        "an answer of more than",
    ),
}


@pytest.mark.spec("PS3.8 9.2 (2024d)")
@pytest.mark.parametrize("way", WRONG)
def test_peers_that_misbehave_are_told_of(way: str) -> None:
    """Whatever a peer does wrong is one error, which names the peer and what it did."""
    answers, failure, said = WRONG[way]
    with scripted(*answers) as remote:
        with pytest.raises(PeerError, match=said) as raised, associate(remote, OFFERED) as requestor:
            echo(requestor)
        assert raised.value.failure is failure
        assert str(remote) in raised.value.message


@pytest.mark.spec("PS3.8 9.3.4 (2024d)")
@pytest.mark.parametrize("reason", Reject)
def test_rejections_may_pass_or_not(reason: Reject) -> None:
    """A rejected association says why, and whether trying again makes sense."""
    with scripted(reject(reason)) as remote:
        with pytest.raises(PeerError, match="rejected the association") as raised, associate(remote, OFFERED):
            pass
        assert raised.value.failure is Failure.REJECTED
        assert raised.value.transient is (reason in {Reject.TEMPORARY_CONGESTION, Reject.LOCAL_LIMIT_EXCEEDED})


@pytest.mark.parametrize("answers", [(), (acceptance(),), (acceptance(), p_data(1, 1, b"x"))])
def test_silent_peers_are_left(answers: tuple[bytes, ...]) -> None:
    """A peer that is silent before the association, before its answer or within it costs its time and no more."""
    with scripted(*answers, hang=True) as remote:
        with pytest.raises(PeerError) as raised, associate(remote, OFFERED, patience=SHORT) as requestor:
            echo(requestor)
        assert raised.value.failure is Failure.TIMED_OUT


def test_a_peer_that_does_not_release_is_left() -> None:
    """One that sends on and on instead of answering the release costs its time and no more."""
    listener = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(acceptance())
            while True:
                connection.sendall(p_data(1, 1, b"x"))
                time.sleep(0.05)

    thread = Thread(target=send)
    thread.start()
    with associate(local(listener.getsockname()[1]), OFFERED, patience=SHORT):
        pass
    thread.join(PATIENCE)
    listener.close()


def test_a_peer_that_does_not_listen_is_unreachable() -> None:
    """A closed port and a name that nobody has are told as what they are."""
    for remote in (local(free_port()), replace(local(104), host="nobody.invalid")):
        with pytest.raises(PeerError, match="cannot be reached") as raised, associate(remote, OFFERED):
            pass
        assert raised.value.failure is Failure.UNREACHABLE


def test_waiting_ends_when_the_server_stops() -> None:
    """Who stops does not wait for a silent peer."""
    stop = Event()
    stop.set()
    with scripted(hang=True) as remote:
        with pytest.raises(PeerError) as raised, associate(remote, OFFERED, stop=stop):
            pass
        assert raised.value.failure is Failure.STOPPED


@pytest.mark.spec("PS3.7 D.3.3.4 (2024d)")
def test_roles_are_proposed_and_heard() -> None:
    """The roles that the peer agrees to are those of the association."""
    agreed = item(0x54, len(CT).to_bytes(2, "big") + CT.encode() + b"\x00\x01")
    body = acceptance()[6:]
    answer = pdu(2, body[: body.rindex(b"\x50\x00")] + item(0x50, agreed))
    with (
        scripted(answer, pdu(6, bytes(4))) as remote,
        associate(remote, OFFERED, roles={CT: Roles(scu=False, scp=True)}) as requestor,
    ):
        assert requestor.agreed.roles == {CT: Roles(scu=False, scp=True)}
