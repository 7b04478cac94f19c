"""Conditional entries of a batch, several in one transaction: each is made or refused by itself, with few statements.

Two entries of a group may be about one resource: under the same condition, or by what they match. The first is made,
the others are left for a transaction of their own, which sees what the first has made. So is a delete of several, which
is made or refused as one.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction, #ccreate, #cond-update, #3.1.0.7.1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from healix_fhir.interaction.condition import FEW, lock
from healix_fhir.interaction.conditional import existing
from healix_fhir.interaction.review import Review, unreviewed
from healix_fhir.interaction.settle import SINGLE, change_of, settle
from healix_fhir.interaction.vain import is_vain, record_vain
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.search.match import Asked, Match, Matches, match_each
from healix_fhir.store.commit import commit_each
from healix_fhir.store.lock import permit
from healix_fhir.store.stored import Change, Committed, Method
from smart_auth.access import AccessContext

GROUP = FEW
"""Entries of a group: so many have locks of their own."""

Outcome: TypeAlias = list[Committed] | HealixError | None
"""What became of each resource concerned, why the entry is refused, or None where it is left for later."""


def conditional_each(
    access: AccessContext,
    entries: Sequence[Wanted],
    bases: tuple[str, ...],
    most: int = SINGLE,
    review: Review = unreviewed,
) -> Work[list[Outcome]]:
    """Run conditional writes inside the caller's transaction; the outcome of each, in their order."""
    outcomes: list[Outcome] = [_permitted(access, entry) for entry in entries]
    asked = [number for number, outcome in enumerate(outcomes) if outcome is None]
    matches = yield from _matches(access, [entries[number] for number in asked], bases[0], most)
    found: dict[int, Match] = {}
    changes: list[tuple[int, Change]] = []
    taken: set[object] = set()
    vain: list[Wanted] = []
    for number, matched in zip(asked, matches, strict=True):
        entry = entries[number]
        try:
            if isinstance(matched, HealixError):
                raise matched
            targets = settle(entry, matched, most)
            if isinstance(targets, Match):
                found[number] = targets
                continue
            keys = {entry.condition, *((entry.type, target.id) for target in targets)}
            if keys.isdisjoint(taken) and len(targets) < 2:
                changes += [(number, review(change_of(access, entry, target, bases))) for target in targets]
                taken |= keys
                outcomes[number] = []
                if is_vain(entry, targets):
                    vain.append(entry)
        except HealixError as error:
            outcomes[number] = error
    yield from record_vain(access, vain)
    shown = yield from existing(access, [(entries[number].type, match) for number, match in found.items()])
    for number, stored in zip(found, shown, strict=True):
        outcomes[number] = [Committed(stored, created=False, changed=False)]
    yield from _commit(access, changes, outcomes)
    return outcomes


def _permitted(access: AccessContext, entry: Wanted) -> HealixError | None:
    try:
        permit(access, entry.type, Method(entry.method))
    except HealixError as error:
        return error
    return None


def _matches(access: AccessContext, entries: Sequence[Wanted], base: str, most: int) -> Work[list[Matches]]:
    """What each condition matches; others who would create under one of them are held back."""
    creating = [entry.condition for entry in entries if entry.condition and entry.method in (Method.POST, Method.PUT)]
    if creating:
        yield lock(creating)
    asked = [
        Asked(access, entry.condition, most + 1 if entry.method == Method.DELETE else 2)
        for entry in entries
        if entry.condition is not None
    ]
    return (yield from match_each(asked, base=base))


def _commit(access: AccessContext, changes: Sequence[tuple[int, Change]], outcomes: list[Outcome]) -> Work[None]:
    """Make the changes; put what became of each into the outcome of its entry."""
    if not changes:
        return
    done = yield from commit_each([(access, change) for _, change in changes])
    for (number, _), one in zip(changes, done, strict=True):
        before = outcomes[number]
        if isinstance(one, HealixError):
            outcomes[number] = one
        elif isinstance(before, list):
            before.append(one)
