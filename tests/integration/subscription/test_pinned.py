"""Notifications go to the address that was checked, and TLS verifies the name."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from healix_fhir.kernel import pinned
from healix_fhir.kernel.endpoint import check_endpoint
from healix_fhir.subscription import send
from tests.support.certificate import self_signed
from tests.support.receiver import Receiver

NAME = "hook.healix.test"


def notice(url: str) -> send.Notice:
    """A notification to `url`."""
    return send.Notice(url, (), b"{}", "PUT")


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name resolves to this machine when it is checked, and to nothing when it is looked up again."""
    monkeypatch.setattr(send, "resolve", lambda *_args, **_keywords: "127.0.0.1")


@pytest.mark.usefixtures("resolved")
def test_the_checked_address_is_used(receiver: Receiver) -> None:
    """The connection goes to the address that was checked, the request still names the host."""
    assert send.send(notice(f"http://{NAME}:{receiver.port}/hook"), allow_private=True) is None
    assert receiver.seen[0].headers["host"] == f"{NAME}:{receiver.port}"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a TLS server whose certificate is trusted."""
    file = self_signed(tmp_path, NAME)
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


@pytest.fixture
def dawdler() -> Iterator[int]:
    """The port of a server that begins a TLS handshake and sends a byte of it now and then, without end."""
    over = Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def dawdle() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"\x16\x03\x03\x3f\x00\x02\x00\x3e\xfc")
            while not over.wait(0.05):
                connection.sendall(b"\0")

    thread = Thread(target=dawdle)
    thread.start()
    yield listening.getsockname()[1]
    over.set()
    listening.close()
    thread.join()


def test_the_deadline_holds_while_tls_begins(dawdler: int) -> None:
    """A server that lets the handshake go on for ever keeps nobody longer than the deadline."""
    endpoint = check_endpoint(f"https://{NAME}:{dawdler}/", allow_private=True)
    with pytest.raises(OSError), pinned.pinned(endpoint, "127.0.0.1", deadline=0.3):
        pass
