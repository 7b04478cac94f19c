"""A function in a process of its own, for `healix import`: questions go in and answers come out through a pipe.

The process ends when its end of the pipe is closed, also by the death of its parent, after the call it is in.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

import psycopg

from healix_fhir.kernel.children import deaf
from healix_fhir.kernel.errors import Category, HealixError

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")
Opened = Callable[[], AbstractContextManager[Callable[[Asked], Answered]]]


@dataclass(frozen=True)
class _Refused:
    """A HealixError on its way through the pipe."""

    category: Category
    message: str
    detail: str | None


class Apart(Generic[Asked, Answered]):
    """The function that `opened` makes, in a process that starts with the first call; `opened` can be pickled."""

    def __init__(self, opened: Opened[Asked, Answered]) -> None:
        self._opened = opened
        self._process: BaseProcess | None = None
        self._pipe: Connection[Any, Any] | None = None

    def __call__(self, asked: Asked) -> Answered:
        """Call it there. Raises what it or the database raised there, and Unavailable when the process is gone."""
        pipe = self._pipe or self._start()
        try:
            pipe.send(asked)
            answer = pipe.recv()
        except (EOFError, OSError) as error:
            raise HealixError(Category.UNAVAILABLE, "an import process ended before its work was done") from error
        if isinstance(answer, psycopg.Error):
            raise answer
        if isinstance(answer, _Refused):
            raise HealixError(answer.category, answer.message, detail=answer.detail)
        found: Answered = answer
        return found

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None and self._process is not None:
            self._pipe.close()
            self._process.join()

    def _start(self) -> Connection[Any, Any]:
        context = multiprocessing.get_context("spawn")  # a fork would share the parent's connections and threads
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._opened), daemon=True)
        with deaf():
            self._process.start()
        theirs.close()
        return self._pipe


def _serve(pipe: Connection[Any, Any], opened: Opened[Any, Any]) -> None:
    with opened() as call, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            asked = pipe.recv()
            try:
                answer = call(asked)
            except psycopg.Error as error:
                answer = error
            except HealixError as error:
                answer = _Refused(error.category, error.message, error.detail)
            pipe.send(answer)
