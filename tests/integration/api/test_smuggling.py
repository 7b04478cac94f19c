"""Requests whose end two servers could see at different places, over real sockets: none leads to a second request."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.live_server import listening, serving

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE = 60.0
POST = b"POST /seen HTTP/1.1\r\nHost: x\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)

AMBIGUOUS = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "both lengths, the other way round": POST + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "two equal lengths": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a list of lengths": POST + b"Content-Length: 0, 0\r\n\r\n" + HIDDEN,
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a length in hexadecimal": POST + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "a length that passes 64 bits": POST + b"Content-Length: 18446744073709551616\r\n\r\n" + HIDDEN,
    "a folded header": POST + b"X: a\r\n Content-Length: 0\r\n\r\n" + HIDDEN,
    "a folded length": POST + b"Content-Length:\r\n 0\r\n\r\n" + HIDDEN,
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": POST + b"Content-Length : 0\r\n\r\n" + HIDDEN,
    "lines that end in LF alone": b"POST /seen HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + HIDDEN,
    "one line that ends in LF alone": POST + b"X: a\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a line that ends in CR alone": POST + b"X: a\rContent-Length: 0\r\n\r\n" + HIDDEN,
    "a NUL in a header": POST + b"X: a\0b\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two codings in two headers": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "a chunk size that is none": POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    "a chunk size that passes 64 bits": POST
    + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "a chunk that is longer than said": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + HIDDEN,
    "chunks that end in LF alone": POST + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n" + HIDDEN,
    "chunked in HTTP/1.0": b"POST /seen HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
    b"\r\n0\r\n\r\n" + HIDDEN,
    "two hosts": b"GET /seen HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + HIDDEN,
    "no host": b"GET /seen HTTP/1.1\r\n\r\n" + HIDDEN,
    "a version that is none": b"GET /seen HTTP/1.2\r\nHost: x\r\n\r\n" + HIDDEN,
}

asked: list[str] = []


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Remembers the paths that were asked for, reads the body, answers `ok`."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
    asked.append(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """A server as a web worker runs it."""
    with listening() as listener, serving(app, listener):
        yield listener.getsockname()


def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    """What comes back until the server closes the connection; fails when it does not."""
    received = b""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(sent)
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    return received


@pytest.mark.spec("RFC 9112 5.1, 5.2, 6.1, 6.3, 7.1, 11.2; RFC 9110 7.2")
@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_is_ambiguous_ends_the_connection(address: tuple[str, int], sent: bytes) -> None:
    """The request is refused with 400, what follows it is not read, and no application sees either."""
    asked.clear()
    assert exchange(address, sent).startswith(b"HTTP/1.1 400 ")
    assert asked == []


@pytest.mark.spec("RFC 9112 6.3, 7.1")
def test_what_is_plain_is_read(address: tuple[str, int]) -> None:
    """Requests of known length, in chunks, and without a body follow each other on one connection."""
    asked.clear()
    last = HIDDEN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    sent = (
        POST + LENGTH + b"\r\n" + HIDDEN + POST + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n" + last
    )
    assert exchange(address, sent).count(b"HTTP/1.1 200") == 3
    assert asked == ["/seen", "/seen", "/hidden"]
