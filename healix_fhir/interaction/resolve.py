"""What the searches inside a transaction stand for: conditions of its entries, and conditional references.

All of them are read by few statements. Conditions hold of what is there before the transaction; conditional references
of what is there after its writes, so that they find what the transaction itself makes.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from healix_fhir.interaction.bundle import at_entry
from healix_fhir.interaction.condition import lock, of_params, one_of
from healix_fhir.interaction.entry import split
from healix_fhir.interaction.settle import Target, settle
from healix_fhir.interaction.vain import is_vain, record_vain
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search.match import Asked, Condition, Match, match_each
from smart_auth.access import AccessContext

CREATING = ("POST", "PUT")


class Settled(msgspec.Struct, frozen=True):
    """The targets of each writing entry by its number, or what a conditional create has found."""

    targets: dict[int, tuple[Target, ...]]
    found: dict[int, Match]
    refused: list[HealixError]


def settle_all(access: AccessContext, entries: Sequence[Wanted], base: str, most: int) -> Work[Settled]:
    """What every writing entry is about; others who would create under the same conditions are held back."""
    writing = [entry for entry in entries if entry.writes]
    conditional = [entry for entry in writing if entry.condition is not None]
    creating = [entry.condition for entry in conditional if entry.method in CREATING and entry.condition is not None]
    if creating:
        yield lock(creating)
    matches = yield from _matches(access, conditional, base, most)
    settled = Settled({}, {}, [])
    vain: list[Wanted] = []
    repeated = {condition for condition, times in Counter(creating).items() if times > 1}
    for entry in writing:
        try:
            found = matches.get(entry.number, ())
            if isinstance(found, HealixError):
                raise found
            if not found and entry.condition in repeated and entry.method in CREATING:
                raise invalid(f"several entries would create under the condition {entry.condition}", code="duplicate")
            targets = settle(entry, found, most)
        except HealixError as error:
            settled.refused.append(at_entry(entry.number, error))
            continue
        if isinstance(targets, Match):
            settled.found[entry.number] = targets
        else:
            settled.targets[entry.number] = targets
            if is_vain(entry, targets):
                vain.append(entry)
    yield from record_vain(access, vain)
    return settled


def _matches(
    access: AccessContext, entries: Sequence[Wanted], base: str, most: int
) -> Work[dict[int, tuple[Match, ...] | HealixError]]:
    asked = [
        Asked(access, entry.condition, most + 1 if entry.method == "DELETE" else 2)
        for entry in entries
        if entry.condition is not None
    ]
    answers = (yield from match_each(asked, base=base)) if asked else []
    return {entry.number: answer for entry, answer in zip(entries, answers, strict=True)}


def overlaps(entries: Iterable[Wanted], settled: Settled) -> list[HealixError]:
    """Refusals of entries that write what another writes or has found, or that carry another's fullUrl."""
    refused = []
    seen: set[object] = set()
    names: set[str] = set()
    for entry in sorted(entries, key=lambda entry: entry.number in settled.found):
        written = [(entry.type, target.id) for target in settled.targets.get(entry.number, ())]
        touched = [(entry.type, settled.found[entry.number].id)] if entry.number in settled.found else written
        twice = next((key for key in touched if key in seen), None)
        if twice is not None:
            message = f"{twice[0]}/{twice[1]} is written by two entries"
            refused.append(at_entry(entry.number, invalid(message, code="duplicate")))
        elif entry.writes and entry.full_url is not None and entry.full_url in names:
            refused.append(at_entry(entry.number, invalid("another entry has the same fullUrl", code="duplicate")))
        seen.update(written)
        names |= {entry.full_url} if entry.full_url is not None and entry.writes else set()
    return refused


def find_references(
    access: AccessContext, searches: Iterable[str], bases: tuple[str, ...]
) -> Work[dict[str, str | HealixError]]:
    """The address of the one resource that each conditional reference matches, or why there is none.

    A reference that matches nothing is not in the answer.
    """
    answers: dict[str, str | HealixError] = {}
    asked: list[tuple[str, Asked]] = []
    for text in searches:
        try:
            asked.append((text, Asked(access, _condition(text, bases))))
        except HealixError as error:
            answers[text] = error
    found = (yield from match_each([one for _, one in asked], base=bases[0])) if asked else []
    for (text, one), matches in zip(asked, found, strict=True):
        try:
            if isinstance(matches, HealixError):
                raise matches
            match = one_of(one.condition, matches)
        except HealixError as error:
            answers[text] = error
        else:
            if match is not None:
                answers[text] = f"{one.condition.type}/{match.id}"
    return answers


def _condition(text: str, bases: Sequence[str]) -> Condition:
    path, params = split(text, bases)
    if len(path) != 1 or path[0] not in TYPE_ID:
        raise invalid(f"'{text[:100]}' is no conditional reference: it must be Type?parameters", code="value")
    return of_params(path[0], params)
