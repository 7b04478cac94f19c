"""The parts of one node."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable
from functools import partial
from importlib import import_module

from healix_fhir.kernel.settings import Settings
from healix_fhir.server import dimse, web, worker
from healix_fhir.server.processes import Child

BEGINNING = (
    "dicomweb.dimse.scp",
    "healix_fhir.imaging.workitems",
    "healix_fhir.server.app",
    "healix_fhir.server.deadlines",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "uvloop",
)
"""What a part loads when it begins, as one that runs alone does without what the others load."""


def load() -> None:
    """Load what any part does, for all of them, and keep the garbage collector from it: it would write to each page."""
    for module in BEGINNING:
        import_module(module)
    gc.collect()
    gc.freeze()


def children(settings: Settings, listener: socket.socket) -> list[Child]:
    """The processes of one node: web workers on the shared socket, one DIMSE SCP, one job worker."""
    serve = partial(web.run, settings, listener=listener, child=True)
    return [
        *(Child(f"web-{n}", serve) for n in range(settings.workers)),
        Child("dimse", partial(_without, listener, partial(dimse.run, settings, child=True))),
        Child("worker", partial(_without, listener, partial(worker.run, settings, child=True))),
    ]


def _without(listener: socket.socket, work: Callable[[], None]) -> None:
    """Who accepts nothing does not keep the socket open either: callers would wait at it while the server ends."""
    listener.close()
    work()
