"""Connections that send or read too slowly, over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from starlette.types import Receive, Scope, Send

from healix_fhir.server import deadlines
from tests.support.live_server import listening, serving

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
PATIENCE = 60.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and answers `ok`; `/early` is answered before reading, `/big` with 64 MB."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b"ok" if scope["path"] != "/big" else bytes(64 << 20)
    if scope["path"] != "/early":
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A server whose deadlines are tenths of seconds."""
    for name in ("HEADERS", "BODY", "LINGER", "STALL", "IDLE"):
        monkeypatch.setattr(deadlines, name, 0.4)
    monkeypatch.setattr(deadlines, "SWEEP", 0.05)
    with listening() as listener, serving(app, listener):
        yield listener.getsockname()


def connect(address: tuple[str, int]) -> socket.socket:
    """A connection that fails rather than waits for ever."""
    return socket.create_connection(address, timeout=PATIENCE)


def rest(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection; fails when it does not."""
    received = []
    try:
        while chunk := connection.recv(65536):
            received.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(received)


def answers(connection: socket.socket) -> bool:
    """Whether a request on it is answered."""
    try:
        connection.sendall(GET)
        return connection.recv(65536).startswith(b"HTTP/1.1 200")
    except (ConnectionResetError, BrokenPipeError):
        return False


def test_an_idle_connection_is_closed(address: tuple[str, int]) -> None:
    """A connection that has had its answer and asks for nothing more is closed without a word, also after a second."""
    with connect(address) as connection:
        for _ in range(2):
            connection.sendall(GET)
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(b"\r\n\r\nok")
        assert rest(connection) == b""


@pytest.mark.spec("RFC 9112 9.3.2")
def test_requests_that_come_together_are_answered_in_order(address: tuple[str, int]) -> None:
    """Pipelined requests have their answers one after the other, and the connection is idle after the last."""
    with connect(address) as connection:
        connection.sendall(GET * 3)
        assert rest(connection).count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_headers_that_do_not_come_end_the_connection(address: tuple[str, int], sent: bytes) -> None:
    """A connection that brings no whole header in time is closed, with 408 when something had come."""
    with connect(address) as connection:
        connection.sendall(sent)
        assert rest(connection).startswith(b"HTTP/1.1 408") == bool(sent)


def test_silent_connections_make_room(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are as many connections as there may be, one of those that ask for nothing goes for a new one."""
    monkeypatch.setattr(deadlines, "CONNECTIONS", 3)
    for name in ("HEADERS", "IDLE"):
        monkeypatch.setattr(deadlines, name, 60.0)
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(address)) for _ in range(3)]
        assert all(answers(connection) for connection in silent)
        assert answers(stack.enter_context(connect(address)))
        assert sum(answers(connection) for connection in silent) == 2


def test_headers_that_drip_end_the_connection(address: tuple[str, int]) -> None:
    """A byte now and then does not prolong the deadline of the headers."""
    with connect(address) as connection:
        connection.settimeout(0.1)
        for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 1000:
            try:
                connection.sendall(bytes([byte]))
                if connection.recv(100):
                    return
            except TimeoutError:
                continue
            except OSError:
                return
        raise AssertionError("it is not ended")


def test_endless_headers_are_refused(address: tuple[str, int]) -> None:
    """Headers beyond the limit answer 431 and end the connection."""
    with connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        for _ in range(80):
            try:
                connection.sendall(b"X: " + b"y" * 1000 + b"\r\n")
            except OSError:
                break
        assert rest(connection).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("piece", [b"", b"x"])
def test_a_body_that_does_not_come_ends_the_connection(address: tuple[str, int], piece: bytes) -> None:
    """A body without progress is given up with 408, and the application hears that the caller is gone."""
    with connect(address) as connection:
        connection.sendall(POST + piece)
        assert rest(connection).startswith(b"HTTP/1.1 408")


def test_a_slow_body_with_progress_is_taken(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A large body over a slow line takes longer than any deadline, and is taken."""
    monkeypatch.setattr(deadlines, "BODY", 1.5)
    with connect(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(10):
            time.sleep(0.17)
            connection.sendall(b"x" * 2000)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_an_early_answer_is_readable_and_the_rest_of_the_body_is_not_taken_for_ever(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller still sending can read the refusal; when the body goes on and on, the connection is closed."""
    with connect(address) as connection:
        connection.sendall(POST.replace(b"POST /", b"POST /early"))
        began = time.monotonic()
        received = b""
        try:
            while time.monotonic() - began < PATIENCE:
                connection.sendall(b"x" * 1000)
                time.sleep(0.02)
        except OSError:
            received = b"closed"
        assert received == b"closed"
    for name in ("HEADERS", "BODY", "LINGER", "IDLE"):
        monkeypatch.setattr(deadlines, name, PATIENCE)
    with connect(address) as connection:
        connection.sendall(POST.replace(b"POST /", b"POST /early") + b"x" * 1_000_000)
        assert connection.recv(1000).endswith(b"ok")
        time.sleep(0.1)
        connection.sendall(GET)
        assert connection.recv(1000).endswith(b"ok")


def test_a_caller_that_does_not_read_is_cut(address: tuple[str, int]) -> None:
    """An answer that nobody reads does not stay in memory."""
    with connect(address) as connection:
        connection.sendall(GET.replace(b"GET /", b"GET /big"))
        time.sleep(1.5)
        assert len(rest(connection)) < 64 << 20


def test_a_caller_that_reads_slowly_has_the_whole_answer(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large answer over a slow line takes longer than the deadline, and comes whole."""
    monkeypatch.setattr(deadlines, "STALL", 2.0)
    received = 0
    with connect(address) as connection:
        connection.sendall(GET.replace(b"GET /", b"GET /big"))
        for _ in range(20):
            time.sleep(0.15)
            received += len(connection.recv(2 << 20, socket.MSG_WAITALL))
        assert received + len(rest(connection)) > 64 << 20


def test_a_connection_serves_many_requests_and_pipelined_ones(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deadlines begin anew with each request."""
    for name in ("HEADERS", "IDLE"):
        monkeypatch.setattr(deadlines, name, 1.0)
    with connect(address) as connection:
        for _ in range(6):
            time.sleep(0.2)
            connection.sendall(GET)
            assert connection.recv(1000).endswith(b"ok")
        connection.sendall(GET * 3)
        received = b""
        while received.count(b"ok") < 3:
            received += connection.recv(1000)
