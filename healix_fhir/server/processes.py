"""The processes of a server: the database, the web workers, the DIMSE SCP and the job worker, and who watches them."""

from __future__ import annotations

import _thread
import dataclasses
import gc
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import psycopg

from dicomweb.archive.opening import check_archive
from healix_fhir.kernel import embedded
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import configure, get_logger
from healix_fhir.kernel.settings import Settings
from healix_fhir.kernel.slow import watch
from healix_fhir.server.forks import context, fork
from healix_fhir.server.migrate import migrate, refuse_unfinished, refuse_unsupported

DRAIN = 30.0
STARTED = 10.0
"""Seconds after which a child counts as started; one that dies sooner will hardly do better the next time."""

TURN = 0.2
"""Seconds between looks at the children,"""
RARELY = 3
"""and how many of them there are between two looks at the rest: who asks the system for a process takes it half a
millisecond, and the supervisor of an idle server is to be idle."""
ATTEMPTS = 5
AWAY = 1.0
"""Seconds until a child is started again that ended since the database was away (exit code EX_TEMPFAIL)."""
YOUNG = 50_000
"""Objects made between two looks of the garbage collector: a request makes some thousands, nearly none in cycles."""
log = get_logger("processes")


@contextmanager
def open_database(settings: Settings) -> Iterator[str]:
    """The URL of the settings' database, running and migrated; the embedded one is left when the block ends."""
    if settings.database_url:
        migrate(settings.database_url)
        yield settings.database_url
        return
    server = embedded.start(settings.data_dir)
    try:
        migrate(server.get_uri())
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def using_database(settings: Settings, *, child: bool) -> Iterator[Settings]:
    """The settings with the URL of a running database in them, for one worker process.

    A child of `healix serve` gets the URL from its parent. A worker on its own uses the external database as it is
    (`healix migrate` brings its schema up to date) or starts the embedded one. It checks the image archive, too, as
    the parent of a child has done.
    """
    if not child:
        check_archive(settings)
    else:
        configure(settings.log_level)  # an interpreter of its own has not got it from its parent
    if child or settings.database_url:
        if not child:
            with psycopg.connect(settings.database_url) as connection:
                refuse_unfinished(connection)
                refuse_unsupported(connection)
        watch.begin(settings.database_url, settings.slow_statement_ms / 1000)
        yield settings
        return
    with open_database(settings) as url:
        watch.begin(url, settings.slow_statement_ms / 1000)
        yield dataclasses.replace(settings, database_url=url)


def collect_less() -> None:
    """Leave what is loaded for good out of garbage collection, and collect less often: 3 to 10 % of a create,
    and a tenth of a second each time that all which is loaded is looked through.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket.

    Raises Unavailable when the address is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise HealixError(Category.UNAVAILABLE, f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.listen(2048)
    return listener


@dataclass
class Child:
    """One supervised process: what it does, when it was started, and how often it has ended right after its start: of
    itself (`failures`), or whyever but that the database was away.
    """

    name: str
    work: Callable[[], None]
    process: BaseProcess | None = None
    started: float = 0.0
    failures: int = field(default=0)
    ends: int = field(default=0)


class Supervisor:
    """Starts the children, starts those that die again with growing pauses, and ends them all in order.

    Each child holds the reading end of a pipe: when this process dies, however it dies, the pipe closes and the
    children end by themselves (see `end_with_parent`).
    """

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._life, self._held = context.Pipe(duplex=False)

    def start(self) -> None:
        """Start every child."""
        for child in self._children:
            self._spawn(child)

    def watch(self, stopped: threading.Event, *others: Callable[[], None]) -> None:
        """Restart children that end, until `stopped` is set, and let `others` look after what they watch.

        Raises Unavailable when one ends right after its start, `ATTEMPTS` times in a row: that will not mend by itself,
        unlike what others do to it. The system kills for want of memory, and databases come back.
        """
        for turn in itertools.count():
            if stopped.wait(TURN):
                return
            for child in self._children:
                if child.process is not None and child.process.exitcode is not None:
                    self._restart(child, stopped)
            if turn % RARELY == 0:
                for other in others:
                    other()

    def stop(self) -> None:
        """Ask every child to drain, wait, and kill what does not end in time."""
        running = [(child.name, child.process) for child in self._children if child.process is not None]
        for _, process in running:
            process.terminate()
        deadline = time.monotonic() + DRAIN
        for name, process in running:
            process.join(max(0.1, deadline - time.monotonic()))
            if process.exitcode is None:
                log.warning("killed, since it did not drain in time", child=name)
                process.kill()
                process.join()

    def _restart(self, child: Child, stopped: threading.Event) -> None:
        lived = time.monotonic() - child.started
        code = (child.process.exitcode if child.process else 0) or 0
        away, killed = code == os.EX_TEMPFAIL, code < 0
        child.ends = 0 if lived > STARTED or away else child.ends + 1
        child.failures = 0 if lived > STARTED else child.failures + (not away and not killed)
        if child.failures == ATTEMPTS:
            message = f"{child.name} ended {ATTEMPTS} times right after its start, with code {code}; its log says why"
            raise HealixError(Category.UNAVAILABLE, message)
        log.warning("ended unexpectedly, starting again", child=child.name, code=code, failures=child.failures)
        if not stopped.wait(AWAY if away else min(10.0, 0.1 * 2**child.ends)):
            self._spawn(child)

    def _spawn(self, child: Child) -> None:
        child.process = fork(child.name, partial(_live, self._life, self._held, child.work))
        child.started = time.monotonic()


def _live(life: Connection, held: Connection, work: Callable[[], None]) -> None:
    held.close()
    end_with_parent(life)
    work()


def stop_on_signals(stopped: threading.Event) -> None:
    """Set `stopped` on SIGTERM and on Ctrl-C.

    A thread sets it: a handler runs in the main thread, which may just then hold the lock of the event that it waits
    for, and would wait for itself.
    """

    def ask(*_: object) -> None:
        _thread.start_new_thread(stopped.set, ())

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def end_with_parent(life: Connection) -> None:
    """In a child: end like on SIGTERM when the parent's end of the pipe `life` closes."""

    def wait() -> None:
        os.read(life.fileno(), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
