"""Batch: every entry by itself, in the order DELETE, POST, PUT and PATCH, GET; refused ones have their own outcome.

Entries of one turn run together, so that the reader and the writer answer them in few pieces of work; but no more of
them than these take at once, so that a large batch leaves room for others. Conditional ones run in groups, each in one
transaction.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from healix_fhir.interaction import answer
from healix_fhir.interaction.bundle import ORDER, Parcel, at_entry
from healix_fhir.interaction.conditional_group import GROUP
from healix_fhir.interaction.result import Entry, Page
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.writer import FLIGHTS, LIMIT
from smart_auth.denial import Denial

TOGETHER = FLIGHTS * LIMIT


async def batch(
    parcel: Parcel,
    perform: Callable[[Wanted], Awaitable[Entry]],
    perform_group: Callable[[Sequence[Wanted]], Awaitable[list[Entry | HealixError]]],
    denied: Callable[[Wanted, HealixError], Iterable[Denial]],
) -> Page:
    """Perform the entries of a batch; `perform_group` is for conditional ones, `denied` tells what refusals are."""
    denials: list[Denial] = []
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
        for entry, result in (pair for results in done for pair in results):
            if isinstance(result, HealixError):
                denials += denied(entry, result)
                answers[entry.number] = answer.refused(at_entry(entry.number, result))
            else:
                answers[entry.number] = result
    entries = tuple(answers[number] for number in range(len(parcel.entries)))
    return Page("batch-response", entries, denials=tuple(denials))


async def _safely(
    entry: Wanted, perform: Callable[[Wanted], Awaitable[Entry]], room: asyncio.Semaphore
) -> Sequence[tuple[Wanted, Entry | HealixError]]:
    async with room:
        try:
            return [(entry, await perform(entry))]
        except HealixError as error:
            return [(entry, error)]


async def _answers(
    group: Sequence[Wanted], perform: Callable[[Sequence[Wanted]], Awaitable[list[Entry | HealixError]]]
) -> Sequence[tuple[Wanted, Entry | HealixError]]:
    return list(zip(group, await perform(group), strict=True))
