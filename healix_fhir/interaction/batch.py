"""Batch: every entry by itself, in the order DELETE, POST, PUT and PATCH, GET; refused ones have their own outcome.

Entries of one turn run together, so that the reader and the writer answer them in few pieces of work; but no more of
them than these take at once, so that a large batch leaves room for others. Conditional ones run in groups, each in one
transaction.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from healix_fhir.interaction import answer
from healix_fhir.interaction.bundle import ORDER, Parcel, at_entry
from healix_fhir.interaction.conditional_group import GROUP
from healix_fhir.interaction.result import Entry, Page
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.writer import FLIGHTS, LIMIT

TOGETHER = FLIGHTS * LIMIT


async def batch(
    parcel: Parcel,
    perform: Callable[[Wanted], Awaitable[Entry]],
    perform_group: Callable[[Sequence[Wanted]], Awaitable[list[Entry | HealixError]]],
) -> Page:
    """Perform the entries of a batch; `perform_group` is for conditional ones."""
    answers = {
        number: answer.refused(entry) for number, entry in enumerate(parcel.entries) if isinstance(entry, HealixError)
    }
    wanted = [entry for entry in parcel.entries if isinstance(entry, Wanted)]
    room = asyncio.Semaphore(TOGETHER)
    for methods in ORDER:
        turn = [entry for entry in wanted if entry.method in methods]
        single = [entry for entry in turn if entry.condition is None]
        conditional = [entry for entry in turn if entry.condition is not None]
        groups = [conditional[start : start + GROUP] for start in range(0, len(conditional), GROUP)]
        done = await asyncio.gather(
            *(_safely(entry, perform, room) for entry in single), *(_answers(group, perform_group) for group in groups)
        )
        answers |= {number: result for results in done for number, result in results}
    return Page("batch-response", tuple(answers[number] for number in range(len(parcel.entries))))


async def _safely(
    entry: Wanted, perform: Callable[[Wanted], Awaitable[Entry]], room: asyncio.Semaphore
) -> Sequence[tuple[int, Entry]]:
    async with room:
        try:
            return [(entry.number, await perform(entry))]
        except HealixError as error:
            return [(entry.number, answer.refused(at_entry(entry.number, error)))]


async def _answers(
    group: Sequence[Wanted], perform: Callable[[Sequence[Wanted]], Awaitable[list[Entry | HealixError]]]
) -> Sequence[tuple[int, Entry]]:
    return [
        (entry.number, answer.refused(at_entry(entry.number, done)) if isinstance(done, HealixError) else done)
        for entry, done in zip(group, await perform(group), strict=True)
    ]
