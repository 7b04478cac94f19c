"""The hot standbys for a process of threads: `kernel.standby` on an event loop in a thread of its own.

See docs/decisions/0188-who-asks-a-standby.md
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from healix_fhir.kernel.database import Finished, Work, open_async_pool
from healix_fhir.kernel.standby import Standby, Where, open_standby

T = TypeVar("T")
PRIMARY, STANDBY = 2, 4
"""Connections to the primary, for how far that is and for audit rows, and to a standby."""


class StandbyThread:
    """Asks `standby`, which lives on `loop`, from any other thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, standby: Standby) -> None:
        self._loop, self._standby = loop, standby

    def read(self, make: Callable[[], Work[T]], *, together: bool = False) -> Finished[T] | None:
        """As `Standby.read`: the result of a use case that looks things up, None where the primary has to be asked."""
        return asyncio.run_coroutine_threadsafe(self._standby.read(make, together=together), self._loop).result()


@contextmanager
def standby_thread(
    url: str, primary: str, *, seconds: int, told: Callable[[Where], None] = lambda _: None
) -> Iterator[StandbyThread]:
    """The standbys at `url` of the database at `primary`, while the block lasts; `told` as `Standby` has it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="standby", daemon=True)
    thread.start()
    try:
        pool = asyncio.run_coroutine_threadsafe(open_async_pool(primary, size=PRIMARY, seconds=seconds), loop).result()
        try:
            opening = open_standby(url, pool, size=STANDBY, seconds=seconds, told=told)
            standby = asyncio.run_coroutine_threadsafe(opening, loop).result()
            try:
                yield StandbyThread(loop, standby)
            finally:
                asyncio.run_coroutine_threadsafe(standby.close(), loop).result()
        finally:
            asyncio.run_coroutine_threadsafe(pool.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
