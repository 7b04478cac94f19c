"""Peers that this server calls: dcmtk's storescp, pynetdicom's storage provider, and one that only says its lines."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from pydicom import Dataset
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event as Happening
from pynetdicom.events import EventHandlerType

from dicomweb.dimse.requestor import Remote
from tests.bench.dimse_servers import free_port
from tests.support.dimse import IMPLICIT, VERIFICATION
from tests.support.serve import wait_until
from tests.support.tools import require_tool

STUDY_ROOT_FIND, STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"
UNKNOWN_DESTINATION = 0xA801


def local(port: int, aet: str = "HEALIX") -> Remote:
    """A peer on this machine, which we call as MODALITY."""
    return Remote(aet, "127.0.0.1", port, calling="MODALITY")


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[Remote]:
    """The storescp of dcmtk, which writes to a folder."""
    port = free_port()
    program = [require_tool("storescp"), "-od", str(folder), "-aet", "ARCHIVE", *options, str(port)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens() -> bool:
        assert process.poll() is None, "storescp has ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, "storescp")
        yield local(port, "ARCHIVE")
    finally:
        process.terminate()
        process.wait(10)


@dataclass(frozen=True)
class Kept:
    """An object that pynetdicom received: its data set, the transfer syntax and the C-STORE it came by."""

    data_set: Dataset
    syntax: str
    originator: tuple[str | None, int | None]
    priority: int | None


@dataclass
class Receiving:
    """A storage provider that runs; `associations` counts those that were opened, `ended` how they ended."""

    remote: Remote
    kept: list[Kept] = field(default_factory=list)
    associations: int = 0
    ended: list[str] = field(default_factory=list)


@dataclass
class Having:
    """An archive that runs: where, and what it was asked for."""

    remote: Remote
    asked: list[Dataset] = field(default_factory=list)
    destinations: list[str] = field(default_factory=list)
    cancelled: bool = False


@contextmanager
def having(
    matches: Sequence[Dataset], images: Sequence[Dataset] = (), *, to: int = 0, refuse: int | None = None
) -> Iterator[Having]:
    """An archive of pynetdicom that answers echoes, finds these matches and moves these images to a local port.

    With `refuse` it answers each query and move with that status.
    """
    ae = AE("ARCHIVE")
    for sop_class in (VERIFICATION, STUDY_ROOT_FIND, STUDY_ROOT_MOVE):
        ae.add_supported_context(sop_class, [IMPLICIT])
    ae.requested_contexts = StoragePresentationContexts[:100]
    port = free_port()
    running = Having(local(port, "ARCHIVE"))

    def find(event: Happening) -> Iterator[tuple[int, Dataset | None]]:
        running.asked.append(event.identifier)
        for match in () if refuse else matches:
            if event.is_cancelled:
                running.cancelled = True
                yield 0xFE00, None
                return
            yield 0xFF00, match
            time.sleep(0.01)
        if refuse:
            yield refuse, None

    def move(event: Happening) -> Iterator[object]:
        running.asked.append(event.identifier)
        running.destinations.append(str(event.move_destination).strip())
        if refuse == UNKNOWN_DESTINATION:
            yield None, None
            return
        yield "127.0.0.1", to or port
        yield len(images)
        for image in images:
            if event.is_cancelled:
                running.cancelled = True
                yield 0xFE00, None
                return
            yield 0xFF00, image

    handlers: list[EventHandlerType] = [(evt.EVT_C_FIND, find), (evt.EVT_C_MOVE, move)]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield running
    finally:
        server.shutdown()


Answer = int | None
"""A status, or None to abort instead of answering."""


@contextmanager
def receiving(
    contexts: Sequence[tuple[str, Sequence[str]]], answer: Callable[[Dataset], Answer] = lambda _: 0
) -> Iterator[Receiving]:
    """A storage provider of pynetdicom for these SOP classes and transfer syntaxes."""
    ae = AE("ARCHIVE")
    for sop_class, syntaxes in contexts:
        ae.add_supported_context(sop_class, list(syntaxes))
    port = free_port()
    running = Receiving(local(port, "ARCHIVE"))

    def store(event: Happening) -> int:
        found = event.dataset
        status = answer(found)
        if status is None:
            event.assoc.abort()
            return 0xC000
        syntax = str(event.context.transfer_syntax)
        found.file_meta = event.file_meta
        asked = event.request
        assert isinstance(asked, C_STORE)
        title = asked.MoveOriginatorApplicationEntityTitle
        originator = title and str(title).strip(), asked.MoveOriginatorMessageID
        running.kept.append(Kept(found, syntax, originator, asked.Priority))
        return status

    def count(_: Happening) -> None:
        running.associations += 1

    handlers: list[EventHandlerType] = [
        (evt.EVT_C_STORE, store),
        (evt.EVT_ESTABLISHED, count),
        (evt.EVT_RELEASED, lambda _: running.ended.append("released")),
        (evt.EVT_ABORTED, lambda _: running.ended.append("aborted")),
    ]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield running
    finally:
        server.shutdown()


@contextmanager
def scripted(*answers: bytes, hang: bool = False) -> Iterator[Remote]:
    """A peer that sends an answer for each PDU that comes, or is not heard of again after the last one."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = Event()

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                connection.recv(1 << 16)
                connection.sendall(answer)
            if hang:
                done.wait(60)

    thread = Thread(target=run)
    thread.start()
    try:
        yield local(listener.getsockname()[1])
    finally:
        done.set()
        thread.join(60)
        listener.close()
