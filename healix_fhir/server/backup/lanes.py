"""The same work on many things, a few at once, with the results in order: what waits is bounded, and so is memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

LANES = 4
"""Compressing, sealing and digesting let other threads run; a store is waited for."""


def ahead(work: Callable[[S], T], things: Iterable[S], lanes: int = LANES) -> Iterator[T]:
    """The results of `work`, in order, at most `lanes` of them ahead of who takes them."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(lanes) as threads:
        try:
            for thing in things:
                waiting.append(threads.submit(work, thing))
                if len(waiting) >= lanes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
