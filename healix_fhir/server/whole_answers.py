"""Answers that are complete when they are sent, as nearly all are: head and body go out as one piece.

An ASGI server gets the head of an answer and its body in two messages. uvicorn looks at each header five times and
writes twice; that cost a create 5 µs. So the HTTP protocol puts into the scope what takes a whole answer, and the
outermost layer of the application uses it where it is there.

Spec: RFC 9112 2.1, 6
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from healix_fhir.server.joined_writes import JoinedWrites

WHOLE = "healix.whole"
"""Where it stands in the scope of a request; it is called with status, headers and body."""

PIECES = "healix.pieces"
"""Where it stands in the scope of a request that no more bytes than these are to be written at once. A transport of TLS
takes whatever comes, says that all of it is written, and drops what the caller has not read half a minute after it is
told to close.
"""

OTHERS = frozenset({b"connection", b"transfer-encoding"})
"""Headers that tell the server more than it is to send; such answers are left to uvicorn."""


def pieces(message: Message, most: int) -> Iterator[Message]:
    """A part of an answer, in parts of at most `most` bytes."""
    body = message.get("body", b"")
    if len(body) <= most:
        yield message
        return
    for start in range(0, len(body), most):
        more = message.get("more_body", False) or start + most < len(body)
        yield {**message, "body": body[start : start + most], "more_body": more}


class WholeAnswer:
    """The answer to one request."""

    __slots__ = ("_cycle", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: JoinedWrites) -> None:
        self._cycle = cycle
        self._transport = transport

    def __call__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send it; False when that is left to the messages of ASGI.

        Raises ValueError for headers with ends of lines in them, which would make others of what a caller sent.
        """
        cycle = self._cycle
        names = dict(headers)
        if (
            cycle.response_started
            or cycle.disconnected
            or cycle.flow.write_paused
            or cycle.scope["method"] == "HEAD"
            or names.get(b"content-length") != b"%d" % len(body)
            or not OTHERS.isdisjoint(names)
        ):
            return False
        lines = [b": ".join(header) for header in (*cycle.default_headers, *headers)]
        if not cycle.keep_alive:
            lines.append(b"connection: close")
        text = b"".join(lines)
        if b"\r" in text or b"\n" in text or b"\0" in text:
            raise ValueError("a header holds a control character")
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self._transport.write_now(b"".join((STATUS_LINE[status], b"\r\n".join(lines), b"\r\n\r\n")), body)
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._transport.close()
        cycle.on_response()
        return True
