"""Associations over TLS: who is let in, by which version and suite, and that nobody is kept out by who only greets."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from psycopg import Connection
from psycopg_pool import ConnectionPool
from structlog.testing import capture_logs

from dicomweb.dimse import calling, peers
from dicomweb.dimse.door import Door, listen
from dicomweb.dimse.gate import Gate
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.requestor import PeerError, Remote, associate
from dicomweb.dimse.tls import acceptor_context, renewing, requestor_context
from dicomweb.study.retrieve import select
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.settings import Settings
from smart_auth.access import internal
from tests.support.certificate import Authority
from tests.support.ct import ct_image
from tests.support.dimse import ECHO, IMPLICIT, RELEASE, VERIFICATION, Peer, p_data, request, store
from tests.support.dimse_service import Ports, serving_ports
from tests.support.serve import PATIENCE
from tests.support.tools import require_tool

pytestmark = pytest.mark.spec("PS3.15 B.12 (2024d)")

Pool = ConnectionPool[Connection[Row]]
LIMITS = Limits(artim=2, progress=2, idle=10, drain=2, data_set=64 << 20)
MEMORY = 64 << 20


@dataclass(frozen=True)
class Clinic:
    """The certificates of a clinic: its authority, this server, a device, and a device of somebody else's."""

    authority: Path
    server: Path
    device: Path
    stranger: Path


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Two authorities, of which the server trusts one."""
    at = tmp_path_factory.mktemp("certificates")
    ours, other = Authority.made(at, "clinic"), Authority.made(at, "elsewhere")
    server, device = ours.issue(at, "healix", address="127.0.0.1"), ours.issue(at, "ct1")
    return Clinic(ours.file, server, device, other.issue(at, "stranger"))


def configured(clinic: Clinic, data_dir: Path, *, mutual: bool = True) -> Settings:
    """The settings of a server with a port for TLS."""
    return replace(
        Settings(),
        data_dir=data_dir,
        dimse_tls_certificate=str(clinic.server),
        dimse_tls_ca=str(clinic.authority),
        dimse_tls_mutual=mutual,
    )


@pytest.fixture
def ports(clinic: Clinic, pool: Pool, tmp_path: Path) -> Iterator[Ports]:
    """The service with both ports, and the peer MODALITY."""
    with serving_ports(configured(clinic, tmp_path / "data"), pool, LIMITS) as running:
        yield running


class SecurePeer(Peer):
    """A raw connection over TLS."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port)
        self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")


def device(clinic: Clinic) -> ssl.SSLContext:
    """What a device of the clinic speaks."""
    context = ssl.create_default_context(cafile=clinic.authority)
    context.load_cert_chain(clinic.device)
    return context


def echo(port: int, context: ssl.SSLContext) -> None:
    """Associate and verify over TLS."""
    with SecurePeer(port, context) as peer:
        peer.associate()
        peer.send(p_data(1, 3, ECHO))
        assert peer.status() == 0


def refusals(pool: Pool) -> list[str]:
    """What the audit trail says of refused connections, once it says something."""
    until = time.monotonic() + PATIENCE
    while True:
        with pool.connection() as connection:
            rows = connection.execute(
                "SELECT query FROM audit_event WHERE outcome = 4 AND subtype = 'A-ASSOCIATE' ORDER BY seq"
            ).fetchall()
        if rows or time.monotonic() > until:
            return [row[0] for row in rows]
        time.sleep(0.05)


def dcmtk(tool: str, port: int, *options: str | Path, files: tuple[Path, ...] = ()) -> int:
    """The exit code of one of dcmtk's tools."""
    command = [require_tool(tool), "-aet", "MODALITY", "-aec", "HEALIX", *options, "127.0.0.1", str(port), *files]
    return subprocess.run(list(map(str, command)), capture_output=True, check=False, timeout=60).returncode


def test_storescu(ports: Ports, pool: Pool, clinic: Clinic, tmp_path: Path) -> None:
    """A device of the clinic verifies and stores over TLS with dcmtk, whose profile is the standard's."""
    own = ("+tls", clinic.device, clinic.device, "+cf", clinic.authority)
    image = ct_image(tmp_path / "image.dcm", study="2.25.7", series="2.25.7.1")
    assert dcmtk("echoscu", ports.tls, *own) == 0
    assert dcmtk("storescu", ports.tls, *own, "-xe", files=(tmp_path / "image.dcm",)) == 0
    (row,) = transaction(pool, lambda: select(internal("test"), [("StudyInstanceUID", ["2.25.7"])]))
    assert row.instance == image.SOPInstanceUID


STRANGERS = {
    "of another authority": ("stranger", "TLS: CERTIFICATE_VERIFY_FAILED"),
    "without a certificate": ("", "TLS: PEER_DID_NOT_RETURN_A_CERTIFICATE"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_who_has_no_certificate_of_ours_is_refused(ports: Ports, pool: Pool, clinic: Clinic, stranger: str) -> None:
    """Neither a certificate of another authority nor none at all lets anybody in; the audit trail says which it was."""
    name, reason = STRANGERS[stranger]
    own = ("+tls", clinic.stranger, clinic.stranger) if name else ("+tla",)
    assert dcmtk("echoscu", ports.tls, *own, "+cf", clinic.authority) != 0
    assert refusals(pool) == [reason]


def test_a_peer_that_does_not_trust_us(ports: Ports, pool: Pool, clinic: Clinic) -> None:
    """Who does not know the authority of our certificate hangs up, and we say that it did."""
    assert dcmtk("echoscu", ports.tls, "+tls", clinic.device, clinic.device, "+cf", clinic.stranger) != 0
    assert refusals(pool) == ["TLS: TLSV1_ALERT_UNKNOWN_CA"]


def test_without_mutual_authentication(clinic: Clinic, pool: Pool, tmp_path: Path) -> None:
    """By setting, peers need no certificate; ours they check all the same."""
    with serving_ports(configured(clinic, tmp_path / "data", mutual=False), pool, LIMITS) as ports:
        assert dcmtk("echoscu", ports.tls, "+tla", "+cf", clinic.authority) == 0


OLD = {
    "TLS 1.1": (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", "TLS: UNSUPPORTED_PROTOCOL"),
    "no authenticated encryption": (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256", "TLS: NO_SHARED_CIPHER"),
}


@pytest.mark.parametrize("old", OLD)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_nothing_old_is_spoken(ports: Ports, pool: Pool, clinic: Clinic, old: str) -> None:
    """There is no downgrade: old versions and suites are refused, whoever asks for them."""
    version, suites, reason = OLD[old]
    context = device(clinic)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    context.set_ciphers(suites)
    with pytest.raises(ssl.SSLError):
        SecurePeer(ports.tls, context)
    assert refusals(pool) == [reason]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_versions(ports: Ports, clinic: Clinic, version: str) -> None:
    """TLS 1.3 is spoken, and 1.2 with who cannot."""
    context = device(clinic)
    context.maximum_version = ssl.TLSVersion.TLSv1_2 if version == "TLSv1.2" else ssl.TLSVersion.TLSv1_3
    with SecurePeer(ports.tls, context) as peer:
        assert isinstance(peer.socket, ssl.SSLSocket)
        assert peer.socket.version() == version
        peer.associate()


def test_we_call_as_we_are_called(ports: Ports, clinic: Clinic, tmp_path: Path) -> None:
    """What our own requests go out with is let in at a door like ours: it shows our certificate and trusts the clinic's
    authority, whatever the host is called.
    """
    own = requestor_context(configured(clinic, tmp_path))
    remote = Remote("HEALIX", "127.0.0.1", ports.tls, calling="MODALITY", tls=own)
    with associate(remote, [(VERIFICATION, [IMPLICIT])]):
        pass
    alone = requestor_context(replace(configured(clinic, tmp_path), dimse_tls_ca=""))
    with pytest.raises(PeerError, match="CERTIFICATE_VERIFY_FAILED"), associate(replace(remote, tls=alone), []):
        pass


def test_peers_of_tls_are_called_over_tls(
    ports: Ports, clinic: Clinic, monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    """A peer that is spoken with over TLS only is never called without; the environment says with what."""
    monkeypatch.setenv("HEALIX_DIMSE_TLS_CERTIFICATE", str(clinic.server))
    monkeypatch.setenv("HEALIX_DIMSE_TLS_CA", str(clinic.authority))
    for name, port, tls in (("HEALIX", ports.tls, True), ("PLAIN", ports.plain, False)):
        peer = transaction(pool, partial(peers.add, name, "127.0.0.1", port, tls=tls))
        remote = calling.remote_of(peer)
        assert (remote.tls is not None) is tls
        with associate(replace(remote, aet="HEALIX", calling="MODALITY"), [(VERIFICATION, [IMPLICIT])]):
            pass


UNUSABLE = {
    "no trust": ({"dimse_tls_ca": ""}, "HEALIX_DIMSE_TLS_CA must be set, or HEALIX_DIMSE_TLS_MUTUAL=false"),
    "no such certificate": ({"dimse_tls_certificate": "/nowhere"}, "HEALIX_DIMSE_TLS_CERTIFICATE names no file"),
    "another's key": ({"dimse_tls_key": "{stranger}"}, "HEALIX_DIMSE_TLS_CERTIFICATE and HEALIX_DIMSE_TLS_KEY hold"),
    "no certificates to trust": ({"dimse_tls_ca": __file__}, "HEALIX_DIMSE_TLS_CA holds no certificates"),
    "an encrypted key": ({"dimse_tls_key": "{locked}"}, "HEALIX_DIMSE_TLS_KEY is encrypted"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_settings_that_cannot_be(clinic: Clinic, tmp_path: Path, name: str) -> None:
    """Each is refused at the start, with the name of the setting."""
    changes, message = UNUSABLE[name]
    locked = tmp_path / "locked.pem"
    key = serialization.load_pem_private_key(clinic.server.read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    files = {"stranger": str(clinic.stranger), "locked": str(locked)}
    changed: dict[str, Any] = {field: value.format(**files) for field, value in changes.items()}
    settings = replace(configured(clinic, tmp_path), **changed)
    with pytest.raises(HealixError, match=re.escape(message)):
        acceptor_context(settings)


def test_a_certificate_is_renewed_without_an_end(clinic: Clinic, pool: Pool, tmp_path: Path) -> None:
    """A changed file counts from the next connection on; one that cannot be used does not."""
    own = tmp_path / "own.pem"
    own.write_bytes(clinic.stranger.read_bytes())
    settings = replace(configured(clinic, tmp_path / "data"), dimse_tls_certificate=str(own))
    with serving_ports(settings, pool, LIMITS) as ports:
        with pytest.raises(ssl.SSLCertVerificationError):
            echo(ports.tls, device(clinic))
        for content in (clinic.server.read_bytes(), b"half of it"):
            own.write_bytes(content)
            echo(ports.tls, device(clinic))


def test_broken_certificates_are_read_and_told_of_once(clinic: Clinic, tmp_path: Path) -> None:
    """Not at each connection: whoever calls often does not cost more while an operator mends the files."""
    own = tmp_path / "own.pem"
    own.write_bytes(clinic.server.read_bytes())
    current = renewing(replace(configured(clinic, tmp_path / "data"), dimse_tls_certificate=str(own)))
    assert current is not None
    good = current()
    own.write_bytes(b"half of it")
    with capture_logs() as told:
        assert [current() for _ in range(3)] == [good] * 3
    assert [entry["log_level"] for entry in told] == ["warning"]
    own.write_bytes(clinic.server.read_bytes())
    assert current() is not good


def test_who_is_gone_before_it_is_greeted_drives_nobody_out(clinic: Clinic, tmp_path: Path) -> None:
    """Connections that are reset before they are accepted are none; the one that waits longest goes on waiting."""
    door = Door(listen("127.0.0.1", 0), renewing(configured(clinic, tmp_path)))
    port = int(door.listener.getsockname()[1])
    gate, stop = Gate([door], lambda *_: None, LIMITS, lambda *_: None), Event()
    with Peer(port) as waiting:
        for _ in range(5):
            with Peer(port) as gone:
                gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.1)
        thread = Thread(target=gate.run, args=(stop,))
        thread.start()
        waiting.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            waiting.socket.recv(1)
        stop.set()
        thread.join(PATIENCE)


def test_an_end_within_an_association(clinic: Clinic, pool: Pool, tmp_path: Path) -> None:
    """The end of the server cuts an association over TLS off, in whatever it is; nothing is sent without TLS."""
    limits = replace(LIMITS, drain=0.2)
    with serving_ports(configured(clinic, tmp_path / "data"), pool, limits) as ports:
        peer = SecurePeer(ports.tls, device(clinic))
        peer.associate()
        peer.send(p_data(3, 3, store("1.2.3")) + p_data(3, 0, b"part"))
    with peer:
        assert peer.socket.recv(10) == b""


def test_no_certificate_no_port() -> None:
    """Without a certificate nothing is listened to over TLS."""
    assert acceptor_context(Settings()) is None


def test_a_conversation_in_one_record(ports: Ports, clinic: Clinic) -> None:
    """What comes decrypted together, of which the socket tells only once, is all answered; then TLS is closed."""
    with SecurePeer(ports.tls, device(clinic)) as peer:
        peer.send(request() + p_data(1, 3, ECHO) + RELEASE)
        assert [answer[0] for answer in (peer.read(), peer.read(), peer.read()) if answer] == [2, 4, 6]
        assert isinstance(peer.socket, ssl.SSLSocket)
        peer.socket.unwrap()


def test_a_large_object(ports: Ports, clinic: Clinic) -> None:
    """Many records make a PDU and many PDUs an object; here one that nobody understands, when it has come whole."""
    with SecurePeer(ports.tls, device(clinic)) as peer:
        peer.associate()
        peer.send(p_data(3, 3, store("1.2.3")))
        for n in range(50):
            peer.send(p_data(3, 2 if n == 49 else 0, bytes(100_000)))
        assert peer.status() == 0xC000


def test_both_ports_go_by_one_policy(ports: Ports, pool: Pool, clinic: Clinic) -> None:
    """A peer that is spoken with over TLS only is unknown at the other port, and unknown callers are at both."""
    transaction(pool, lambda: peers.add("MODALITY", "127.0.0.1", 104, tls=True))
    echo(ports.tls, device(clinic))
    with pool.connection() as connection:
        found = connection.execute("SELECT outcome, query FROM audit_event WHERE subtype = 'A-ASSOCIATE'").fetchall()
    assert found == [(0, "TLS")]
    with Peer(ports.plain) as peer:
        peer.send(request())
        assert peer.read() == (3, bytes((0, 1, 1, 3)))
    with SecurePeer(ports.tls, device(clinic)) as peer:
        peer.send(request(calling="STRANGER"))
        assert peer.read() == (3, bytes((0, 1, 1, 3)))


def test_the_wrong_port(ports: Ports, pool: Pool, clinic: Clinic) -> None:
    """Without TLS nothing is said at the port for it; a greeting of TLS at the other one is no PDU."""
    with Peer(ports.tls) as peer:
        peer.send(request())
        answer = peer.read()
        assert answer is None or answer[0] == 21  # an alert, read as if it were a PDU
    assert refusals(pool) == ["TLS: WRONG_VERSION_NUMBER"]
    with pytest.raises(ssl.SSLError):
        SecurePeer(ports.plain, device(clinic))


def test_who_only_greets_keeps_nobody_out(clinic: Clinic, pool: Pool, tmp_path: Path) -> None:
    """With 200 connections that say nothing, and 40 that stop within the handshake, good peers of both ports verify
    within a second; memory stays within bounds, and the handshakes have one deadline.
    """
    hello = ssl.MemoryBIO()
    half = device(clinic).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    begun = hello.read()
    before = psutil.Process().memory_info().rss
    with serving_ports(configured(clinic, tmp_path / "data"), pool, LIMITS) as ports, ExitStack() as held:
        for _ in range(200):
            held.enter_context(Peer(ports.tls))
        halves = [held.enter_context(Peer(ports.tls)) for _ in range(40)]
        for n, one in enumerate(halves):
            one.send(begun if n % 2 else begun[:100])
        echo(ports.tls, device(clinic))
        with Peer(ports.plain) as good:
            good.associate()
        assert psutil.Process().memory_info().rss - before < MEMORY
        while halves[0].socket.recv(4096):
            pass  # until the deadline: what TLS answered to the half greeting, if anything, then the end


def test_a_dripping_association_over_tls(ports: Ports, clinic: Clinic) -> None:
    """Over TLS, too, a PDU that does not come whole within its time ends the association."""
    with SecurePeer(ports.tls, device(clinic)) as peer:
        peer.associate()
        for byte in p_data(1, 3, ECHO)[:12]:
            peer.send(bytes((byte,)))
            time.sleep(0.1)
        assert peer.read() == (7, bytes(4))


def test_a_peer_that_hangs_up_within_the_greeting(ports: Ports, clinic: Clinic, pool: Pool) -> None:
    """Somebody who only looks whether the port is open leaves no refusal and no connection."""
    with socket.create_connection(("127.0.0.1", ports.tls)):
        pass
    echo(ports.tls, device(clinic))
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM audit_event WHERE outcome = 4").fetchall() == [(0,)]
