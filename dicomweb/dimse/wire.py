"""One connected socket: whole PDUs in, within a size and a time, and PDUs out.

The socket blocks in the kernel, outside the interpreter lock. What is there is taken at once, several PDUs if they have
come; what a PDU still lacks is waited for in one call (`MSG_WAITALL`): each call gives the lock away and must win it
back, which is what costs when many associations send. The kernel's receive timeout (`TICK`) only serves to look at the
deadlines. Acknowledgements are not delayed (`TCP_QUICKACK`, armed again for each PDU because the kernel disarms it): a
sender that leaves Nagle's algorithm on otherwise waits 40 ms for each object.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Sequence
from threading import Event

from dicomweb.dimse.pdu import HEADER, PDUType, checked_type

TICK = 0.5
BUFFER = 512 << 10
"""How much may be taken at once: about one CT image."""
MOST_BUFFERS = 1000
"""Buffers that the kernel takes in one call: 1024 on Linux."""
QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class ClosedError(Exception):
    """The peer closed or reset the connection, in the middle of a PDU or between two."""


class ExpiredError(Exception):
    """The peer sent nothing, or not enough, within its time."""


class StoppingError(Exception):
    """The server stops; raised only where no PDU has begun."""


def tune(connection: socket.socket, *, sending: float = 10) -> None:
    """Set the options of a socket: blocking, with kernel timeouts, and without Nagle's delay.

    `sending`: how many seconds the peer may take nothing of what is sent.
    """
    connection.setblocking(True)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(TICK))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(sending))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _timeval(duration: float) -> bytes:
    seconds, fraction = divmod(duration, 1)
    return struct.pack("ll", int(seconds), int(fraction * 1_000_000))


class Wire:
    """Reads PDUs of at most `limit` bytes through one buffer and writes PDUs."""

    def __init__(self, connection: socket.socket, *, limit: int, stop: Event) -> None:
        self._connection = connection
        self._limit = limit
        self._stop = stop
        self._buffer = memoryview(bytearray(max(BUFFER, HEADER.size + limit)))
        self._start = self._end = 0  # what has come and was not taken yet

    def read(self, *, idle: float, progress: float, interruptible: bool) -> tuple[PDUType, memoryview]:
        """The next PDU; its body is valid until the next call.

        Waits `idle` seconds for the first byte and then `progress` seconds for the whole. Raises ClosedError,
        ExpiredError, ProtocolError (type or length, seen before the body is read) and, if `interruptible`,
        StoppingError.
        """
        self._quick()
        if self._start == self._end:
            self._start = self._end = 0
            self._await(time.monotonic() + idle, interruptible)
        deadline = time.monotonic() + progress
        self._need(HEADER.size, deadline)
        kind, length = HEADER.unpack_from(self._buffer, self._start)
        known = checked_type(kind, length, self._limit)
        self._need(HEADER.size + length, deadline)
        begin = self._start + HEADER.size
        self._start = begin + length
        return known, self._buffer[begin : self._start]

    def has_come(self) -> bool:
        """Whether something of a next PDU has come; does not wait. Raises ClosedError."""
        if self._start == self._end:
            self._start = self._end = 0
            self._receive(self._buffer, socket.MSG_DONTWAIT)
        return self._start < self._end

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises ClosedError, also when the peer takes nothing for ten seconds."""
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise ClosedError from error

    def write_all(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Send several buffers one after the other, without joining them. Raises ClosedError as `write`."""
        for start in range(0, len(buffers), MOST_BUFFERS):
            part = buffers[start : start + MOST_BUFFERS]
            try:
                sent = self._connection.sendmsg(part)
            except OSError as error:
                raise ClosedError from error
            if sent < sum(map(len, part)):
                self.write(b"".join(part)[sent:])

    def _await(self, deadline: float, interruptible: bool) -> None:
        """Take what has come, or wait for the first of it."""
        while not self._receive(self._buffer, 0):
            if interruptible and self._stop.is_set():
                raise StoppingError
            if time.monotonic() > deadline:
                raise ExpiredError

    def _need(self, count: int, deadline: float) -> None:
        """Have `count` bytes."""
        if self._start + count > len(self._buffer):
            left = self._end - self._start
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        while (lacking := self._start + count - self._end) > 0:
            got = self._receive(self._buffer[self._end : self._end + lacking], socket.MSG_WAITALL)
            if got < lacking and time.monotonic() > deadline:
                raise ExpiredError

    def _receive(self, view: memoryview, flags: int) -> int:
        try:
            got = self._connection.recv_into(view, len(view), flags)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClosedError from error
        if got == 0:
            raise ClosedError
        self._end += got
        return got

    def _quick(self) -> None:
        if QUICKACK is not None:
            self._connection.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)


class SecureWire(Wire):
    """The same over TLS, whose socket has timeouts of its own, no flags and one buffer. `sending` as in `tune`."""

    def __init__(self, connection: ssl.SSLSocket, *, limit: int, stop: Event, sending: float = 10) -> None:
        super().__init__(connection, limit=limit, stop=stop)
        self._sending = sending

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises ClosedError, also when the peer takes nothing for its time."""
        self._connection.settimeout(self._sending)
        super().write(data)

    def write_all(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Send several buffers joined, as TLS knows no other way."""
        self.write(b"".join(buffers))

    def _receive(self, view: memoryview, flags: int) -> int:
        self._connection.settimeout(0 if flags & socket.MSG_DONTWAIT else TICK)
        try:
            got = self._connection.recv_into(view, len(view))
        except (TimeoutError, ssl.SSLWantReadError):
            return 0
        except OSError as error:
            raise ClosedError from error
        if got == 0:
            raise ClosedError
        self._end += got
        return got


def wire_of(connection: socket.socket, *, limit: int, stop: Event) -> Wire:
    """The wire of an accepted connection, over TLS or not."""
    tune(connection)
    if isinstance(connection, ssl.SSLSocket):
        return SecureWire(connection, limit=limit, stop=stop)
    return Wire(connection, limit=limit, stop=stop)
