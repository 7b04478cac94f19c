"""HTTPS by the server itself."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from healix_fhir.kernel.settings import Settings
from healix_fhir.server import tls
from healix_fhir.server.tls import https_context, keep_current
from tests.support.certificate import self_signed
from tests.support.live_server import LiveServer, live_server
from tests.support.serve import wait_until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine, with its key."""
    return self_signed(tmp_path_factory.mktemp("tls"), "here", address="127.0.0.1")


@pytest.fixture
def server(database_url: str, tmp_path: Path, certificate: Path) -> Iterator[LiveServer]:
    """A server that speaks HTTPS."""
    with live_server(database_url, tmp_path, tls_certificate=str(certificate)) as running:
        yield running


def handshake(server: LiveServer, trusted: Path, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """The certificate that is shown to a caller who trusts `trusted`."""
    context = ssl.create_default_context(cafile=str(trusted))
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(server.address, 60) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def test_https(server: LiveServer, certificate: Path) -> None:
    """Everything is reached over TLS 1.2 and 1.3, says so in its addresses, and nothing is told without TLS."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    with httpx.Client(base_url=server.url, verify=trusting, timeout=60) as client:
        assert client.get("/readyz").status_code == 200
        answer = client.get("/.well-known/openid-configuration")
    assert answer.json()["issuer"] == server.url
    assert server.url.startswith("https://")
    assert answer.headers["strict-transport-security"]
    first = handshake(server, certificate, ssl.TLSVersion.TLSv1_2)
    assert first == handshake(server, certificate)
    with socket.create_connection(server.address, 60) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"alive" not in plain.recv(65536)


def test_a_renewed_certificate(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewed file is shown to callers that come after; one that cannot be used leaves the last in force."""
    file = tmp_path / "shown.pem"
    file.write_bytes(certificate.read_bytes())
    settings = Settings(tls_certificate=str(file))
    context = https_context(settings)
    assert context is not None
    monkeypatch.setattr(tls, "LOOK", 0.01)
    keep_current(context, settings)
    first = shown(context)
    other = self_signed(tmp_path, "other", address="127.0.0.1")
    file.write_text("no certificate", encoding="utf-8")
    assert shown(context) == first
    file.write_bytes(other.read_bytes())
    wait_until(lambda: shown(context) != first, "the new certificate")


def shown(context: ssl.SSLContext) -> bytes:
    """The certificate that a caller is shown, in a handshake without a socket."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    for side in (theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return theirs.getpeercert(binary_form=True) or b""
