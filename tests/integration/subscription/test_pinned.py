"""Notifications go to the address that was checked, and TLS verifies the name."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from healix_fhir.kernel import pinned
from healix_fhir.subscription import send
from tests.support.receiver import Receiver

NAME = "hook.healix.test"


def notice(url: str) -> send.Notice:
    """A notification to `url`."""
    return send.Notice(1, "s", "Observation", "o", 1, url, (), b"{}")


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name resolves to this machine when it is checked, and to nothing when it is looked up again."""
    monkeypatch.setattr(send, "resolve", lambda *_args, **_keywords: "127.0.0.1")


@pytest.mark.usefixtures("resolved")
def test_the_checked_address_is_used(receiver: Receiver) -> None:
    """The connection goes to the address that was checked, the request still names the host."""
    assert send.send(notice(f"http://{NAME}:{receiver.port}/hook"), allow_private=True) is None
    assert receiver.seen[0].headers["host"] == f"{NAME}:{receiver.port}"


def certificate(directory: Path) -> Path:
    """A certificate for `NAME` that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a TLS server whose certificate is trusted."""
    file = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(pinned, "_tls", lambda: trusting)

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Stay quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("resolved")
def test_tls_verifies_the_name(tls: int) -> None:
    """Over TLS the certificate must be the host's, although the connection is made to an address."""
    assert send.send(notice(f"https://{NAME}:{tls}/hook"), allow_private=True) is None
    for host in ("other.healix.test", "127.0.0.1"):
        failure = send.send(notice(f"https://{host}:{tls}/hook"), allow_private=True)
        assert failure is not None
        assert failure.reason == "the endpoint's certificate is not valid"
