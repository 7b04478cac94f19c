"""The whole DIMSE service behind a real socket, in a thread of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse import peers
from dicomweb.dimse.door import Door, listen
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.refusals import Refusals
from dicomweb.dimse.scp import gate, make
from dicomweb.dimse.tls import renewing
from healix_fhir.imaging.workitems import find_patient
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings

CALLER = "MODALITY"
"""The title under which tests/support/dimse.py calls."""


@dataclass(frozen=True)
class Ports:
    """Where it answers; `tls` is 0 without a certificate in the settings."""

    plain: int
    tls: int


@contextmanager
def serving_dimse(settings: Settings, pool: ConnectionPool[Connection[Row]], limits: Limits) -> Iterator[int]:
    """Serve `CALLER` over a database and the archive of `settings` until the block ends; the port."""
    with serving_ports(settings, pool, limits) as ports:
        yield ports.plain


@contextmanager
def serving_ports(settings: Settings, pool: ConnectionPool[Connection[Row]], limits: Limits) -> Iterator[Ports]:
    """The same with the port over TLS."""
    transaction(pool, lambda: peers.add(CALLER, "127.0.0.1", 104))
    stop = Event()
    context = renewing(settings)
    doors = [Door(listen("127.0.0.1", 0)), *([Door(listen("127.0.0.1", 0), context)] if context else [])]
    ports = [int(door.listener.getsockname()[1]) for door in doors]
    with Refusals(pool) as refusals:
        door = gate(doors, make(settings, pool, limits, refusals, stop, find_patient))
        thread = Thread(target=door.run, args=(stop,), name="dimse")
        thread.start()
        try:
            yield Ports(ports[0], ports[1] if context else 0)
        finally:
            stop.set()
            door._bell.ring()  # it looks four times a second
            thread.join(60)
            assert not thread.is_alive()
