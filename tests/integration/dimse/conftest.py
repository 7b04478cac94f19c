"""A gate on a port of its own, with associations that keep what they receive in memory."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from threading import Event, Thread

import pytest

from dicomweb.dimse.associate import Context, accept, decode
from dicomweb.dimse.association import Association
from dicomweb.dimse.command import Command, CommandField, response
from dicomweb.dimse.contexts import negotiate
from dicomweb.dimse.data_transfer import DataTransfer
from dicomweb.dimse.door import Door, listen
from dicomweb.dimse.echo import echo
from dicomweb.dimse.exchange import Exchange
from dicomweb.dimse.gate import Gate
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.operation import Operation
from dicomweb.dimse.pdu import AbortSource, ProtocolError, abort
from dicomweb.dimse.peers import ALL
from dicomweb.dimse.wire import ClosedError, Wire, tune
from healix_fhir.kernel.audit import Origin


@dataclass
class Kept:
    """What the operations of a test server saw."""

    begun: int = 0
    received: int = 0
    whole: list[bytes] = field(default_factory=list)
    cancelled: list[bytes] = field(default_factory=list)


class Keep:
    """An operation that keeps its data set."""

    def __init__(self, command: Command, kept: Kept) -> None:
        self._command = command
        self._kept = kept
        kept.begun += 1
        self._data = bytearray()

    def write(self, data: memoryview) -> None:
        """Gather."""
        self._data += data
        self._kept.received += len(data)

    def finish(self, exchange: Exchange) -> None:
        """Keep."""
        self._kept.whole.append(bytes(self._data))
        exchange.respond(response(self._command, 0))

    def cancel(self) -> None:
        """Note what was lost."""
        self._kept.cancelled.append(bytes(self._data))


@dataclass
class Server:
    """A running gate."""

    port: int
    kept: Kept
    refused: list[str]
    stop: Event
    thread: Thread


def _serve(kept: Kept, refused: list[str], limits: Limits, stop: Event) -> Callable[[socket.socket, bytes, str], None]:
    def begin(command: Command, context: Context) -> Operation:
        del context
        return Keep(command, kept)

    def serve(connection: socket.socket, body: bytes, address: str) -> None:
        del address
        tune(connection)
        wire = Wire(connection, limit=limits.pdu, stop=stop)
        with suppress(ClosedError):
            try:
                asked = decode(body)
            except ProtocolError as error:
                wire.write(abort(AbortSource.SERVICE_PROVIDER, error.reason))
                return
            agreed = negotiate(asked, ALL)
            wire.write(accept(asked, agreed, limits.pdu))
            services = {CommandField.C_ECHO_RQ: echo(Origin(), lambda _: None), CommandField.C_STORE_RQ: begin}
            transfer = DataTransfer(wire, asked.maximum)
            Association(transfer, agreed.accepted, services, limits, refused.append).run()

    return serve


@contextmanager
def serving(limits: Limits) -> Iterator[Server]:
    """A gate that runs in a thread while the block lasts."""
    kept, refused, stop = Kept(), list[str](), Event()
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    serve = _serve(kept, refused, limits, stop)
    gate = Gate([Door(listener)], serve, limits, lambda _, reason: refused.append(reason))
    thread = Thread(target=gate.run, args=(stop,))
    thread.start()
    try:
        yield Server(port, kept, refused, stop, thread)
    finally:
        stop.set()
        gate._bell.ring()  # it looks four times a second
        thread.join(60)
        assert not thread.is_alive()


PATIENT = Limits(artim=600, progress=600, idle=600, drain=1.0, data_set=1 << 20)
"""A gate whose deadlines no test comes to, however slow the machine is."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A gate that waits."""
    with serving(PATIENT) as running:
        yield running


@pytest.fixture
def hasty() -> Iterator[Server]:
    """A gate that gives up soon what does not go on."""
    with serving(replace(PATIENT, artim=0.5, progress=0.5)) as running:
        yield running
