"""The whole DIMSE service behind a real socket, in a thread of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse import peers
from dicomweb.dimse.gate import listen
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.refusals import Refusals
from dicomweb.dimse.scp import gate, make
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings

CALLER = "MODALITY"
"""The title under which tests/support/dimse.py calls."""


@contextmanager
def serving_dimse(settings: Settings, pool: ConnectionPool[Connection[Row]], limits: Limits) -> Iterator[int]:
    """Serve `CALLER` over a database and the archive of `settings` until the block ends; the port."""
    transaction(pool, lambda: peers.add(CALLER, "127.0.0.1", 104))
    stop = Event()
    listener = listen("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    with Refusals(pool) as refusals:
        door = gate(listener, make(settings, pool, limits, refusals, stop))
        thread = Thread(target=door.run, args=(stop,), name="dimse")
        thread.start()
        try:
            yield port
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()
