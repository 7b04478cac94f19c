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
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event as Happening
from pynetdicom.events import EventHandlerType

from dicomweb.dimse.requestor import Remote
from tests.bench.dimse_servers import free_port
from tests.support.tools import require_tool


def local(port: int, aet: str = "HEALIX") -> Remote:
    """A peer on this machine, which we call as MODALITY."""
    return Remote(aet, "127.0.0.1", port, calling="MODALITY")


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[Remote]:
    """The storescp of dcmtk, which writes to a folder."""
    port = free_port()
    program = [require_tool("storescp"), "-od", str(folder), "-aet", "ARCHIVE", *options, str(port)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
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


@dataclass
class Receiving:
    """A storage provider that runs; `associations` counts those that were opened, `ended` how they ended."""

    remote: Remote
    kept: list[Kept] = field(default_factory=list)
    associations: int = 0
    ended: list[str] = field(default_factory=list)


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
        running.kept.append(Kept(found, syntax, (title and str(title).strip(), asked.MoveOriginatorMessageID)))
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
                done.wait(10)

    thread = Thread(target=run)
    thread.start()
    try:
        yield local(listener.getsockname()[1])
    finally:
        done.set()
        thread.join(10)
        listener.close()
