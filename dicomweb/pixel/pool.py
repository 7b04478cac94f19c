"""Pixels are decoded, encoded and rendered in processes of their own.

Compressed frames come from outside and are read by C libraries: what makes one of them crash, hang or ask for all
memory costs that frame and one process, nobody else's request. Processes start when there is work and end when there
has been none for a while, so that a server that renders nothing pays nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Final, ParamSpec, TypeVar, cast

from dicomweb.pixel.image import broken
from healix_fhir.kernel.errors import HealixError

P = ParamSpec("P")
T = TypeVar("T")

WORKERS: Final = max(2, min(os.cpu_count() or 1, 8))
SECONDS = 30.0
"""Time for one piece of work; a frame takes milliseconds."""

_threads: Final = ThreadPoolExecutor(WORKERS, thread_name_prefix="pixel")
_own = threading.local()


async def work(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `call` returns or raises as a HealixError, run in a process. `call`, arguments and result are pickled."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: _run(call, args, kwargs))


def work_now(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for threads, which wait."""
    return _threads.submit(_run, call, args, kwargs).result()


class _Worker:
    """A process and the connection to it, used by one thread."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "dicomweb.pixel.process", str(theirs.fileno())]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self.connection = Connection(ours.detach())

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.connection.close()


def _run(call: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    worker: _Worker | None = getattr(_own, "worker", None)
    if worker is not None and worker.process.poll() is not None:
        _forget(worker)
        worker = None
    worker = worker or _fresh()
    try:
        worker.connection.send((call, args, kwargs))
    except OSError:  # it has just ended for want of work
        _forget(worker)
        worker = _fresh()
        worker.connection.send((call, args, kwargs))
    try:
        if not worker.connection.poll(SECONDS):
            _forget(worker)
            raise broken("the pixels take too long to process")
        found, refused = worker.connection.recv()
    except (EOFError, OSError) as error:
        _forget(worker)
        raise broken("the pixels cannot be processed", f"the process ended with {worker.process.returncode}") from error
    if refused is not None:
        category, message, detail = refused
        raise HealixError(category, message, detail=detail)
    return cast("T", found)


def _fresh() -> _Worker:
    worker = _Worker()
    _own.worker = worker
    return worker


def _forget(worker: _Worker) -> None:
    worker.end()
    _own.worker = None
