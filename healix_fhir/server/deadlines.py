"""Time and size limits of HTTP connections, which uvicorn lacks: it keeps a half-sent request open for ever.

Each connection is in one phase at a time, and each phase has its deadline: the headers of a request must be complete
in `HEADERS` seconds; its body must bring `BODY_BYTES` in each `BODY` seconds while the server is ready to read it; what
is left of a body when the answer is already sent may take `LINGER` seconds, in which a client can read a refusal; a
caller that does not read its answer is cut after `STALL` seconds without progress; between requests a connection may
be idle for `IDLE` seconds. One sweep a second looks at all connections, so that a request costs no timers, where
uvicorn would start one after each answer.

Spec: RFC 9112 9.5; RFC 9110 15.5.9; RFC 6585 5
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any, ClassVar, cast
from weakref import WeakKeyDictionary

from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from healix_fhir.api.live.stream import LEAVE
from healix_fhir.server.joined_writes import AT_ONCE, JoinedWrites
from healix_fhir.server.whole_answers import PIECES, WHOLE, WholeAnswer

HEADERS = 10.0
HEADER_BYTES = 65_536
BODY = 20.0
BODY_BYTES = 1024
LINGER = 5.0
STALL = 60.0
PROGRESS = 65_536
"""Bytes of an answer that a caller has to take within `STALL`: whoever is slow, and goes on, has all of it."""
IDLE = 5.0
SWEEP = 1.0
CONNECTIONS = 1000
"""Connections of one process; for a further one the one that has been asking for nothing for longest is closed."""


class Phase(Enum):
    """What a connection is waiting for."""

    IDLE = "idle"
    HEADERS = "headers"
    BODY = "body"
    ANSWER = "answer"
    LINGER = "linger"


ENDING = (Phase.IDLE, Phase.LINGER)
"""Phases after which a connection is closed without a word."""


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with deadlines."""

    _sweeping: ClassVar[WeakKeyDictionary[ServerState, bool]] = WeakKeyDictionary()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._phase = Phase.IDLE
        self._deadline = 0.0
        self._received = 0
        self._stalled: float | None = None
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection owes its first request's headers."""
        self._joined = JoinedWrites(transport, self.loop)
        self._secured = transport.get_extra_info("sslcontext") is not None
        if self._secured:
            transport.set_write_buffer_limits(high=AT_ONCE)  # as others have by themselves; those of TLS have 512 KiB
        if len(self.connections) >= CONNECTIONS:
            self._make_room()
        super().connection_made(cast("asyncio.Transport", self._joined))
        self._enter(Phase.HEADERS, HEADERS)
        if not self._sweeping.get(self.server_state):
            self._sweeping[self.server_state] = True
            self.loop.call_later(SWEEP, self._sweep)

    def data_received(self, data: bytes) -> None:
        """Count what arrives; headers without end are refused."""
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEADERS, HEADERS)
        self._received += len(data)
        super().data_received(data)
        if self._phase is Phase.HEADERS and self._received > HEADER_BYTES:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """The body comes next."""
        self._enter(Phase.BODY, BODY)
        self._check_framing()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # else it becomes a web socket
            scope = cast("Scope", self.scope)
            scope[WHOLE] = WholeAnswer(self.cycle, self._joined)
            if self._secured:
                scope[PIECES] = AT_ONCE

    def _check_framing(self) -> None:
        """Refuse what llhttp lets pass; whatever is raised here is answered 400 and ends the connection.

        Spec: RFC 9110 7.2; RFC 9112 6.1
        """
        names = [name for name, _ in self.headers]
        if self.parser.get_http_version() == "1.1":
            if names.count(b"host") != 1:
                raise ValueError("a request names one host")
        elif b"transfer-encoding" in names:
            raise ValueError("HTTP/1.0 has no transfer codings")

    def on_message_complete(self) -> None:
        """The request is complete; how long its answer takes is the application's."""
        super().on_message_complete()
        if cast("RequestResponseCycle | None", self.cycle) is None:
            return  # it becomes a web socket, and has no answer of HTTP
        if self.cycle.response_complete:
            self._enter(Phase.HEADERS, HEADERS)  # the rest of a refused body is read: the next request may come
        else:
            self._enter(Phase.ANSWER, 0.0)

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one's body."""
        if self.pipeline:
            super().on_response_complete()  # begins with the next one
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._phase is Phase.BODY:
            self._enter(Phase.LINGER, LINGER)
        elif self._phase is Phase.ANSWER:
            self._enter(Phase.IDLE, IDLE)

    def shutdown(self) -> None:
        """An answer that has no end by itself is told to come to one."""
        super().shutdown()
        leave = (cast("Scope | None", self.scope) or {}).get(LEAVE)
        if leave is not None:
            leave()

    def pause_writing(self) -> None:
        """The caller does not read as fast as we write."""
        self._await_reading(self.loop.time())
        super().pause_writing()

    def resume_writing(self) -> None:
        """The caller has read."""
        self._stalled = None
        super().resume_writing()

    def _await_reading(self, now: float) -> None:
        self._stalled = now + STALL
        self._unread = self.transport.get_write_buffer_size()

    def _make_room(self) -> None:
        """Close the connection that is nearest to its deadline of those of which no request is complete."""
        silent = [
            one
            for one in self.connections
            if isinstance(one, DeadlineProtocol) and one._phase is not Phase.ANSWER  # noqa: SLF001 - its own class
        ]
        if silent:
            min(silent, key=lambda one: one._deadline).transport.abort()  # noqa: SLF001 - as above

    def _enter(self, phase: Phase, seconds: float) -> None:
        self._phase = phase
        self._received = 0
        self._deadline = self.loop.time() + seconds

    def _sweep(self) -> None:
        """Look at every connection of this server; goes on while there are any."""
        now = self.loop.time()
        for connection in list(self.connections):
            if isinstance(connection, DeadlineProtocol):
                connection._check(now)  # noqa: SLF001 - its own class
        if self.connections:
            self.loop.call_later(SWEEP, self._sweep)
        else:
            self._sweeping[self.server_state] = False

    def _check(self, now: float) -> None:
        if self._stalled is not None and self._unread - self.transport.get_write_buffer_size() >= PROGRESS:
            self._await_reading(now)
        elif self._stalled is not None and now > self._stalled:
            self.transport.abort()
        elif self._phase is Phase.HEADERS and now > self._deadline:
            self._refuse(408)
        elif self._phase in ENDING and now > self._deadline:
            self.transport.close()
        elif self._phase is Phase.BODY:
            self._check_body(now)

    def _check_body(self, now: float) -> None:
        if self.flow.read_paused or self._received >= BODY_BYTES:
            self._enter(Phase.BODY, BODY)  # the server is the slow one, or there is progress
        elif now > self._deadline:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer when nothing is answered yet, and end the connection."""
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self._phase is Phase.HEADERS:
            answerable = self._received > 0
        else:
            answerable = cycle is not None and not cycle.response_started
        if answerable:
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
