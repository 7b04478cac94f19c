"""Answers that are complete go out as one piece, and as uvicorn would send them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from healix_fhir.server.deadlines import DeadlineProtocol
from healix_fhir.server.joined_writes import AT_ONCE
from healix_fhir.server.middleware import Outermost
from healix_fhir.server.origins import Origins
from healix_fhir.server.telemetry import Telemetry
from healix_fhir.server.whole_answers import WHOLE

HEADERS = [(b"content-length", b"2"), (b"x-one", b"1")]
OPEN = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
CLOSING = OPEN.replace(b"host: x", b"host: x\r\nconnection: close")


class Recorder:
    """A transport that keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        """One system call."""
        self.sent.append(data)

    def writelines(self, data: Iterable[bytes]) -> None:
        """One system call too."""
        self.sent.append(b"".join(data))

    def close(self) -> None:
        """The end."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self.closed

    def get_extra_info(self, _name: str) -> None:
        """Nothing is known of the connection."""

    def pause_reading(self) -> None:
        """Reading is not recorded."""

    def resume_reading(self) -> None:
        """Nor here."""


class Secured(Recorder):
    """A transport of TLS."""

    def get_extra_info(self, name: str) -> bool | None:  # type: ignore[override]
        """That it is one."""
        return name == "sslcontext" or None

    def set_write_buffer_limits(self, high: int) -> None:
        """From how many bytes on it says that it has enough."""
        assert high == AT_ONCE


def answered(
    request: bytes, headers: list[tuple[bytes, bytes]], body: bytes, protocol: type[HttpToolsProtocol]
) -> tuple[Recorder, bool | None]:
    """What the transport is told by a request, and what became of sending its answer whole; None: it was not tried."""
    done: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del receive
        if WHOLE in scope:
            done.append(scope[WHOLE](201, headers, body))
        if not any(done):
            await send({"type": "http.response.start", "status": 201, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return talked(app, Recorder(), request, protocol), done[0] if done else None


def talked(app: Any, recorder: Recorder, request: bytes, protocol: type[HttpToolsProtocol]) -> Recorder:
    """The transport, which is told what an application answers."""

    async def go() -> Recorder:
        config = Config(app, log_config=None, server_header=False, date_header=False, proxy_headers=False)
        config.load()
        connection = protocol(config, ServerState(), {}, asyncio.get_running_loop())
        connection.connection_made(cast("asyncio.Transport", recorder))
        connection.data_received(request)
        for _ in range(4):
            await asyncio.sleep(0)
        connection.connection_lost(ConnectionResetError())
        return recorder

    return asyncio.run(go())


@pytest.mark.spec("RFC 9112 2.1")
@pytest.mark.parametrize("request_", [OPEN, CLOSING])
@pytest.mark.parametrize("body", [b"ok", memoryview(b"ok"), bytes(2 * AT_ONCE), memoryview(bytes(2 * AT_ONCE))])
def test_a_whole_answer_is_one_piece_that_uvicorn_would_write(request_: bytes, body: bytes) -> None:
    """Head and body are one write, the same bytes as without, and the connection is closed where it was to be."""
    headers = [(b"content-length", b"%d" % len(body)), *HEADERS[1:]]
    ours, whole = answered(request_, headers, body, DeadlineProtocol)
    theirs, _ = answered(request_, headers, body, HttpToolsProtocol)
    assert whole
    assert ours.sent == [b"".join(theirs.sent)]
    assert ours.closed == theirs.closed == (request_ is CLOSING)


@pytest.mark.parametrize(
    ("request_", "headers"),
    [
        (OPEN.replace(b"POST", b"HEAD"), HEADERS),
        (OPEN, [(b"x-one", b"1")]),
        (OPEN, [(b"content-length", b"2"), (b"connection", b"close")]),
        (OPEN, [(b"transfer-encoding", b"chunked")]),
    ],
)
def test_what_tells_the_server_more_is_left_to_it(request_: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Answers to HEAD, of unknown length or with a word about the connection go out as uvicorn sends them."""
    ours, whole = answered(request_, headers, b"ok", DeadlineProtocol)
    theirs, _ = answered(request_, headers, b"ok", HttpToolsProtocol)
    assert whole is False
    assert b"".join(ours.sent) == b"".join(theirs.sent)


@pytest.mark.spec("RFC 9110 5.5")
@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_no_header_makes_another(value: bytes) -> None:
    """A header with the end of a line in it is not sent."""
    ours, _ = answered(OPEN, [(b"content-length", b"2"), (b"location", value)], b"ok", DeadlineProtocol)
    assert not any(b"set-cookie" in piece or b"ok" in piece or value in piece for piece in ours.sent)


@pytest.mark.parametrize("size", [AT_ONCE, 5 * AT_ONCE + 1])
def test_over_tls_no_answer_is_written_at_once_that_is_large(size: int) -> None:
    """Its transport takes all that it is given, and drops the rest of it when the caller is slow to read."""
    body = bytes(range(256)) * (size // 256) + b"!" * (size % 256)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": body})

    layers = Outermost(app, Telemetry(), secure=True, origins=Origins(""))
    sent = talked(layers, Secured(), OPEN, DeadlineProtocol).sent
    assert b"".join(sent).partition(b"\r\n\r\n")[2] == body
    assert max(map(len, sent)) <= 2 * AT_ONCE
    plain = talked(layers, Recorder(), OPEN, DeadlineProtocol).sent
    assert (len(plain), plain[0].endswith(body)) == (1, True)


def test_an_answered_request_leaves_nothing_to_collect() -> None:
    """What belonged to it goes with its answer: else thousands stay in memory until they are collected."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 201, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b"ok"})

    before = {id(one) for one in _cycles()}
    gc.disable()
    try:
        layers = Outermost(app, Telemetry(), secure=False, origins=Origins(""))
        talked(layers, recorder := Recorder(), 3 * OPEN, DeadlineProtocol)
        left = [one for one in _cycles() if id(one) not in before]
    finally:
        gc.enable()
    assert len(recorder.sent) == 3
    assert len(left) <= 1, "the last one is the connection's own"


def _cycles() -> list[RequestResponseCycle]:
    return [one for one in gc.get_objects() if isinstance(one, RequestResponseCycle)]
