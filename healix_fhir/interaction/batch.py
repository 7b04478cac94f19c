"""Batch: every entry by itself, in the order DELETE, POST, PUT and PATCH, GET; refused ones have their own outcome.

Entries of one turn run together, so that the reader and the writer answer them in few pieces of work; but no more of
them than these take at once, so that a large batch leaves room for others.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from healix_fhir.interaction import answer
from healix_fhir.interaction.bundle import ORDER, Parcel, at_entry
from healix_fhir.interaction.result import Entry, Page
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.writer import FLIGHTS, LIMIT

TOGETHER = FLIGHTS * LIMIT


async def batch(parcel: Parcel, perform: Callable[[Wanted], Awaitable[Entry]]) -> Page:
    """Perform the entries of a batch."""
    answers = {
        number: answer.refused(entry) for number, entry in enumerate(parcel.entries) if isinstance(entry, HealixError)
    }
    wanted = [entry for entry in parcel.entries if isinstance(entry, Wanted)]
    room = asyncio.Semaphore(TOGETHER)
    for methods in ORDER:
        turn = [entry for entry in wanted if entry.method in methods]
        done = await asyncio.gather(*(_safely(entry, perform, room) for entry in turn))
        answers |= {entry.number: result for entry, result in zip(turn, done, strict=True)}
    return Page("batch-response", tuple(answers[number] for number in range(len(parcel.entries))))


async def _safely(entry: Wanted, perform: Callable[[Wanted], Awaitable[Entry]], room: asyncio.Semaphore) -> Entry:
    async with room:
        try:
            return await perform(entry)
        except HealixError as error:
            return answer.refused(at_entry(entry.number, error))
