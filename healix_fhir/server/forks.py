"""Processes that begin where this one is: what is loaded is loaded once, and is in memory once.

Who forks has one thread: others do not live on in the fork, and what they held stays held there. So `healix serve`
itself only watches, and lets forks do whatever takes threads: pools of connections, archives, object stores.

On macOS they are interpreters of their own, which load everything anew: what Apple's libraries have begun in a process
does not bear a fork, and they end one that uses them. So whatever is done elsewhere can be pickled.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import TypeVar

from setproctitle import setproctitle

from healix_fhir.server.reasons import reasons

T = TypeVar("T")
ENDING = (signal.SIGTERM, signal.SIGINT)


def _context() -> ForkContext | SpawnContext:
    if sys.platform == "darwin":
        return get_context("spawn")
    return get_context("fork")


context = _context()


def begins_loaded() -> bool:
    """Whether what this process has loaded is loaded in those that it starts."""
    return context.get_start_method() == "fork"


def fork(name: str, work: Callable[[], None]) -> BaseProcess:
    """Start a process that does `work`; it ends with the exit code 0, or as `reasons` says. `ps` shows `name`.

    A signal that comes meanwhile waits until the process has its own way of taking it.
    """
    process = context.Process(target=_begin, args=(name, work), name=name)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    return process


def apart(name: str, work: Callable[[], T]) -> T:
    """What `work` returns, done in a process of its own; ends this one like that where it fails, which has said why."""
    ours, theirs = context.Pipe(duplex=False)
    with ours:
        process = fork(name, partial(_answer, theirs, work))
        theirs.close()
        try:
            return ours.recv()  # type: ignore[no-any-return]
        except EOFError:
            process.join()
            raise SystemExit(process.exitcode or 1) from None
        finally:
            process.join()


def _begin(name: str, work: Callable[[], None]) -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    setproctitle(f"healix {name}")
    with reasons():
        work()


def _answer(theirs: Connection, work: Callable[[], T]) -> None:
    with theirs:
        theirs.send(work())
