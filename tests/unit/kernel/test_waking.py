"""Waiting for what another node tells of."""

from __future__ import annotations

import asyncio
import time

from healix_fhir.kernel.waking import woken


def test_a_wait_ends_by_its_event_and_by_its_time() -> None:
    """Whichever comes first; neither is an error."""

    async def waits() -> float:
        wake = asyncio.Event()
        begun = time.monotonic()
        await woken(wake, 0.05)
        waited = time.monotonic() - begun
        wake.set()
        await asyncio.wait_for(woken(wake, 3600), 60)
        return waited

    assert asyncio.run(waits()) >= 0.05


def test_a_cancellation_that_comes_with_the_event_is_not_lost() -> None:
    """Who is cancelled in the very moment of being woken ends, and does not wait again."""

    async def waits(wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            await woken(wake, 3600)

    async def ends() -> bool:
        wake = asyncio.Event()
        waiting = asyncio.create_task(waits(wake))
        await asyncio.sleep(0)
        wake.set()
        await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait({waiting}, timeout=60)
        return waiting in done and waiting.cancelled()

    assert asyncio.run(ends())
