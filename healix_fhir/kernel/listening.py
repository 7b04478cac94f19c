"""Hearing of what PostgreSQL notifies of, on a connection of its own that is made again whenever it is lost.

Whatever goes wrong, also with what was heard: who may use the database may notify of anything, and a listener that ends
would not be noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
from psycopg import AsyncConnection

from healix_fhir.kernel.database import watched
from healix_fhir.kernel.log import get_logger

AGAIN = 1.0
"""Seconds between a connection and the next."""


class Listener:
    """Listens to one channel of the database at `url` between `start` and `stop`.

    `began` is called whenever it hears from now on, `heard` with the payload of each notification, `lost` whenever it
    hears no more; `unheard` is what is then logged.
    """

    def __init__(
        self,
        url: str,
        channel: str,
        heard: Callable[[str], None],
        *,
        began: Callable[[], None],
        lost: Callable[[], None] = lambda: None,
        unheard: str,
    ) -> None:
        self._url, self._channel, self._unheard = url, channel, unheard
        self._heard, self._began, self._lost = heard, began, lost
        self._log = get_logger(channel)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen until `stop`; it does nothing when it listens already."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen())

    def cancel(self) -> None:
        """Stop listening, without waiting for it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def stop(self) -> None:
        """Stop listening."""
        task = self._task
        self.cancel()
        if task is not None:
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(watched(self._url), autocommit=True) as connection:
                    await connection.execute(f"LISTEN {self._channel}")
                    self._began()
                    async for notice in connection.notifies():
                        self._heard(notice.payload)
            except psycopg.OperationalError:
                self._log.warning(self._unheard)
            except Exception:  # noqa: BLE001 - logged; it listens anew
                self._log.exception(self._unheard)
            finally:
                self._lost()
            await asyncio.sleep(AGAIN)
