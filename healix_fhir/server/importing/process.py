"""A process that writes lines for `healix import`: groups go in and what became of them comes out through a pipe.

It ends when its end of the pipe is closed, also by the death of its parent, after the transaction it is in.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import psycopg

from healix_fhir.interaction.review import Demands
from healix_fhir.kernel.database import open_pool
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.server.importing.lines import Line, LineWriter, Written
from healix_fhir.server.parameter_watch import watching


class WriterProcess:
    """A `LineWriter` in a process of its own, which starts with the first group."""

    def __init__(self, url: str, bases: tuple[str, ...], wanted: Demands) -> None:
        self._url = url
        self._bases = bases
        self._wanted = wanted
        self._process: BaseProcess | None = None
        self._pipe: Connection[Sequence[Line], Written | psycopg.Error] | None = None

    def write(self, lines: Sequence[Line]) -> Written:
        """Write `lines` there. Raises what the database raised there, and Unavailable when the process is gone."""
        pipe = self._pipe or self._start()
        try:
            pipe.send(lines)
            answer = pipe.recv()
        except (EOFError, OSError) as error:
            raise HealixError(Category.UNAVAILABLE, "an import process ended before its work was done") from error
        if isinstance(answer, psycopg.Error):
            raise answer
        return answer

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None and self._process is not None:
            self._pipe.close()
            self._process.join()

    def _start(self) -> Connection[Sequence[Line], Written | psycopg.Error]:
        context = multiprocessing.get_context("spawn")  # a fork would share the parent's connections and threads
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._url, self._bases, self._wanted), daemon=True)
        self._process.start()
        theirs.close()
        return self._pipe


def _serve(
    pipe: Connection[Written | psycopg.Error, Sequence[Line]],
    url: str,
    bases: tuple[str, ...],
    wanted: Demands,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it ends
    with (
        open_pool(url, size=1) as pool,
        watching(url),
        suppress(EOFError, BrokenPipeError, ConnectionResetError),
    ):
        writer = LineWriter(pool, bases, wanted)
        while True:
            lines = pipe.recv()
            try:
                answer: Written | psycopg.Error = writer.write(lines)
            except psycopg.Error as error:
                answer = error
            pipe.send(answer)
