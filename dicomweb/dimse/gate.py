"""The door of the DIMSE port: who holds a connection, and for how long, before and after an association.

One thread holds every connection that is not an association: those whose A-ASSOCIATE-RQ has not come whole (state Sta2
of PS3.8 Table 9-10) and those that are to hang up (Sta13). They cost a small buffer each and have one deadline (ARTIM),
so thousands of idle or dripping connections keep nobody out, whether they drip a handshake of TLS or a request. A whole
request becomes an association with a thread of its own, if the limits allow; it comes back here when it ends.

Spec: PS3.8 9.1.4, 9.1.5 and 9.2 (2024d)
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import TypeAlias

from dicomweb.dimse.associate import Reject, reject
from dicomweb.dimse.door import BACKLOG, Door, HandshakeError, cut, finish, greet, has_more
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.pdu import HEADER, AbortReason, AbortSource, PDUType, ProtocolError, abort, checked_type
from healix_fhir.kernel.log import get_logger

log = get_logger("dimse")

Serve: TypeAlias = Callable[[socket.socket, bytes, str], None]
"""Serves one association: its connection, the body of its A-ASSOCIATE-RQ, the peer's address. Must not raise."""

Refused: TypeAlias = Callable[[str, str], None]
"""Hears of each refusal: the peer's address, and why. Must neither wait nor raise."""

TICK = 0.25
CHUNK = 64 << 10


@dataclass(slots=True, eq=False)
class Visitor:
    """A connection that is no association; `greeting` while it agrees on TLS, `leaving` when it only has to hang up."""

    connection: socket.socket
    address: str
    deadline: float
    greeting: bool = False
    leaving: bool = False
    received: bytearray = field(default_factory=bytearray)


class Bell:
    """What the threads of associations wake the gate with: a pipe, which one that outlives the gate must not reach
    into, as its number may be that of another file by then.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._lock = Lock()
        self._closed = False

    def fileno(self) -> int:
        """What is waited at."""
        return self._read

    def ring(self) -> None:
        """Wake who waits."""
        with self._lock, suppress(BlockingIOError):
            if not self._closed:
                os.write(self._write, b"!")

    def hear(self) -> None:
        """Take what rang."""
        os.read(self._read, 4096)

    def close(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._closed = True
            os.close(self._read)
            os.close(self._write)


class Gate:
    """Accepts connections at `doors` and hands whole association requests to `serve`; `refused` hears of others."""

    def __init__(self, doors: Sequence[Door], serve: Serve, limits: Limits, refused: Refused) -> None:
        self._doors = doors
        self._serve = serve
        self._refused = refused
        self._limits = limits
        self._selector = selectors.DefaultSelector()
        self._visitors: dict[Visitor, None] = {}  # in the order of their deadlines
        self._held = 0
        self._associations: dict[socket.socket, str] = {}
        self._ended: deque[socket.socket] = deque()
        self._bell = Bell()

    def run(self, stop: Event) -> None:
        """Serve until `stop` is set, then give messages under way their time and close everything."""
        for door in self._doors:
            self._selector.register(door.listener, selectors.EVENT_READ, door)
        self._selector.register(self._bell, selectors.EVENT_READ)
        while not stop.is_set():
            self._turn()
        for door in self._doors:
            self._selector.unregister(door.listener)
            door.listener.close()
        self._drain(time.monotonic() + self._limits.drain)
        for connection in self._associations:
            cut(connection)
        self._drain(time.monotonic() + 2)
        self._close()

    def _drain(self, deadline: float) -> None:
        while self._associations and time.monotonic() < deadline:
            self._turn()

    def _close(self) -> None:
        for visitor in list(self._visitors):
            self._drop(visitor)
        self._selector.close()
        self._bell.close()

    def _turn(self) -> None:
        for key, _ in self._selector.select(TICK):
            if isinstance(key.data, Door):
                self._accept(key.data)
            elif key.fileobj is self._bell:
                self._bell.hear()
            elif key.data in self._visitors:
                self._hear(key.data)
        while self._ended:
            self._end(self._ended.popleft())
        now = time.monotonic()
        while (oldest := next(iter(self._visitors), None)) is not None and oldest.deadline < now:
            if oldest.received:
                self._refused(oldest.address, f"no whole A-ASSOCIATE-RQ within {self._limits.artim:g} s")
            self._drop(oldest)

    def _accept(self, door: Door) -> None:
        for _ in range(BACKLOG):
            try:
                connection, address = door.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no file descriptors: those who wait longest give theirs
                log.warning("cannot accept", reason=str(error))
                self._drop_oldest()
                return
            if len(self._visitors) >= self._limits.waiting:
                self._drop_oldest()
            deadline = time.monotonic() + self._limits.artim
            self._admit(Visitor(connection, address, deadline, greeting=door.tls is not None))

    def _admit(self, visitor: Visitor) -> None:
        visitor.connection.setblocking(False)
        self._visitors[visitor] = None
        self._selector.register(visitor.connection, selectors.EVENT_READ, visitor)

    def _hear(self, visitor: Visitor) -> None:
        try:
            if visitor.greeting:
                greet(visitor.connection)
                visitor.greeting = False
            self._listen(visitor)
        except ProtocolError as error:
            self._turn_away(visitor, str(error), abort(AbortSource.SERVICE_PROVIDER, error.reason))
        except HandshakeError as error:
            self._turn_away(visitor, str(error))
        except (BlockingIOError, ssl.SSLWantReadError):
            self._await(visitor, selectors.EVENT_READ)
        except ssl.SSLWantWriteError:
            self._await(visitor, selectors.EVENT_WRITE)
        except OSError:
            self._drop(visitor)

    def _await(self, visitor: Visitor, events: int) -> None:
        if self._selector.get_key(visitor.connection).events != events:
            self._selector.modify(visitor.connection, events, visitor)

    def _listen(self, visitor: Visitor) -> None:
        """Take what has come."""
        while True:
            data = visitor.connection.recv(CHUNK if visitor.leaving else self._wanted(visitor))
            if not data:
                self._drop(visitor)
            elif not visitor.leaving:
                self._take(visitor, data)
            if visitor not in self._visitors or not has_more(visitor.connection):
                return

    def _wanted(self, visitor: Visitor) -> int:
        """How many bytes the PDU still lacks, or its header; never more, so that what follows stays in the socket."""
        got = len(visitor.received)
        if got < HEADER.size:
            return HEADER.size - got
        length: int = HEADER.unpack_from(visitor.received)[1]
        return HEADER.size + length - got

    def _take(self, visitor: Visitor, data: bytes) -> None:
        visitor.received += data
        self._held += len(data)
        while self._held > self._limits.waiting_bytes:
            self._drop_oldest()
        if len(visitor.received) < HEADER.size or visitor not in self._visitors:
            return
        kind, length = HEADER.unpack_from(visitor.received)
        known = checked_type(kind, length, self._limits.request)
        if known is PDUType.A_ABORT:
            self._drop(visitor)
        elif known is not PDUType.A_ASSOCIATE_RQ:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, f"{known.name} before an association")
        elif len(visitor.received) == HEADER.size + length:
            self._begin(visitor)

    def _begin(self, visitor: Visitor) -> None:
        addresses = Counter(self._associations.values())
        limits = self._limits
        if len(self._associations) >= limits.associations or addresses[visitor.address] >= limits.per_address:
            log.warning("association rejected", address=visitor.address, reason=Reject.LOCAL_LIMIT_EXCEEDED.name)
            self._refused(visitor.address, Reject.LOCAL_LIMIT_EXCEEDED.name)
            self._dismiss(visitor, reject(Reject.LOCAL_LIMIT_EXCEEDED))
            return
        self._forget(visitor)
        self._associations[visitor.connection] = visitor.address
        body = bytes(memoryview(visitor.received)[HEADER.size :])
        Thread(target=self._associate, args=(visitor.connection, body, visitor.address), daemon=True).start()

    def _associate(self, connection: socket.socket, body: bytes, address: str) -> None:
        """The thread of one association."""
        try:
            self._serve(connection, body, address)
        finally:
            self._ended.append(connection)
            self._bell.ring()

    def _end(self, connection: socket.socket) -> None:
        address = self._associations.pop(connection)
        self._leave(Visitor(connection, address, 0))

    def _turn_away(self, visitor: Visitor, why: str, farewell: bytes = b"") -> None:
        log.info("connection aborted", address=visitor.address, reason=why)
        self._refused(visitor.address, why)
        self._dismiss(visitor, farewell)

    def _dismiss(self, visitor: Visitor, farewell: bytes) -> None:
        self._forget(visitor)
        if farewell:
            with suppress(OSError):
                visitor.connection.send(farewell)
        self._leave(visitor)

    def _leave(self, visitor: Visitor) -> None:
        """Say that nothing more comes and wait for the peer to hang up, so that it reads our last PDU."""
        visitor.leaving = True
        visitor.greeting = False
        visitor.deadline = time.monotonic() + self._limits.artim
        visitor.received = bytearray()
        try:
            finish(visitor.connection)
        except OSError:
            visitor.connection.close()
        else:
            self._admit(visitor)

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._visitors), None)
        if oldest is not None:
            if not oldest.leaving:
                self._refused(oldest.address, "dropped for connections that came later")
            self._drop(oldest)

    def _drop(self, visitor: Visitor) -> None:
        self._forget(visitor)
        visitor.connection.close()

    def _forget(self, visitor: Visitor) -> None:
        del self._visitors[visitor]
        self._held -= len(visitor.received)
        self._selector.unregister(visitor.connection)
