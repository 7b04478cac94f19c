"""The process that does work with pixels: `python -m dicomweb.pixel.process DESCRIPTOR`, started by the pool.

It takes one piece of work after the other from the socket that it inherits, and ends when there is none for a while or
the other side is gone.
"""

from __future__ import annotations

import resource
import signal
import sys
from multiprocessing.connection import Connection

from healix_fhir.kernel.errors import Category, HealixError

IDLE = 60.0
"""Seconds without work after which it ends."""
MEMORY = 4 << 30
"""Bytes of address space."""


def serve(connection: Connection) -> None:
    """Do what comes, each as (function, arguments, named arguments).

    Sent back are what it returns and None, or None and the category, message and detail of what it raises.
    """
    while connection.poll(IDLE):
        try:
            call, args, kwargs = connection.recv()
        except EOFError:
            return
        found = refused = None
        try:
            found = call(*args, **kwargs)
        except HealixError as error:
            refused = (error.category, error.message, error.detail)
        except MemoryError:
            refused = (Category.UNPROCESSABLE, "the pixels need too much memory", None)
        except Exception as error:  # noqa: BLE001 - told to who asked, whatever it is
            refused = (Category.UNPROCESSABLE, "the pixels cannot be processed", repr(error))
        connection.send((found, refused))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of the server closes the connection
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    serve(Connection(int(sys.argv[1])))
