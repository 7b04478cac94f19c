"""Batch: every entry by itself, in the order DELETE, POST, PUT, GET; a refused entry is an outcome of its own.

Entries of one method run together, so that the reader and the writer answer them in few pieces of work.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from healix_fhir.interaction import answer
from healix_fhir.interaction.bundle import ORDER, Parcel, Wanted, at_entry
from healix_fhir.interaction.result import Entry, Page
from healix_fhir.kernel.errors import HealixError


async def batch(parcel: Parcel, perform: Callable[[Wanted], Awaitable[Entry]]) -> Page:
    """Perform the entries of a batch."""
    answers = {
        number: answer.refused(entry) for number, entry in enumerate(parcel.entries) if isinstance(entry, HealixError)
    }
    wanted = [entry for entry in parcel.entries if isinstance(entry, Wanted)]
    for method in ORDER:
        turn = [entry for entry in wanted if entry.method == method]
        done = await asyncio.gather(*(_safely(entry, perform) for entry in turn))
        answers |= {entry.number: result for entry, result in zip(turn, done, strict=True)}
    return Page("batch-response", tuple(answers[number] for number in range(len(parcel.entries))))


async def _safely(entry: Wanted, perform: Callable[[Wanted], Awaitable[Entry]]) -> Entry:
    try:
        return await perform(entry)
    except HealixError as error:
        return answer.refused(at_entry(entry.number, error))
